//! Publish and subscribe among sessions that listen: what arrives, with which quality, and what waits.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use bytes::BytesMut;
use fleetwire_mqtt::{
    Message,
    packet::{Connect, Level, Properties, Property, QoS, Subscribe, Subscription},
};
use support::{House, Wire, connect_packet, house};

const V5: Level = Level::V5;

fn operator(id: &str) -> Connect {
    Connect { user_name: Some("operator".into()), ..connect_packet(V5, id) }
}

async fn open(house: &House, connect: &Connect) -> Wire {
    let (mut wire, mut bytes) = (Wire::open(house).await, BytesMut::new());
    connect.encode(&mut bytes);
    wire.send(&bytes).await;
    let (first, body) = wire.packet().await;
    assert_eq!((first, body[1]), (0x20, 0), "let in");
    wire
}

/// Subscribes with MQTT 5 options; the granted code.
async fn subscribe(wire: &mut Wire, filter: &str, qos: QoS, options: u8, id: Option<u32>) -> u8 {
    let subscription = Subscription { filter: filter.to_owned().into(), qos, options };
    let properties: Properties = Vec::from_iter(id.map(Property::SubscriptionIdentifier)).into();
    let packet = Subscribe { packet_id: 7, subscriptions: vec![subscription], properties };
    let mut bytes = BytesMut::new();
    packet.encode(&mut bytes, V5);
    wire.send(&bytes).await;
    let (first, body) = wire.packet().await;
    assert_eq!(first, 0x90);
    *body.last().unwrap()
}

fn message(topic: &'static str, payload: &'static str, qos: QoS, retain: bool) -> Message {
    Message {
        topic: topic.into(),
        payload: payload.into(),
        qos,
        retain,
        properties: Properties::default(),
        expires: None,
        from: "someone".into(),
    }
}

#[tokio::test]
async fn quality_2_goes_through_all_four_steps() {
    let house = house(|_| {});
    let mut wire = open(&house, &operator("a")).await;
    assert!(!house.sessions.is_listened_to());
    assert_eq!(subscribe(&mut wire, "x/#", QoS::ExactlyOnce, 0, Some(9)).await, 2);
    assert!(house.sessions.is_listened_to());
    let published = house.sessions.publish(&message("x/y", "p", QoS::ExactlyOnce, false));
    assert_eq!((published.taken, published.dropped), (1, 0));
    let (first, body) = wire.packet().await;
    assert_eq!((first, &body[..]), (0x34, &[0, 3, b'x', b'/', b'y', 0, 1, 2, 0x0B, 9, b'p'][..]));
    wire.send(&[0x50, 2, 0, 1]).await;
    assert_eq!(wire.packet().await, (0x62, vec![0, 1]));
    wire.send(&[0x70, 2, 0, 1]).await;
    house.sessions.publish(&message("x/z", "q", QoS::AtMostOnce, false));
    assert_eq!(wire.packet().await.0, 0x30, "nothing is left of it");
    drop(wire);
    house.notes.wait_for("disconnected peer_gone").await;
    while house.sessions.is_listened_to() {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.sessions.publish(&message("x/y", "p", QoS::ExactlyOnce, false)).taken, 0);
}

#[tokio::test]
async fn what_is_not_answered_is_sent_again_in_the_next_connection() {
    let house = house(|_| {});
    let expiry: Properties = vec![Property::SessionExpiry(600)].into();
    let lasting = Connect { clean_start: false, properties: expiry, ..operator("a") };
    let mut wire = open(&house, &lasting).await;
    subscribe(&mut wire, "x", QoS::ExactlyOnce, 0, None).await;
    for (payload, qos) in [("1", QoS::AtLeastOnce), ("2", QoS::ExactlyOnce), ("3", QoS::ExactlyOnce)] {
        house.sessions.publish(&message("x", payload, qos, false));
        wire.packet().await;
    }
    wire.send(&[0x50, 2, 0, 3]).await;
    assert_eq!(wire.packet().await, (0x62, vec![0, 3]));
    drop(wire);
    house.notes.wait_for("kept").await;
    // These wait; one of quality of service 0 does not.
    house.sessions.publish(&message("x", "0", QoS::AtMostOnce, false));
    house.sessions.publish(&message("x", "4", QoS::AtLeastOnce, false));
    let mut wire = open(&house, &lasting).await;
    let expected: [(u8, &[u8]); 4] = [
        (0x3A, &[0, 1, b'x', 0, 1, 0, b'1']),
        (0x3C, &[0, 1, b'x', 0, 2, 0, b'2']),
        (0x62, &[0, 3]),
        (0x32, &[0, 1, b'x', 0, 4, 0, b'4']),
    ];
    for (first, body) in expected {
        assert_eq!(wire.packet().await, (first, body.to_vec()));
    }
}

#[tokio::test]
async fn a_listener_that_does_not_keep_up_loses_the_newest_and_it_is_told() {
    let house = house(|settings| settings.max_inbox = 1);
    let expiry: Properties = vec![Property::SessionExpiry(600)].into();
    let lasting = Connect { clean_start: false, properties: expiry, ..operator("a") };
    let mut wire = open(&house, &lasting).await;
    subscribe(&mut wire, "x", QoS::AtLeastOnce, 0, None).await;
    drop(wire);
    house.notes.wait_for("kept").await;
    let outcomes = (0..10).map(|_| house.sessions.publish(&message("x", "p", QoS::AtLeastOnce, false)));
    assert_eq!(outcomes.map(|published| published.dropped).sum::<usize>(), 2, "eight may wait");
}

#[tokio::test]
async fn retained_messages_come_with_the_subscription_as_its_options_say() {
    let house = house(|_| {});
    house.sessions.publish(&message("x/1", "one", QoS::AtLeastOnce, true));
    let mut wire = open(&house, &operator("a")).await;
    subscribe(&mut wire, "x/+", QoS::AtMostOnce, 0, None).await;
    assert_eq!(wire.packet().await.0, 0x31, "with the retain flag");
    // Retain handling 1: not again for a subscription that exists; 2: never.
    subscribe(&mut wire, "x/+", QoS::AtMostOnce, 0x10, None).await;
    subscribe(&mut wire, "x/#", QoS::AtMostOnce, 0x20, None).await;
    house.sessions.publish(&message("x/2", "two", QoS::AtMostOnce, true));
    let (first, body) = wire.packet().await;
    assert_eq!((first, &body[6..]), (0x30, &b"two"[..]), "live, so without the flag, and once");
    subscribe(&mut wire, "x/2", QoS::AtMostOnce, 0x08, None).await;
    assert_eq!(wire.packet().await.0, 0x31);
    house.sessions.publish(&message("x/2", "three", QoS::AtMostOnce, true));
    assert_eq!(wire.packet().await.0, 0x31, "retain as published");
}

#[tokio::test]
async fn no_local_leaves_a_sessions_own_messages_out() {
    let house = house(|_| {});
    let mut wire = open(&house, &operator("someone")).await;
    subscribe(&mut wire, "x", QoS::AtMostOnce, 0x04, None).await;
    assert_eq!(house.sessions.publish(&message("x", "own", QoS::AtMostOnce, false)).taken, 0);
    let other = Message { from: "other".into(), ..message("x", "other", QoS::AtMostOnce, false) };
    assert_eq!(house.sessions.publish(&other).taken, 1);
}

#[tokio::test]
async fn a_client_without_an_id_is_told_the_one_it_got() {
    let house = house(|_| {});
    let (mut wire, mut bytes) = (Wire::open(&house).await, BytesMut::new());
    operator("").encode(&mut bytes);
    wire.send(&bytes).await;
    let (_, body) = wire.packet().await;
    let property = b"\x12\x00\x08assigned";
    assert!(body.windows(property.len()).any(|part| part == property), "{body:?}");
    assert!(house.sessions.contains("assigned"));
}

/// rumqttd's listener dies of this: an MQTT 5 publish with a user property for an MQTT 3.1.1 subscriber.
#[tokio::test]
async fn properties_of_a_message_do_not_reach_a_client_of_an_older_version() {
    let house = house(|_| {});
    let old = Connect { level: Level::V311, ..operator("old") };
    let mut wire = open(&house, &old).await;
    wire.send(&[0x82, 6, 0, 7, 0, 1, b'x', 1]).await;
    assert_eq!(wire.packet().await, (0x90, vec![0, 7, 1]));
    let properties: Properties = vec![Property::UserProperty("name".into(), "value".into())].into();
    house.sessions.publish(&Message { properties, ..message("x", "p", QoS::AtLeastOnce, false) });
    assert_eq!(wire.packet().await, (0x32, vec![0, 1, b'x', 0, 1, b'p']));
    wire.send(&[0xC0, 0]).await;
    assert_eq!(wire.packet().await.0, 0xD0);
}

/// rumqttd's router dies of this: a shared subscription of a session that is kept, with a message not acknowledged.
#[tokio::test]
async fn a_shared_subscription_of_a_kept_session_is_refused_and_hurts_nobody() {
    let house = house(|_| {});
    let expiry: Properties = vec![Property::SessionExpiry(600)].into();
    let lasting = Connect { clean_start: false, properties: expiry, ..operator("a") };
    for again in [false, true] {
        let mut wire = open(&house, &lasting).await;
        if again {
            assert_eq!(wire.packet().await.0, 0x3A, "what was not acknowledged");
        }
        assert_eq!(subscribe(&mut wire, "$share/g/x", QoS::AtLeastOnce, 0, None).await, 0x9E);
        subscribe(&mut wire, "x", QoS::AtLeastOnce, 0, None).await;
        house.sessions.publish(&message("x", "p", QoS::AtLeastOnce, false));
        while wire.packet().await.0 & 0xF0 != 0x30 {}
    }
}
