//! Commands: sent to one session, once, only where they will be acknowledged, and not after they were taken back.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use std::{sync::Arc, time::Duration, time::Instant};

use bytes::BytesMut;
use fleetwire_mqtt::{
    Attempt, DeliveryOutcome, Downlink,
    packet::{Connect, Level, Properties, Property, QoS, Subscribe, Subscription},
};
use support::{House, Wire, connect_packet, house, soon};

const ID: &str = "867035046242895";
const OUTC: &str = "867035046242895/OUTC";

async fn subscribed(house: &House, connect: &Connect, qos: QoS) -> Wire {
    let (mut wire, mut bytes) = (Wire::open(house).await, BytesMut::new());
    connect.encode(&mut bytes);
    let subscription = Subscription { filter: OUTC.to_owned().into(), qos, options: 0 };
    let packet =
        Subscribe { packet_id: 7, subscriptions: vec![subscription], properties: Properties::default() };
    packet.encode(&mut bytes, connect.level);
    wire.send(&bytes).await;
    assert_eq!(wire.packet().await.0, 0x20);
    let (first, body) = wire.packet().await;
    assert_eq!((first, *body.last().unwrap()), (0x90, qos as u8));
    wire
}

fn attempt(house: &House, text: &'static str, is_meant: bool) -> Arc<Attempt> {
    let attempt = Attempt::new();
    let expires = Instant::now() + Duration::from_mins(10);
    house.sessions.attempt(ID, Downlink::command(OUTC, text, expires), attempt.clone(), |_| is_meant);
    attempt
}

async fn next_publish(wire: &mut Wire) -> (Vec<u8>, [u8; 2]) {
    let (first, body) = wire.packet().await;
    assert_eq!(first, 0x32, "quality of service 1, not retained, not sent before");
    (body[24..].to_vec(), [body[22], body[23]])
}

/// Nothing but the answer comes.
async fn nothing_waits(wire: &mut Wire) {
    wire.send(&[0xC0, 0]).await;
    assert_eq!(wire.packet().await.0, 0xD0);
}

#[tokio::test]
async fn a_command_is_not_sent_again_in_a_later_connection() {
    let house = house(|_| {});
    // This account's publishes are sent again.
    let lasting =
        Connect { clean_start: false, user_name: Some("operator".into()), ..connect_packet(Level::V311, ID) };
    let mut wire = subscribed(&house, &lasting, QoS::AtLeastOnce).await;
    let command = attempt(&house, "on", true);
    next_publish(&mut wire).await;
    drop(wire);
    assert_eq!(soon(command.settled()).await, DeliveryOutcome::Unacknowledged);
    house.notes.wait_for("kept").await;
    let (mut wire, mut bytes) = (Wire::open(&house).await, BytesMut::new());
    lasting.encode(&mut bytes);
    wire.send(&bytes).await;
    let (first, body) = wire.packet().await;
    assert_eq!((first, body[0]), (0x20, 1), "the session goes on");
    nothing_waits(&mut wire).await;
}

#[tokio::test]
async fn a_command_is_not_sent_where_nobody_would_acknowledge_it() {
    let house = house(|_| {});
    let mut wire = subscribed(&house, &connect_packet(Level::V311, ID), QoS::AtMostOnce).await;
    assert_eq!(soon(attempt(&house, "on", true).settled()).await, DeliveryOutcome::NotSubscribed);
    nothing_waits(&mut wire).await;
}

#[tokio::test]
async fn a_command_goes_to_the_session_that_is_meant_or_to_none() {
    let house = house(|_| {});
    assert_eq!(attempt(&house, "on", true).outcome(), Some(DeliveryOutcome::NotConnected));
    let mut wire = subscribed(&house, &connect_packet(Level::V311, ID), QoS::AtLeastOnce).await;
    assert_eq!(attempt(&house, "on", false).outcome(), Some(DeliveryOutcome::OtherSession));
    nothing_waits(&mut wire).await;
    assert_eq!(house.sessions.look(ID, |_| ()), Some(()));
    assert_eq!(house.sessions.look("somebody", |_| ()), None);
}

#[tokio::test]
async fn a_command_that_was_taken_back_is_never_sent() {
    let house = house(|_| {});
    let mut wire = subscribed(&house, &connect_packet(Level::V311, ID), QoS::AtLeastOnce).await;
    // As many as may wait for their answers.
    let sent: Vec<_> = (0..16).map(|_| attempt(&house, "on", true)).collect();
    let mut ids = Vec::new();
    for _ in &sent {
        ids.push(next_publish(&mut wire).await.1);
    }
    let [taken_back, kept] = ["taken back", "kept"].map(|text| attempt(&house, text, true));
    assert!(taken_back.withdraw());
    // Answers with ids that are not in use are no answers.
    wire.send(&[0x40, 2, 0x7f, 0xff]).await;
    nothing_waits(&mut wire).await;
    assert!(sent.iter().all(|command| command.outcome().is_none() && !command.withdraw()));
    wire.send(&[0x40, 2, ids[0][0], ids[0][1]]).await;
    assert_eq!(soon(sent[0].settled()).await, DeliveryOutcome::Acknowledged);
    assert_eq!(next_publish(&mut wire).await.0, b"kept");
    assert_eq!(kept.outcome(), None);
    nothing_waits(&mut wire).await;
}

#[tokio::test]
async fn an_mqtt_5_client_is_told_how_long_a_command_is_good_and_may_refuse_it() {
    let house = house(|_| {});
    let mut wire = subscribed(&house, &connect_packet(Level::V5, ID), QoS::AtLeastOnce).await;
    let command = attempt(&house, "on", true);
    let (first, body) = wire.packet().await;
    let mut expected = vec![5, 2];
    expected.extend(600_u32.to_be_bytes());
    assert_eq!((first, &body[24..30]), (0x32, &expected[..]), "{:?}", Property::MessageExpiry(600));
    wire.send(&[0x40, 3, body[22], body[23], 0x83]).await;
    assert_eq!(soon(command.settled()).await, DeliveryOutcome::Rejected(0x83));
}
