//! Sessions that outlive their connections: what is found again, what is not, and what happens meanwhile.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fleetwire_mqtt::{
    DeliveryOutcome, Downlink, Outcome, Rate,
    packet::{Connect, Level, Properties, Property, QoS, Subscribe, Subscription, Will},
};
use support::{House, Wire, connect_packet, house, publish, soon};
use tokio::sync::oneshot;

const ID: &str = "867035046242895";
const OUTC: &str = "867035046242895/OUTC";
const ONE: QoS = QoS::AtLeastOnce;
const TWO: QoS = QoS::ExactlyOnce;

/// A CONNECT that asks for a session which is kept.
fn lasting(level: Level) -> Connect {
    let expiry = level.is_v5().then_some(Property::SessionExpiry(600));
    Connect { clean_start: false, properties: Vec::from_iter(expiry).into(), ..connect_packet(level, ID) }
}

/// Connects; says whether a session was present.
async fn open(house: &House, connect: &Connect) -> (Wire, bool) {
    let (mut wire, mut bytes) = (Wire::open(house).await, BytesMut::new());
    connect.encode(&mut bytes);
    wire.send(&bytes).await;
    let (first, body) = wire.packet().await;
    assert_eq!((first, body[1]), (0x20, 0), "let in");
    (wire, body[0] == 1)
}

async fn subscribe(wire: &mut Wire, level: Level, filter: &str, qos: QoS) -> u8 {
    let subscription = Subscription { filter: filter.to_owned().into(), qos, options: 0 };
    let packet =
        Subscribe { packet_id: 7, subscriptions: vec![subscription], properties: Properties::default() };
    let mut bytes = BytesMut::new();
    packet.encode(&mut bytes, level);
    wire.send(&bytes).await;
    let (first, body) = wire.packet().await;
    assert_eq!(first, 0x90);
    *body.last().unwrap()
}

fn ask(house: &House) -> oneshot::Receiver<DeliveryOutcome> {
    let (reply, outcome) = oneshot::channel();
    house.sessions.deliver(ID, Downlink::new(OUTC, "on", ONE), reply);
    outcome
}

async fn leave(house: &House, wire: Wire) {
    drop(wire);
    house.notes.wait_for("kept").await;
}

#[tokio::test]
async fn a_kept_session_is_found_again_with_its_subscriptions() {
    for level in [Level::V31, Level::V311, Level::V5] {
        let house = house(|_| {});
        let (mut wire, present) = open(&house, &lasting(level)).await;
        assert!(!present, "there was none");
        subscribe(&mut wire, level, OUTC, ONE).await;
        leave(&house, wire).await;
        assert_eq!(soon(ask(&house)).await, Ok(DeliveryOutcome::NotConnected), "commands wait elsewhere");
        assert_eq!((house.sessions.len(), house.sessions.away()), (0, 1));

        let (mut wire, present) = open(&house, &lasting(level)).await;
        assert!(present);
        assert_eq!((house.sessions.len(), house.sessions.away()), (1, 0));
        let outcome = ask(&house);
        let (first, body) = wire.packet().await;
        assert_eq!(first, 0x32);
        let id = &body[22..24];
        wire.send(&[0x40, 2, id[0], id[1]]).await;
        assert_eq!(soon(outcome).await, Ok(DeliveryOutcome::Acknowledged));
    }
}

#[tokio::test]
async fn a_clean_start_finds_nothing_and_leaves_nothing() {
    let house = house(|_| {});
    let (mut wire, _) = open(&house, &lasting(Level::V311)).await;
    subscribe(&mut wire, Level::V311, OUTC, ONE).await;
    leave(&house, wire).await;
    let clean = Connect { clean_start: true, ..lasting(Level::V311) };
    let (wire, present) = open(&house, &clean).await;
    assert!(!present);
    house.notes.wait_for("kept_over").await;
    assert_eq!(soon(ask(&house)).await, Ok(DeliveryOutcome::NotSubscribed));
    drop(wire);
    house.notes.wait_for("disconnected peer_gone").await;
    let (_wire, present) = open(&house, &lasting(Level::V311)).await;
    assert!(!present, "a clean session ends with its connection");
}

#[tokio::test]
async fn a_takeover_goes_on_with_the_session() {
    let house = house(|_| {});
    let (mut wire, _) = open(&house, &lasting(Level::V5)).await;
    subscribe(&mut wire, Level::V5, OUTC, ONE).await;
    for _ in 0..20 {
        let (newer, present) = open(&house, &lasting(Level::V5)).await;
        assert!(present);
        let (first, body) = wire.packet().await;
        assert_eq!((first, body[0]), (0xE0, 0x8E), "the older one is told");
        wire = newer;
    }
    let _outcome = ask(&house);
    assert_eq!(wire.packet().await.0, 0x32);
}

#[tokio::test]
async fn a_publish_of_quality_2_is_stored_once_over_two_connections() {
    let house = house(|_| {});
    let (mut wire, _) = open(&house, &lasting(Level::V311)).await;
    wire.send(&publish(Level::V311, "BCE/D", TWO, 5)).await;
    let (_, receipt) = house.store.next().await;
    // The connection breaks before PUBREC; the store answers while the client is away.
    leave(&house, wire).await;
    receipt.complete(Outcome::Stored);
    let (mut wire, present) = open(&house, &lasting(Level::V311)).await;
    assert!(present);
    let mut again = publish(Level::V311, "BCE/D", TWO, 5);
    again[0] |= 0x08;
    wire.send(&again).await;
    assert_eq!(wire.packet().await, (0x50, vec![0, 5]));
    wire.send(&[0x62, 2, 0, 5]).await;
    assert_eq!(wire.packet().await, (0x70, vec![0, 5]));
    assert!(house.store.is_empty().await, "not stored again");
}

#[tokio::test]
async fn a_session_is_over_when_its_time_is() {
    let house = house(|settings| settings.limits.max_session_expiry = Duration::from_millis(30));
    let (wire, _) = open(&house, &lasting(Level::V311)).await;
    leave(&house, wire).await;
    house.notes.wait_for("kept_over").await;
    assert_eq!(house.sessions.away(), 0);
    let (_wire, present) = open(&house, &lasting(Level::V311)).await;
    assert!(!present);
}

#[tokio::test]
async fn no_more_sessions_are_kept_than_there_is_room_for() {
    let house = house(|settings| settings.max_away_sessions = 1);
    let (first, _) = open(&house, &lasting(Level::V311)).await;
    leave(&house, first).await;
    let other = Connect { client_id: "2".into(), ..lasting(Level::V311) };
    let (second, _) = open(&house, &other).await;
    drop(second);
    house.notes.wait_for("not_kept").await;
    let (_wire, present) = open(&house, &other).await;
    assert!(!present, "told truthfully");
}

#[tokio::test]
async fn a_session_of_another_account_does_not_go_on() {
    let house = house(|_| {});
    let (mut wire, _) = open(&house, &lasting(Level::V311)).await;
    subscribe(&mut wire, Level::V311, OUTC, ONE).await;
    leave(&house, wire).await;
    let other = Connect { user_name: Some("slow".into()), ..lasting(Level::V311) };
    let (_wire, present) = open(&house, &other).await;
    assert!(!present);
    assert_eq!(soon(ask(&house)).await, Ok(DeliveryOutcome::NotSubscribed));
}

fn with_will(delay: u32) -> Connect {
    let will = Will {
        topic: "BCE/E".into(),
        payload: Bytes::from_static(b"gone"),
        qos: ONE,
        retain: false,
        properties: vec![Property::WillDelay(delay)].into(),
    };
    Connect { will: Some(will), ..lasting(Level::V5) }
}

#[tokio::test]
async fn a_delayed_will_is_not_published_if_the_client_is_back_in_time() {
    let house = house(|_| {});
    let (wire, _) = open(&house, &with_will(600)).await;
    leave(&house, wire).await;
    let (wire, present) = open(&house, &lasting(Level::V5)).await;
    assert!(present);
    leave(&house, wire).await;
    // A clean start ends the session; if the will were still there, it would be published now.
    let (mut wire, _) = open(&house, &Connect { clean_start: true, ..lasting(Level::V5) }).await;
    house.notes.wait_for("kept_over").await;
    wire.send(&publish(Level::V5, "BCE/D", ONE, 1)).await;
    let (publish, _receipt) = house.store.next().await;
    assert!(!publish.will);
}

#[tokio::test]
async fn a_delayed_will_is_published_when_its_time_comes_or_the_session_ends() {
    let house = house(|_| {});
    let (wire, _) = open(&house, &with_will(1)).await;
    leave(&house, wire).await;
    let (publish, _receipt) = house.store.next().await;
    assert!(publish.will && publish.payload == "gone");

    let other = Connect { client_id: "2".into(), ..with_will(600) };
    let (wire, _) = open(&house, &other).await;
    drop(wire);
    house.notes.wait_for("kept").await;
    let clean = Connect { clean_start: true, will: None, ..other };
    let (_wire, _) = open(&house, &clean).await;
    assert!(house.store.next().await.0.will, "the session ended before the delay");
}

#[tokio::test]
async fn pings_are_answered_while_publishes_wait_and_nothing_behind_them_is_lost() {
    let house = house(|settings| settings.limits.max_in_flight = 2);
    let connect = Connect { keep_alive: 1, ..with_will(0) };
    let connect =
        Connect { level: Level::V311, properties: Properties::default(), clean_start: true, ..connect };
    let (mut wire, _) = open(&house, &connect).await;
    for id in 1..=4 {
        wire.send(&publish(Level::V311, "BCE/D", ONE, id)).await;
    }
    let mut receipts = vec![house.store.next().await.1, house.store.next().await.1];
    wire.send(&[0xC0, 0]).await;
    assert_eq!(wire.packet().await, (0xD0, vec![]), "ahead of the publishes");
    // Says goodbye and closes its side, while two publishes still wait.
    wire.send(&[0xE0, 0]).await;
    tokio::io::AsyncWriteExt::shutdown(&mut wire.0).await.unwrap();
    for _ in 0..2 {
        receipts.remove(0).complete(Outcome::Stored);
        receipts.push(house.store.next().await.1);
    }
    for receipt in receipts {
        receipt.complete(Outcome::Stored);
    }
    house.notes.wait_for("disconnected disconnected").await;
    assert!(house.store.is_empty().await, "no will after a goodbye");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_held_to_its_keep_alive() {
    let house = house(|settings| settings.write_timeout = Duration::from_mins(10));
    let connect =
        Connect { keep_alive: 1, user_name: Some("operator".into()), ..connect_packet(Level::V5, ID) };
    let (mut wire, _) = open(&house, &connect).await;
    // Answers that it never reads fill every buffer, and then it is silent.
    let pings = [0xC0, 0].repeat(4096);
    let flood = async { while tokio::io::AsyncWriteExt::write_all(&mut wire.0, &pings).await.is_ok() {} };
    tokio::select! {
        () = flood => {}
        () = house.notes.wait_for("disconnected keep_alive") => {}
    }
    house.notes.wait_for("disconnected keep_alive").await;
}

#[tokio::test]
async fn a_client_above_its_rate_waits_and_loses_nothing() {
    let house = house(|_| {});
    let slow = Connect { user_name: Some("slow".into()), ..connect_packet(Level::V311, ID) };
    let (mut wire, _) = open(&house, &slow).await;
    let started = std::time::Instant::now();
    for id in 1..=3 {
        wire.send(&publish(Level::V311, "BCE/D", ONE, id)).await;
    }
    for id in 1..=3 {
        house.store.next().await.1.complete(Outcome::Stored);
        assert_eq!(wire.packet().await, (0x40, vec![0, id]));
    }
    assert!(started.elapsed() > Duration::from_millis(900), "one a second, after the first second's worth");
    assert!(house.notes.count("throttled") >= 1);
}

#[tokio::test]
async fn an_address_above_its_rate_waits_and_loses_nothing() {
    let house = house(|settings| {
        settings.gate.publish_rate_per_address =
            Some(Rate { per_second: 2.try_into().unwrap(), burst: 1.try_into().unwrap() });
    });
    let (mut one, _) = open(&house, &connect_packet(Level::V311, "1")).await;
    let (mut two, _) = open(&house, &connect_packet(Level::V311, "2")).await;
    let started = std::time::Instant::now();
    for wire in [&mut one, &mut two] {
        wire.send(&publish(Level::V311, "BCE/D", ONE, 1)).await;
        wire.send(&publish(Level::V311, "BCE/D", ONE, 2)).await;
    }
    for _ in 0..4 {
        house.store.next().await.1.complete(Outcome::Stored);
    }
    assert!(started.elapsed() > Duration::from_millis(1400), "one at once, and then two a second");
}
