//! Text, flags, packet ids and topics as they stand on the wire.

use fleetwire_mqtt::{DeliveryOutcome, packet::QoS};

use crate::{
    desk::{deliver, house, house_with},
    support::soon,
    wire::*,
};

/// Texts that are not UTF-8, or not MQTT's UTF-8.
const ILL_FORMED: [&[u8]; 8] = [
    &[0xC3, 0x28],
    &[0xED, 0xA0, 0x80],
    &[0xED, 0xBF, 0xBF],
    &[0xC0, 0xAF],
    &[0xE2, 0x82],
    &[0xF5, 0x80, 0x80, 0x80],
    &[0x80],
    &[0xFF],
];
/// Texts that are strange and well-formed: a character of four bytes, the last before the surrogates and the
/// first after them.
const WELL_FORMED: [&str; 3] = ["d/\u{1F69A}", "d/\u{D7FF}", "d/\u{E000}"];

/// Places of a CONNECT where text stands.
fn connects_with(level: u8, bad: &[u8]) -> [(&'static str, Connect); 3] {
    let bad = [b"d/", bad].concat();
    let will = Will { topic: bad.clone(), ..Connect::with_will(level, 0, false).will.unwrap() };
    [
        ("client id", Connect { id: bad.clone(), ..Connect::new(level) }),
        ("will topic", Connect { will: Some(will), ..Connect::new(level) }),
        ("user name", Connect { user: Some(bad), ..Connect::new(level) }),
    ]
}

/// Places after the CONNECT where text stands.
fn packets_with(level: u8, bad: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let bad = [b"d/", bad].concat();
    let only_v5 = if level == V5 { &[0][..] } else { &[] };
    [
        ("topic name", publish(level, 2, &bad, 1, b"x")),
        ("filter", packet(0x82, &[&[0, 1], only_v5, &text(&bad), &[0]].concat())),
        ("filter to leave", packet(0xA2, &[&[0, 1], only_v5, &text(&bad)].concat())),
    ]
}

async fn refused_everywhere(level: u8, bad: &[u8]) {
    let house = house();
    for (place, connect) in connects_with(level, bad) {
        let mut client = Client::open(&house, level).await;
        client.turned_away(&connect.bytes(), 0x81, &format!("{place} {bad:02x?}")).await;
    }
    for (place, bytes) in packets_with(level, bad) {
        breach(&house, level, &bytes, 0x81, &format!("{place} {bad:02x?}")).await;
    }
    assert!(house.store.is_empty().await);
}

pub async fn ill_formed_text_closes(level: u8) {
    for bad in ILL_FORMED {
        refused_everywhere(level, bad).await;
    }
    let house = house();
    for good in WELL_FORMED {
        let mut client = Client::connect(&house, level).await;
        client.send(&publish(level, 2, good, 1, b"x")).await;
        assert_eq!(&*stored(&house).await.topic, good);
        client.expect(&ack(0x40, 1)).await;
        client.subscribed(&[(good, 0)], &[0]).await;
    }
}

pub async fn a_null_character_closes(level: u8) {
    refused_everywhere(level, b"\0").await;
    refused_everywhere(level, b"x\0y").await;
}

pub async fn a_byte_order_mark_is_kept(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.send(&publish(level, 0, "d/\u{FEFF}x", 0, b"x")).await;
    assert_eq!(stored(&house).await.topic.as_bytes()[..], *b"d/\xEF\xBB\xBFx");
    client.subscribed(&[("\u{FEFF}s/x", 0)], &[0]).await;
    assert_eq!(soon(deliver(&house, "s/x", QoS::AtMostOnce)).await, Ok(DeliveryOutcome::NotSubscribed));
    let sent = deliver(&house, "\u{FEFF}s/x", QoS::AtMostOnce);
    assert_eq!(client.published().await.topic, b"\xEF\xBB\xBFs/x");
    assert_eq!(soon(sent).await, Ok(DeliveryOutcome::Sent));
}

/// Every packet of a client with every value of its reserved flags but the right one.
pub async fn reserved_flags_close(level: u8) {
    let house = house();
    let mut count = 0;
    let packets = [
        (0x40, 0x40, vec![0, 1]),
        (0x50, 0x50, vec![0, 1]),
        (0x62, 0x60, vec![0, 1]),
        (0x70, 0x70, vec![0, 1]),
        (0x82, 0x80, subscribe(level, 1, &[("a", 0)])[2..].to_vec()),
        (0xA2, 0xA0, unsubscribe(level, 1, &["a"])[2..].to_vec()),
        (0xC0, 0xC0, vec![]),
        (0xE0, 0xE0, vec![]),
    ];
    for (right, first, body) in packets {
        for wrong in (first..first + 16).filter(|wrong| *wrong != right) {
            breach(&house, level, &packet(wrong, &body), 0x81, &format!("{wrong:#x}")).await;
            count += 1;
        }
        if right != 0xE0 {
            tolerated(&house, level, &packet(right, &body)).await;
        }
    }
    assert_eq!(house.notes.count("disconnected reserved_bits"), count);
    for first in 0x11..0x20 {
        let connect = Connect { first, ..Connect::new(level) };
        Client::open(&house, level).await.turned_away(&connect.bytes(), 0x81, &format!("{first:#x}")).await;
    }
}

/// The flags of one kind of packet that is not `right`.
pub async fn wrong_flags_close(level: u8, right: u8, body: &[u8]) {
    let house = house();
    let first = right & 0xF0;
    for wrong in (first..first + 16).filter(|wrong| *wrong != right) {
        breach(&house, level, &packet(wrong, body), 0x81, &format!("{wrong:#x}")).await;
    }
    tolerated(&house, level, &packet(right, body)).await;
}

pub async fn packet_id_zero_closes(level: u8) {
    let house = house();
    let cases = [
        ("PUBLISH, QoS 1", publish(level, 2, "d/x", 0, b"x")),
        ("PUBLISH, QoS 2", publish(level, 4, "d/x", 0, b"x")),
        ("SUBSCRIBE", subscribe(level, 0, &[("a", 0)])),
        ("UNSUBSCRIBE", unsubscribe(level, 0, &["a"])),
        ("PUBACK", ack(0x40, 0)),
        ("PUBREC", ack(0x50, 0)),
        ("PUBREL", ack(0x62, 0)),
        ("PUBCOMP", ack(0x70, 0)),
    ];
    for (case, bytes) in cases {
        breach(&house, level, &bytes, 0x82, case).await;
    }
    assert!(house.store.is_empty().await);
}

pub async fn qos_0_has_no_packet_id(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.send(&publish(level, 0, "d/x", 0, &[0, 7, 8])).await;
    let publish = stored(&house).await;
    assert_eq!((publish.packet_id, &publish.payload[..]), (0, &[0, 7, 8][..]));
    client.subscribed(&[("s", 0)], &[0]).await;
    drop(deliver(&house, "s", QoS::AtMostOnce));
    let _sent = deliver(&house, "s", QoS::AtMostOnce);
    let bytes: &[u8] = if level == V5 { b"\x30\x06\0\x01s\0on" } else { b"\x30\x05\0\x01son" };
    client.expect(bytes).await;
}

pub async fn qos_3_closes(level: u8) {
    let house = house();
    for flags in [6, 7, 14, 15] {
        breach(&house, level, &publish(level, flags, "d/x", 1, b"x"), 0x81, &format!("{flags}")).await;
    }
    assert!(house.store.is_empty().await);
}

pub async fn dup_with_qos_0_closes(level: u8) {
    let house = house();
    breach(&house, level, &publish(level, 8, "d/x", 0, b"x"), 0x81, "DUP").await;
    breach(&house, level, &publish(level, 9, "d/x", 0, b"x"), 0x81, "DUP and RETAIN").await;
    assert!(house.store.is_empty().await);
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    let _sent = deliver(&house, "s", QoS::AtMostOnce);
    assert_eq!(client.published().await.flags, 0);
}

/// The topic name is the first field: a PUBLISH that ends inside of it, or before the packet id, is none.
pub async fn a_publish_without_its_fields_closes(level: u8) {
    let house = house();
    for body in
        [&[][..], &[0], &[0, 4, b'd', b'/', b'x'], &[0, 3, b'd', b'/', b'x'], &[0, 3, b'd', b'/', b'x', 0]]
    {
        breach(&house, level, &packet(0x32, body), 0x81, &format!("{body:?}")).await;
    }
    assert!(house.store.is_empty().await);
}

pub async fn wildcards_in_topic_names_close(level: u8) {
    let house = house();
    for topic in ["d/#", "#", "+", "d/+/x", "d/+", "d/x#", "d/x+y"] {
        breach(&house, level, &publish(level, 2, topic, 1, b"x"), 0x90, topic).await;
    }
    let mut connect = Connect::with_will(level, 0, false);
    connect.will.as_mut().unwrap().topic = b"d/#".into();
    Client::open(&house, level).await.turned_away(&connect.bytes(), 0x90, "will topic").await;
    assert!(house.store.is_empty().await);
}

const BAD_MULTI: [&str; 5] = ["a#", "a/#/b", "#/a", "##", "a/b#"];
const BAD_SINGLE: [&str; 5] = ["a+", "+a", "a+/b", "a/+b", "++"];

async fn filters_close(level: u8, bad: &[&str], good: &[&str]) {
    let house = house();
    for filter in bad {
        breach(&house, level, &subscribe(level, 1, &[(filter, 0)]), 0x8F, filter).await;
        breach(&house, level, &unsubscribe(level, 1, &[filter]), 0x8F, filter).await;
    }
    let mut client = Client::connect(&house, level).await;
    for filter in good {
        client.subscribed(&[(filter, 0)], &[0]).await;
    }
}

pub async fn the_multi_level_wildcard_stands_last_and_alone(level: u8) {
    filters_close(level, &BAD_MULTI, &["#", "a/#", "/#", "a/b/#", "+/#"]).await;
}

pub async fn the_single_level_wildcard_fills_its_level(level: u8) {
    filters_close(level, &BAD_SINGLE, &["+", "+/a", "a/+", "a/+/b", "/+", "+/+/#"]).await;
}

pub async fn empty_topics_close(level: u8) {
    let house = house();
    breach(&house, level, &publish(level, 2, "", 1, b"x"), 0x90, "topic name").await;
    breach(&house, level, &subscribe(level, 1, &[("", 0)]), 0x8F, "filter").await;
    breach(&house, level, &unsubscribe(level, 1, &[""]), 0x8F, "filter to leave").await;
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s", 0), ("/", 0)], &[0, 0]).await;
    let _sent = deliver(&house, "/", QoS::AtMostOnce);
    assert_eq!(client.published().await.topic, b"/");
}

pub async fn the_longest_topic_is_taken_whole(level: u8) {
    let house = house_with(|settings| settings.limits.max_topic_length = 65_535);
    let mut client = Client::connect(&house, level).await;
    let longest = format!("d/{}", "x".repeat(65_533));
    client.send(&publish(level, 2, &longest, 1, b"x")).await;
    assert_eq!(&*stored(&house).await.topic, longest);
    client.expect(&ack(0x40, 1)).await;
    client.subscribed(&[(&longest, 0)], &[0]).await;
    let _sent = deliver(&house, &longest, QoS::AtMostOnce);
    assert_eq!(client.published().await.topic, longest.as_bytes());
    // One byte more cannot be said on the wire, so the server does not try.
    let mut everything = Client::connect(&house, level).await;
    everything.subscribed(&[("#", 0)], &[0]).await;
    let outcome = soon(deliver(&house, &format!("{longest}x"), QoS::AtMostOnce)).await;
    assert_eq!(outcome, Ok(DeliveryOutcome::TooLarge));
    everything.quiet().await;
}
