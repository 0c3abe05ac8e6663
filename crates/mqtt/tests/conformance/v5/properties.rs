//! Chapter 2.2.2.2: which property belongs to which packet, how often, and with which values.

use crate::{desk::house, wire::*};

/// Every identifier, with a value that is fine where it belongs.
fn samples() -> Vec<(u8, Vec<u8>)> {
    let mut list = Vec::new();
    for id in 0..=0x7F {
        let value = match id {
            0x01 | 0x0B | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2A => vec![1],
            0x13 | 0x21..=0x23 => vec![0, 1],
            0x02 | 0x11 | 0x18 | 0x27 => vec![0, 0, 1, 0],
            0x26 => [text("key"), text("value")].concat(),
            _ => text("value"),
        };
        list.push((id, [vec![id], value].concat()));
    }
    list
}

/// A packet with these properties, those that belong to it, and what is in order about it.
struct Place {
    name: &'static str,
    allowed: &'static [u8],
    bytes: fn(&[u8]) -> Vec<u8>,
}

fn connect(list: &[u8]) -> Vec<u8> {
    Connect { properties: list.into(), ..Connect::new(V5) }.bytes()
}

fn will(list: &[u8]) -> Vec<u8> {
    let mut connect = Connect::with_will(V5, 0, false);
    connect.will.as_mut().unwrap().properties = list.into();
    connect.bytes()
}

/// First byte, what stands before the properties, what follows.
fn around(first: u8, before: &[u8], list: &[u8], after: &[u8]) -> Vec<u8> {
    packet(first, &[before, &*properties(list), after].concat())
}

const FIRSTS: [Place; 2] = [
    Place {
        name: "CONNECT",
        allowed: &[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27],
        bytes: connect,
    },
    Place { name: "will", allowed: &[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26], bytes: will },
];
const LATER: [Place; 8] = [
    Place {
        name: "PUBLISH",
        allowed: &[0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26],
        bytes: |list| around(0x30, &text("d/x"), list, b"x"),
    },
    Place { name: "PUBACK", allowed: &[0x1F, 0x26], bytes: |list| around(0x40, &[0, 1, 0], list, b"") },
    Place { name: "PUBREC", allowed: &[0x1F, 0x26], bytes: |list| around(0x50, &[0, 1, 0x80], list, b"") },
    Place { name: "PUBREL", allowed: &[0x1F, 0x26], bytes: |list| around(0x62, &[0, 1, 0], list, b"") },
    Place { name: "PUBCOMP", allowed: &[0x1F, 0x26], bytes: |list| around(0x70, &[0, 1, 0], list, b"") },
    Place {
        name: "SUBSCRIBE",
        allowed: &[0x0B, 0x26],
        bytes: |list| around(0x82, &[0, 1], list, &[0, 1, b's', 0]),
    },
    Place { name: "UNSUBSCRIBE", allowed: &[0x26], bytes: |list| around(0xA2, &[0, 1], list, &[0, 1, b's']) },
    Place { name: "DISCONNECT", allowed: &[0x11, 0x1F, 0x26], bytes: |list| around(0xE0, &[0], list, b"") },
];

#[tokio::test]
async fn mqtt_4_13_1_1_a_property_in_the_wrong_packet_closes_the_connection() {
    let house = house();
    for (id, property) in samples() {
        for Place { name, allowed, bytes } in &FIRSTS {
            let case = format!("{id:#x} in {name}");
            let mut client = Client::open(&house, V5).await;
            if !allowed.contains(&id) {
                client.turned_away(&bytes(&property), 0x81, &case).await;
            } else if !matches!(id, 0x15 | 0x16) {
                client.send(&bytes(&property)).await;
                assert_eq!(client.packet().await.1[1], 0, "{case}");
            }
        }
        for Place { name, allowed, bytes } in &LATER {
            let case = format!("{id:#x} in {name}");
            if !allowed.contains(&id) {
                breach(&house, V5, &bytes(&property), 0x81, &case).await;
            } else if *name != "DISCONNECT" {
                tolerated(&house, V5, &bytes(&property)).await;
            }
        }
    }
}

#[tokio::test]
async fn mqtt_4_13_1_1_a_property_that_comes_twice_closes_the_connection() {
    let house = house();
    for (id, property) in samples() {
        let twice = property.repeat(2);
        for Place { name, allowed, bytes } in &FIRSTS {
            let case = format!("{id:#x} twice in {name}");
            let mut client = Client::open(&house, V5).await;
            if allowed.contains(&id) && id != 0x26 {
                client.turned_away(&bytes(&twice), 0x82, &case).await;
            } else if id == 0x26 {
                client.send(&bytes(&twice)).await;
                assert_eq!(client.packet().await.1[1], 0, "{case}");
            }
        }
        for Place { name, allowed, bytes } in &LATER {
            if allowed.contains(&id) && id != 0x26 {
                breach(&house, V5, &bytes(&twice), 0x82, &format!("{id:#x} twice in {name}")).await;
            } else if id == 0x26 && *name != "DISCONNECT" {
                tolerated(&house, V5, &bytes(&twice)).await;
            }
        }
    }
}

#[tokio::test]
async fn mqtt_4_13_1_1_a_property_with_a_value_that_means_nothing_closes_the_connection() {
    let house = house();
    let in_connect: [&[u8]; 6] =
        [&[0x17, 2], &[0x17, 0xFF], &[0x19, 2], &[0x21, 0, 0], &[0x27, 0, 0, 0, 0], &[0x19, 0xFF]];
    for list in in_connect {
        Client::open(&house, V5).await.turned_away(&connect(list), 0x82, &format!("{list:?}")).await;
    }
    for list in [&[0x01, 2][..], &[0x01, 0xFF]] {
        Client::open(&house, V5).await.turned_away(&will(list), 0x82, &format!("{list:?}")).await;
        breach(&house, V5, &(LATER[0].bytes)(list), 0x82, &format!("{list:?}")).await;
    }
    breach(&house, V5, &(LATER[5].bytes)(&[0x0B, 0]), 0x82, "subscription identifier 0").await;
    // A session expiry on DISCONNECT where CONNECT had none.
    breach(&house, V5, &(LATER[7].bytes)(&[0x11, 0, 0, 0, 1]), 0x82, "session expiry").await;
}

/// A property length that does not end where a property does.
#[tokio::test]
async fn mqtt_4_13_1_1_properties_that_do_not_fill_their_length_close_the_connection() {
    let house = house();
    let cases: [(&str, &[u8]); 6] = [
        ("longer than the packet", &[0x30, 7, 0, 3, b'd', b'/', b'x', 9, 0]),
        ("cut through a value", &[0x30, 8, 0, 3, b'd', b'/', b'x', 2, 0x02, 0]),
        ("cut through a text", &[0x40, 8, 0, 1, 0, 4, 0x1F, 0, 2, b'x']),
        ("an identifier of two bytes", &[0x40, 6, 0, 1, 0, 2, 0x80, 1]),
        ("a length of five bytes", &[0x40, 9, 0, 1, 0, 0x80, 0x80, 0x80, 0x80, 1, 0]),
        ("bytes after the properties", &[0x40, 5, 0, 1, 0, 0, 0]),
    ];
    for (case, bytes) in cases {
        breach(&house, V5, bytes, 0x81, case).await;
    }
}
