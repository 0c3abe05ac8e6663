//! One round: connect, CONNECT, PUBLISH with QoS 1, wait for the PUBACK, DISCONNECT. As plain as an MQTT 3.1.1 client can
//! be, and on its own bytes: it must not share a mistake with the server's encoder.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::account::{CLIENT_ID, CanaryAccount, TOPIC, USER};

/// CONNECT, its flags: user name, password, clean session.
const FLAGS: u8 = 0b1100_0010;
/// Seconds of keep-alive; a round is over long before.
const KEEP_ALIVE: u16 = 60;
const CONNACK: [u8; 4] = [0x20, 2, 0, 0];
const PUBACK: [u8; 4] = [0x40, 2, 0, 1];
const DISCONNECT: [u8; 2] = [0xE0, 0];

/// Why a round did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// This process has no socket left, or no way to itself.
    NoSocket,
    /// Nobody listens.
    Unreachable,
    /// The connection was closed.
    Closed,
    /// The CONNECT or the PUBLISH was answered otherwise than it should.
    Refused,
    /// It took too long.
    TimedOut,
}

impl Fault {
    /// The metric label: a fixed word.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::NoSocket => "no_socket",
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
        }
    }

    /// For people.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::NoSocket => "this process cannot open a socket to itself",
            Self::Unreachable => "the MQTT listener does not take a connection from this process",
            Self::Closed => "the MQTT listener closes the connection of this process",
            Self::Refused => "the frontend refuses its own client",
            Self::TimedOut => "the frontend does not answer its own MQTT client",
        }
    }
}

/// One round. The caller sets the time limit.
pub(super) async fn round(listener: SocketAddr, account: &CanaryAccount) -> Result<(), Fault> {
    let target = reachable(listener);
    let socket = if target.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let bound = socket.and_then(|socket| {
        socket.bind(SocketAddr::new(target.ip(), 0))?;
        Ok((socket.local_addr()?, socket))
    });
    let (address, socket) = bound.map_err(|_| Fault::NoSocket)?;
    // Before it connects, so that the server knows it when it comes.
    let _expected = account.insider().expect(address);
    let mut stream = socket.connect(target).await.map_err(|_| Fault::Unreachable)?;
    stream.write_all(&connect(account.password())).await.map_err(closed)?;
    expect(&mut stream, CONNACK).await?;
    stream.write_all(&publish()).await.map_err(closed)?;
    expect(&mut stream, PUBACK).await?;
    stream.write_all(&DISCONNECT).await.map_err(closed)?;
    // Once the server has closed it, the session is over and does not meet the next one.
    let _end = stream.read(&mut [0]).await;
    Ok(())
}

/// Where this process reaches its own listener.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

async fn expect(stream: &mut TcpStream, answer: [u8; 4]) -> Result<(), Fault> {
    let mut found = [0; 4];
    stream.read_exact(&mut found).await.map_err(closed)?;
    if found == answer { Ok(()) } else { Err(Fault::Refused) }
}

fn closed(_: io::Error) -> Fault {
    Fault::Closed
}

fn connect(password: &str) -> Vec<u8> {
    let [high, low] = KEEP_ALIVE.to_be_bytes();
    let mut body = text("MQTT");
    body.extend([4, FLAGS, high, low]);
    for part in [CLIENT_ID, USER, password] {
        body.extend(text(part));
    }
    packet(0x10, body)
}

fn publish() -> Vec<u8> {
    let mut body = text(TOPIC);
    body.extend([0, 1]);
    packet(0x32, body)
}

fn text(text: &str) -> Vec<u8> {
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&len.to_be_bytes(), text.as_bytes()].concat()
}

/// A packet whose length fits into one byte: 127 bytes at most.
fn packet(first: u8, body: Vec<u8>) -> Vec<u8> {
    let mut packet = vec![first, u8::try_from(body.len()).unwrap_or(u8::MAX)];
    packet.extend(body);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_packets_are_short_enough_for_their_length_byte() {
        let password = fleetwire_registry::password::generate();
        for packet in [connect(&password), publish()] {
            assert!(packet.len() - 2 < 128 && usize::from(packet[1]) == packet.len() - 2);
        }
    }

    #[test]
    fn a_listener_on_every_address_is_reached_by_loopback_and_another_by_its_own() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:1883"), "127.0.0.1:1883");
        assert_eq!(at("[::]:1883"), "[::1]:1883");
        assert_eq!(at("192.0.2.7:1883"), "192.0.2.7:1883");
    }
}
