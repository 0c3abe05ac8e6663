//! The PROXY protocol: taken from listed networks only, and there required.

use std::{net::SocketAddr, time::Duration};

use fleetwire_mqtt::{ClientCertificates, Transport, packet::Level};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        pki_types::ServerName,
        version::{TLS12, TLS13},
    },
};

use super::{
    ID, address,
    pki::{Pki, client},
    support::{House, Wire, connect, house},
    works,
};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A server behind a proxy on loopback.
fn behind_proxy() -> House {
    house(|settings| {
        settings.proxy.from = vec!["127.0.0.0/8".parse().unwrap()];
        settings.handshake_timeout = Duration::from_millis(500);
    })
}

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &len, rest].concat()
}

/// A header of version 2 for 192.0.2.7:4711, with a TLV behind it.
fn v2() -> Vec<u8> {
    binary(0x21, 0x11, &[192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x67, 7, 91, 4, 0, 1, 0])
}

async fn open(house: &House, header: &[u8]) -> Wire {
    let mut wire = Wire::open(house).await;
    wire.send(header).await;
    wire
}

#[tokio::test]
async fn the_address_that_a_proxy_names_is_the_peers() {
    let house = behind_proxy();
    let named: [(&[u8], &str); 4] = [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 1883\r\n", "192.0.2.7:4711"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 1883\r\n", "[2001:db8::7]:4711"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:10.0.0.1 4711 1883\r\n", "192.0.2.7:4711"),
        (&v2(), "192.0.2.7:4711"),
    ];
    for (header, peer) in named {
        let wire = open(&house, header).await;
        works(&house, wire.0, ID).await;
        assert_eq!(house.porter.last().address, peer.parse::<SocketAddr>().unwrap());
    }
}

#[tokio::test]
async fn a_proxy_that_names_nobody_is_the_peer_itself() {
    let house = behind_proxy();
    let unnamed: [&[u8]; 3] =
        [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", &binary(0x20, 0, &[])];
    for header in unnamed {
        let wire = open(&house, header).await;
        let socket = wire.0.local_addr().unwrap();
        works(&house, wire.0, ID).await;
        assert_eq!(house.porter.last().address, socket);
    }
}

#[tokio::test]
async fn a_header_may_come_in_pieces_and_with_the_first_packet() {
    let house = behind_proxy();
    let headers: [&[u8]; 2] = [b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 1883\r\n", &v2()];
    for header in headers {
        let bytes = [header, &connect(Level::V311, ID)].concat();
        for at in (1..bytes.len()).step_by(3) {
            let mut wire = open(&house, &bytes[..at]).await;
            tokio::task::yield_now().await;
            wire.send(&bytes[at..]).await;
            assert_eq!(wire.packet().await, (0x20, vec![0, 0]), "{at}");
        }
    }
}

#[tokio::test]
async fn from_a_listed_network_a_header_is_required_whole_and_in_time() {
    let house = behind_proxy();
    let mut mute = Wire::open(&house).await;
    let mut half = open(&house, b"PROXY TCP4 192.0.2.7").await;
    let wrong: [(&[u8], &str); 6] = [
        (&connect(Level::V311, ID), "proxy_missing"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 4711\r\n", "proxy_malformed"),
        (b"PROXY TCP4 999.0.2.7 10.0.0.1 4711 1883\r\n", "proxy_malformed"),
        (&[b'P', b'R', b'O', b'X', b'Y', b' '].repeat(30), "proxy_malformed"),
        (&binary(0x31, 0x11, &[0; 12]), "proxy_malformed"),
        (&[SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat(), "proxy_malformed"),
    ];
    for (number, (bytes, _)) in wrong.iter().enumerate() {
        let mut wire = open(&house, bytes).await;
        let mut rest = Vec::new();
        // Unread bytes may make it a reset.
        let _ = super::support::soon(tokio::io::AsyncReadExt::read_to_end(&mut wire.0, &mut rest)).await;
        assert!(rest.is_empty(), "{number}");
    }
    house.notes.wait_for("not_admitted proxy_missing").await;
    house.notes.wait_for_many("not_admitted proxy_malformed", 5).await;
    mute.closed().await;
    half.closed().await;
    house.notes.wait_for_many("not_admitted handshake_timeout", 2).await;
}

#[tokio::test]
async fn from_elsewhere_a_header_is_never_read() {
    let house = house(|settings| settings.proxy.from = vec!["192.0.2.0/24".parse().unwrap()]);
    open(&house, b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 1883\r\n").await.closed_somehow().await;
    house.notes.wait_for("not_admitted not_connect").await;
    let wire = Wire::open(&house).await;
    let socket = wire.0.local_addr().unwrap();
    works(&house, wire.0, ID).await;
    assert_eq!(house.porter.last().address, socket);
}

#[tokio::test]
async fn the_header_comes_before_tls() {
    let pki = Pki::new();
    let house = house(|settings| {
        pki.serve(settings, ClientCertificates::Off);
        settings.proxy.from = vec!["127.0.0.1/32".parse().unwrap()];
    });
    let mut wire = Wire(TcpStream::connect(address(&house, Transport::Tls)).await.unwrap());
    wire.send(&v2()).await;
    let config = client(&pki.authority.pem, None, &[&TLS12, &TLS13]);
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(config).connect(name, wire.0).await.unwrap();
    works(&house, stream, ID).await;
    assert_eq!(house.porter.last().address, "192.0.2.7:4711".parse().unwrap());
}

#[tokio::test]
async fn limits_are_those_of_the_address_that_is_named() {
    let house = house(|settings| {
        settings.proxy.from = vec!["127.0.0.0/8".parse().unwrap()];
        settings.gate.connections_per_address = 1.try_into().ok();
    });
    let one = open(&house, b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 1883\r\n").await;
    let _one = works(&house, one.0, ID).await;
    let other = open(&house, b"PROXY TCP4 192.0.2.8 10.0.0.1 4711 1883\r\n").await;
    let _other = works(&house, other.0, "other").await;
    open(&house, b"PROXY TCP4 192.0.2.7 10.0.0.1 4712 1883\r\n").await.closed_somehow().await;
    house.notes.wait_for("turned_away address_connections").await;
}

impl Wire {
    /// The server closes, with a reset perhaps, and says nothing.
    async fn closed_somehow(mut self) {
        let mut rest = Vec::new();
        let _ = super::support::soon(tokio::io::AsyncReadExt::read_to_end(&mut self.0, &mut rest)).await;
        assert!(rest.is_empty());
    }
}
