//! Chapter 6: MQTT inside of WebSocket frames, built by hand.

use fleetwire_mqtt::{Listener, Transport};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    desk::house_with,
    support::{House, soon},
    wire::*,
};

const BINARY: u8 = 0x82;
const TEXT: u8 = 0x81;

fn house() -> House {
    let address = ([127, 0, 0, 1], 0).into();
    house_with(|settings| settings.listeners = vec![Listener { transport: Transport::WebSocket, address }])
}

/// Asks for an upgrade with these subprotocols; the head of the answer.
async fn upgrade(house: &House, offer: Option<&str>) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    let offer = offer.map(|names| format!("Sec-WebSocket-Protocol: {names}\r\n")).unwrap_or_default();
    let request = format!(
        "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    (stream, String::from_utf8(head).unwrap().to_lowercase())
}

/// A frame of a client: masked, and short.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let masked = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    let len = u8::try_from(payload.len()).unwrap();
    assert!(len < 126);
    [kind, 0x80 | len].into_iter().chain(mask).chain(masked).collect()
}

/// The next bytes that the server sends, all of them in binary frames.
async fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        let (kind, len) = (soon(stream.read_u8()).await.unwrap(), soon(stream.read_u8()).await.unwrap());
        assert_eq!(kind, BINARY);
        let mut payload = vec![0; len.into()];
        soon(stream.read_exact(&mut payload)).await.unwrap();
        bytes.extend(payload);
    }
    bytes
}

/// The CONNACK that lets in.
async fn connack(stream: &mut TcpStream, level: u8) {
    let got = read(stream, 4).await;
    assert_eq!((got[0], got[2], got[3]), (0x20, 0, 0));
    assert_eq!(got.len(), 2 + usize::from(got[1]), "level {level}");
}

pub async fn packets_are_in_binary_frames(level: u8) {
    let house = house();
    let (mut stream, _) = upgrade(&house, Some("mqtt")).await;
    stream.write_all(&frame(BINARY, &Connect::with_will(level, 1, false).bytes())).await.unwrap();
    connack(&mut stream, level).await;
    stream.write_all(&frame(BINARY, &PINGREQ)).await.unwrap();
    assert_eq!(read(&mut stream, 2).await, PINGRESP);
    // A text frame ends the connection, as if the network had failed.
    stream.write_all(&frame(TEXT, b"hello")).await.unwrap();
    let mut rest = Vec::new();
    soon(stream.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.first().is_none_or(|first| *first == 0x88), "nothing but a close: {rest:02x?}");
    assert!(stored(&house).await.will);
    // Also where the first frame is one.
    let (mut stream, _) = upgrade(&house, Some("mqtt")).await;
    stream.write_all(&frame(TEXT, b"hello")).await.unwrap();
    let mut rest = Vec::new();
    soon(stream.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.first().is_none_or(|first| *first == 0x88), "nothing but a close: {rest:02x?}");
}

pub async fn packets_and_frames_need_not_begin_together(level: u8) {
    let house = house();
    let (mut stream, _) = upgrade(&house, Some("mqtt")).await;
    let bytes = [
        Connect::new(level).bytes(),
        publish(level, 2, "d/x", 1, b"first"),
        publish(level, 2, "d/x", 2, b"second"),
        PINGREQ.to_vec(),
    ]
    .concat();
    // One byte a frame, and then all that is left in one, with the end of one packet and the whole of others.
    let (slow, rest) = bytes.split_at(Connect::new(level).bytes().len() + 3);
    for byte in slow {
        stream.write_all(&frame(BINARY, &[*byte])).await.unwrap();
    }
    connack(&mut stream, level).await;
    stream.write_all(&frame(BINARY, rest)).await.unwrap();
    for payload in [&b"first"[..], b"second"] {
        assert_eq!(&stored(&house).await.payload[..], payload);
    }
    let mut got = read(&mut stream, 10).await;
    got.retain(|byte| [0x40, 0xD0].contains(byte));
    got.sort_unstable();
    assert_eq!(got, [0x40, 0x40, 0xD0]);
}

pub async fn the_subprotocol_is_mqtt() {
    let house = house();
    for offer in ["mqtt", "chat, mqtt", "mqtt,chat"] {
        let (_, head) = upgrade(&house, Some(offer)).await;
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        assert!(head.contains("\r\nsec-websocket-protocol: mqtt\r\n"), "{head}");
        assert!(head.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
    }
    // A client that does not offer it is not served.
    for offer in [None, Some("chat")] {
        let (_, head) = upgrade(&house, offer).await;
        assert!(head.starts_with("http/1.1 400 "), "{head}");
    }
}
