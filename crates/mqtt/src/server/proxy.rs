//! The PROXY protocol, versions 1 and 2: whose connection a load balancer passes on.
//!
//! It is read only where a listed network connects, and required there; from anybody else it is no more than
//! wrong bytes. Exactly the header is read, so that TLS finds its first byte.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use proxy_header::{ParseConfig, ProxyHeader};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use crate::observer::HandshakeFault;

/// The shortest header of either version is longer.
const START: usize = 12;
/// Ends the fixed part of version 2.
const FIXED: usize = 16;
const SIGNATURE: &[u8; START] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest header of version 1, by its specification.
const MAX_TEXT: usize = 107;
/// The longest header of version 2 that is read; proxies add certificates' names and the like.
const MAX_BINARY: usize = 4096;

/// Which proxies are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// Networks whose connections must begin with a PROXY header.
    pub from: Vec<IpNet>,
}

impl ProxySettings {
    /// Whether an address is that of a trusted proxy.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.from.iter().any(|network| network.contains(&address))
    }
}

/// Reads the header and says whom it names: `None` for the proxy itself, as in its health checks. The caller sets
/// the time limit.
pub(super) async fn read(stream: &mut TcpStream) -> Result<Option<SocketAddr>, HandshakeFault> {
    let mut header = vec![0; START];
    stream.read_exact(&mut header).await.map_err(|_| HandshakeFault::Gone)?;
    if header == SIGNATURE {
        read_binary(stream, &mut header).await?;
    } else if header.starts_with(b"PROXY ") {
        read_text(stream, &mut header).await?;
    } else {
        return Err(HandshakeFault::ProxyMissing);
    }
    let config = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };
    match ProxyHeader::parse(&header, config) {
        Ok((parsed, len)) if len == header.len() => {
            Ok(parsed.proxied_address().map(|named| canonical(named.source)))
        }
        _ => Err(HandshakeFault::ProxyMalformed),
    }
}

async fn read_binary(stream: &mut TcpStream, header: &mut Vec<u8>) -> Result<(), HandshakeFault> {
    extend(stream, header, FIXED - START).await?;
    let [.., high, low] = header.as_slice() else {
        return Err(HandshakeFault::ProxyMalformed);
    };
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    if len > MAX_BINARY {
        return Err(HandshakeFault::ProxyMalformed);
    }
    extend(stream, header, len).await
}

async fn read_text(stream: &mut TcpStream, header: &mut Vec<u8>) -> Result<(), HandshakeFault> {
    // Looks first, so that nothing behind the line is taken.
    while header.last() != Some(&b'\n') {
        let mut seen = [0; MAX_TEXT];
        let count = stream.peek(&mut seen).await.map_err(|_| HandshakeFault::Gone)?;
        let seen = seen.get(..count).unwrap_or_default();
        let len = seen.iter().position(|byte| *byte == b'\n').map_or(count, |at| at + 1);
        if len == 0 {
            return Err(HandshakeFault::Gone);
        }
        if header.len() + len > MAX_TEXT {
            return Err(HandshakeFault::ProxyMalformed);
        }
        extend(stream, header, len).await?;
    }
    Ok(())
}

async fn extend(stream: &mut TcpStream, header: &mut Vec<u8>, count: usize) -> Result<(), HandshakeFault> {
    let start = header.len();
    header.resize(start + count, 0);
    let rest = header.get_mut(start..).unwrap_or_default();
    stream.read_exact(rest).await.map(drop).map_err(|_| HandshakeFault::Gone)
}

/// An IPv4 address that came as an IPv6 one is the IPv4 address.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
