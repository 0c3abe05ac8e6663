//! What must not hurt: the cases that stop other servers, and the plain breaches of the specification.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use std::time::Duration;

use fleetwire_mqtt::{
    Outcome,
    packet::{Level, Properties, QoS, Will},
};
use support::{House, Wire, connect, connect_packet, house, publish};

const ID: &str = "867035046242895";

/// The server still serves others.
async fn alive(house: &House) {
    let mut wire = Wire::connect(house, Level::V5, "other").await;
    wire.send(&publish(Level::V5, "BCE/D", QoS::AtLeastOnce, 9)).await;
    house.store.next().await.1.complete(Outcome::Stored);
    assert_eq!(wire.packet().await, (0x40, vec![0, 9]));
}

/// What an MQTT 5 client is told when it sends these bytes.
async fn told(house: &House, bytes: &[u8]) -> u8 {
    let mut wire = Wire::connect(house, Level::V5, ID).await;
    wire.send(bytes).await;
    let (first, body) = wire.packet().await;
    assert_eq!(first, 0xE0, "DISCONNECT");
    wire.closed().await;
    body[0]
}

#[tokio::test]
async fn breaches_close_the_connection_with_their_reason_and_nobody_else_notices() {
    let house = house(|_| {});
    let cases: [(&str, &[u8], u8); 17] = [
        ("CONNACK from a client", &[0x20, 3, 0, 0, 0], 0x82),
        ("SUBACK from a client", &[0x90, 4, 0, 1, 0, 0], 0x82),
        ("UNSUBACK from a client", &[0xB0, 4, 0, 1, 0, 0], 0x82),
        ("PINGRESP from a client", &[0xD0, 0], 0x82),
        ("second CONNECT", &connect(Level::V5, ID), 0x82),
        ("AUTH without a method agreed", &[0xF0, 0], 0x82),
        ("packet type 0", &[0x00, 0], 0x81),
        ("endless remaining length", &[0x30, 0xff, 0xff, 0xff, 0xff], 0x81),
        ("200 MB remaining length", &[0x30, 0x80, 0xc2, 0xd7, 0x5f], 0x95),
        ("QoS 3", &[0x36, 5, 0, 1, b'a', 0, 1], 0x81),
        ("packet id 0", &[0x32, 6, 0, 1, b'a', 0, 0, 0], 0x82),
        ("invalid UTF-8", &[0x30, 5, 0, 2, 0xc3, 0x28, 0], 0x81),
        ("surrogate", &[0x30, 6, 0, 3, 0xed, 0xa0, 0x80, 0], 0x81),
        ("U+0000", &[0x30, 5, 0, 2, b'a', 0, 0], 0x81),
        ("wildcard in a topic", &[0x30, 6, 0, 3, b'a', b'/', b'#', 0], 0x90),
        ("SUBSCRIBE flags", &[0x80, 7, 0, 1, 0, 0, 1, b'a', 0], 0x81),
        ("unknown alias", &[0x30, 6, 0, 0, 3, 0x23, 0, 9], 0x94),
    ];
    for (name, bytes, reason) in cases {
        assert_eq!(told(&house, bytes).await, reason, "{name}");
    }
    assert!(house.store.is_empty().await);
    alive(&house).await;
}

#[tokio::test]
async fn a_first_packet_that_is_no_connect_is_not_answered() {
    let house = house(|_| {});
    for bytes in
        [&[0xC0, 0][..], &[0x20, 2, 0, 0], &[0x30, 0x80, 0xc2, 0xd7, 0x5f], b"GET / HTTP/1.1\r\n\r\n"]
    {
        let mut wire = Wire::open(&house).await;
        wire.send(bytes).await;
        // The kernel may answer with a reset, because unread bytes are left.
        let mut rest = Vec::new();
        let _ = support::soon(tokio::io::AsyncReadExt::read_to_end(&mut wire.0, &mut rest)).await;
        assert!(rest.is_empty());
    }
    house.notes.wait_for("not_admitted not_connect").await;
    alive(&house).await;
}

#[tokio::test]
async fn a_topic_that_starts_beyond_ascii_hurts_nobody() {
    let house = house(|_| {});
    let mut wire = Wire::connect(&house, Level::V5, ID).await;
    wire.send(&publish(Level::V5, "é/x", QoS::AtLeastOnce, 1)).await;
    let (first, body) = wire.packet().await;
    assert_eq!((first, body[2]), (0x40, 0x87));

    let mut wire = Wire::open(&house).await;
    let mut packet = connect_packet(Level::V311, ID);
    packet.will = Some(Will {
        topic: "é/x".into(),
        payload: "gone".into(),
        qos: QoS::AtMostOnce,
        retain: false,
        properties: Properties::default(),
    });
    let mut bytes = bytes::BytesMut::new();
    packet.encode(&mut bytes);
    wire.send(&bytes).await;
    assert_eq!(wire.packet().await, (0x20, vec![0, 5]));
    house.notes.wait_for("not_admitted will_not_allowed").await;
    alive(&house).await;
}

#[tokio::test]
async fn client_ids_with_topic_characters_are_refused_however_often_they_come() {
    let house = house(|_| {});
    for id in ["a/b", "+", "#", "$SYS", "/", "a+b"] {
        for _ in 0..2 {
            let mut wire = Wire::open(&house).await;
            wire.send(&connect(Level::V311, id)).await;
            assert_eq!(wire.packet().await, (0x20, vec![0, 2]), "{id}");
            let mut wire = Wire::open(&house).await;
            wire.send(&connect(Level::V5, id)).await;
            assert_eq!(wire.packet().await.1[1], 0x85, "{id}");
        }
    }
    alive(&house).await;
}

#[tokio::test]
async fn filters_that_reach_further_than_the_grant_are_refused_one_by_one() {
    let house = house(|_| {});
    let filters = [
        ("867035046242895/OUTC", 0x01),
        ("$share/g/867035046242895/OUTC", 0x9E),
        ("#", 0x87),
        ("+/OUTC", 0x87),
        ("1/OUTC", 0x87),
        ("$SYS/#", 0x87),
        ("867035046242895/#", 0x87),
    ];
    for level in [Level::V311, Level::V5] {
        let mut wire = Wire::connect(&house, level, ID).await;
        let mut body = vec![0, 1];
        body.extend(level.is_v5().then_some(0));
        for (filter, _) in filters {
            body.extend(u16::try_from(filter.len()).unwrap().to_be_bytes());
            body.extend(filter.as_bytes());
            body.push(2);
        }
        let mut bytes = vec![
            0x82,
            0x80 | u8::try_from(body.len() % 128).unwrap(),
            u8::try_from(body.len() / 128).unwrap(),
        ];
        if body.len() < 128 {
            bytes = vec![0x82, u8::try_from(body.len()).unwrap()];
        }
        bytes.extend(body);
        wire.send(&bytes).await;
        let (first, answer) = wire.packet().await;
        assert_eq!(first, 0x90);
        let codes = &answer[if level.is_v5() { 3 } else { 2 }..];
        let expected: Vec<u8> = filters
            .iter()
            .map(|(_, code)| if level.is_v5() || *code < 0x80 { *code } else { 0x80 })
            .collect();
        assert_eq!(codes, expected);
    }
    alive(&house).await;
}

#[tokio::test]
async fn a_slow_or_oversize_connect_is_cut_off() {
    let house = house(|settings| {
        settings.connect_timeout = Duration::from_millis(50);
        settings.max_connect_size = 256;
    });
    let mut wire = Wire::open(&house).await;
    wire.send(&connect(Level::V311, ID)[..10]).await;
    wire.closed().await;
    house.notes.wait_for("not_admitted connect_timeout").await;
    let mut wire = Wire::open(&house).await;
    wire.send(&[0x10, 0xff, 0x7f]).await;
    wire.closed().await;
    house.notes.wait_for("not_admitted too_large").await;
}

#[tokio::test]
async fn bad_credentials_and_levels_get_the_code_of_their_version() {
    let house = house(|_| {});
    for (level, code) in [(Level::V31, 4), (Level::V311, 4), (Level::V5, 0x86)] {
        let mut packet = connect_packet(level, ID);
        packet.password = Some("wrong".into());
        let mut bytes = bytes::BytesMut::new();
        packet.encode(&mut bytes);
        let mut wire = Wire::open(&house).await;
        wire.send(&bytes).await;
        assert_eq!(wire.packet().await.1[..2], [0, code]);
        wire.closed().await;
    }
    for (level, code) in [(2, 1), (6, 0x84)] {
        let mut bytes = connect(Level::V311, ID);
        bytes[8] = level;
        let mut wire = Wire::open(&house).await;
        wire.send(&bytes).await;
        assert_eq!(wire.packet().await.1[..2], [0, code]);
    }
    for (level, code) in [(Level::V311, 2), (Level::V5, 0x85)] {
        let mut wire = Wire::open(&house).await;
        wire.send(&connect(level, "")).await;
        assert_eq!(wire.packet().await.1[..2], [0, code]);
    }
}

#[tokio::test]
async fn a_v5_client_beyond_its_receive_maximum_is_closed() {
    let house = house(|settings| settings.limits.max_in_flight = 2);
    let mut wire = Wire::connect(&house, Level::V5, ID).await;
    for id in 1..=2 {
        wire.send(&publish(Level::V5, "BCE/D", QoS::AtLeastOnce, id)).await;
    }
    // At the bound its pings are still answered.
    wire.send(&[0xC0, 0]).await;
    assert_eq!(wire.packet().await.0, 0xD0);
    wire.send(&publish(Level::V5, "BCE/D", QoS::AtLeastOnce, 3)).await;
    let (first, body) = wire.packet().await;
    assert_eq!((first, body[0]), (0xE0, 0x93));
}

#[tokio::test]
async fn quality_of_service_2_is_ingested_once_and_always_released() {
    let house = house(|_| {});
    let mut wire = Wire::connect(&house, Level::V311, ID).await;
    let packet = publish(Level::V311, "BCE/D", QoS::ExactlyOnce, 5);
    wire.send(&packet).await;
    wire.send(&packet).await;
    let (_, receipt) = house.store.next().await;
    house.notes.wait_for("duplicate").await;
    receipt.complete(Outcome::Stored);
    assert_eq!(wire.packet().await, (0x50, vec![0, 5]));
    wire.send(&packet).await;
    assert_eq!(wire.packet().await, (0x50, vec![0, 5]));
    for id in [5, 5, 77] {
        wire.send(&[0x62, 2, 0, id]).await;
        assert_eq!(wire.packet().await, (0x70, vec![0, id]));
    }
    assert!(house.store.is_empty().await);
    // Once released, the packet id is free for a new publish.
    wire.send(&packet).await;
    assert_eq!(house.store.next().await.0.sequence, 2);
}
