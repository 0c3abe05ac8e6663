//! One Kafka request by hand: which brokers does a node know? It tells when a cluster is ready, without a client.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const METADATA: u16 = 3;
/// The oldest version that Kafka 4 answers; later ones add nothing needed here.
const VERSION: u16 = 4;
const LIMIT: Duration = Duration::from_secs(2);

/// Number of brokers that the node on loopback `port` knows.
pub(crate) fn brokers(port: u16) -> Result<usize> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, LIMIT).context("cannot connect")?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    let mut request = Vec::with_capacity(32);
    request.extend(METADATA.to_be_bytes());
    request.extend(VERSION.to_be_bytes());
    request.extend(1_u32.to_be_bytes()); // correlation id
    request.extend(u16::MAX.to_be_bytes()); // no client id
    request.extend(0_u32.to_be_bytes()); // no topics
    request.push(0); // and create none
    let length = u32::try_from(request.len())?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(&request)?;
    let mut head = [0_u8; 16];
    stream.read_exact(&mut head).context("no answer")?;
    // Length, correlation id, throttle time, then the array of brokers.
    let [.., a, b, c, d] = head;
    match usize::try_from(i32::from_be_bytes([a, b, c, d])) {
        Ok(count) => Ok(count),
        Err(_) => bail!("the answer is no metadata"),
    }
}
