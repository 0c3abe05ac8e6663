//! Chapters 3.12 to 3.14: PINGREQ and DISCONNECT.

use fleetwire_mqtt::End;

use crate::{
    both,
    desk::{ID, house, house_with},
    support::House,
    wire::*,
};

#[tokio::test]
async fn mqtt_3_12_4_1_a_pingreq_is_answered() {
    both::pings_are_answered(V5).await;
}

/// Before CONNACK there is no DISCONNECT, whatever is wrong.
#[tokio::test]
async fn mqtt_3_14_0_1_there_is_no_disconnect_before_connack() {
    let house = house_with(|settings| {
        settings.connect_timeout = std::time::Duration::from_millis(100);
        settings.max_connect_size = 200;
    });
    let cases = [
        PINGREQ.to_vec(),
        vec![0x10],
        vec![0x10, 0xFF, 0xFF, 0xFF, 0xFF],
        Connect { id: vec![b'x'; 200], ..Connect::new(V5) }.bytes(),
    ];
    for bytes in cases {
        let mut client = Client::open(&house, V5).await;
        client.send(&bytes).await;
        client.closed().await;
    }
    // A CONNECT that can be read is answered by CONNACK alone.
    let connect = Connect { flip: 1, ..Connect::new(V5) };
    Client::open(&house, V5).await.turned_away(&connect.bytes(), 0x81, "CONNACK").await;
}

#[tokio::test]
async fn mqtt_3_14_1_1_a_disconnect_with_reserved_bits_is_malformed() {
    let house = house();
    for first in 0xE1..=0xEF {
        let (mut client, _) = Client::enter(&house, &Connect::with_will(V5, 1, false)).await;
        client.send(&packet(first, &[])).await;
        client.ended(0x81, "reserved bits").await;
        assert!(stored(&house).await.will);
    }
}

/// A connection that the server ends for each reason that it has, and what DISCONNECT says.
async fn goodbyes(house: &House, connect: &Connect) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    let ends = [
        (End::TakenOver, 0x8E),
        (End::ShuttingDown, 0x9C),
        (End::Administrative, 0x98),
        (End::KeepAlive, 0x8D),
        (End::TooManyUnreleased, 0x97),
        (End::NotAuthorized, 0x87),
    ];
    for (end, code) in ends {
        let (mut client, _) = Client::enter(house, connect).await;
        assert!(house.sessions.close(ID, end));
        let (first, body) = client.packet().await;
        assert_eq!((first, body[0]), (0xE0, code));
        client.closed().await;
        bodies.push(body);
    }
    bodies
}

#[tokio::test]
async fn mqtt_3_14_2_1_disconnect_has_a_reason_code_of_its_table() {
    let house = house();
    goodbyes(&house, &Connect::new(V5)).await;
    // From a client, only those that the table gives to clients.
    let codes = [0, 4, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];
    for code in 0..=255 {
        let mut client = Client::connect(&house, V5).await;
        client.send(&packet(0xE0, &[code])).await;
        if codes.contains(&code) {
            client.closed().await;
        } else {
            client.ended(0x81, &format!("{code:#x}")).await;
        }
    }
}

#[tokio::test]
async fn mqtt_3_14_2_2_the_server_says_nothing_of_session_expiry_when_it_disconnects() {
    let house = house();
    let connect = Connect { properties: vec![0x11, 0, 0, 0, 9], ..Connect::new(V5) };
    for body in goodbyes(&house, &connect).await {
        let list = cut_properties(&mut &body[1..]);
        assert_eq!((find(&list, 0x11), find(&list, 0x1F).is_some()), (None, true));
    }
}

#[tokio::test]
async fn mqtt_3_14_2_3_words_never_make_a_disconnect_too_large() {
    let house = house();
    for size in [40, 41, 45, 50, 60, 100] {
        let connect = Connect { properties: vec![0x27, 0, 0, 0, size], ..Connect::new(V5) };
        for body in goodbyes(&house, &connect).await {
            assert!(2 + body.len() <= usize::from(size), "{} of {size}", 2 + body.len());
            assert_eq!(find(&cut_properties(&mut &body[1..]), 0x26), None);
        }
    }
}

/// No packet follows the DISCONNECT of the server, and it closes: looked at for every breach in this suite, and
/// here for a client that does not stop.
#[tokio::test]
async fn mqtt_3_14_4_1_nothing_follows_a_disconnect_of_the_server() {
    let house = house();
    let mut client = Client::connect(&house, V5).await;
    client.send(&[&[0, 0][..], &PINGREQ.repeat(100), &publish(V5, 2, "d/x", 1, b"x")].concat()).await;
    client.ended(0x81, "packet type 0").await;
    assert!(house.store.is_empty().await);
}

#[tokio::test]
async fn mqtt_3_14_4_2_nothing_is_processed_after_disconnect() {
    both::nothing_is_processed_after_disconnect(V5).await;
}

#[tokio::test]
async fn mqtt_3_14_4_3_only_a_normal_goodbye_removes_the_will() {
    both::a_goodbye_removes_the_will(V5).await;
    let house = house();
    for (body, will) in [(&[][..], false), (&[0], false), (&[0, 0], false), (&[4], true), (&[0x80], true)] {
        let (mut client, _) = Client::enter(&house, &Connect::with_will(V5, 1, false)).await;
        client.send(&packet(0xE0, body)).await;
        client.closed().await;
        let mut other = Client::connect_as(&house, V5, "other").await;
        if will {
            assert!(stored(&house).await.will, "{body:?}");
        }
        other.send(&publish(V5, 0, "d/x", 0, b"x")).await;
        assert!(!stored(&house).await.will, "{body:?}");
    }
}
