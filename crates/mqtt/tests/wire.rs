//! Bare bytes against a running server: order, backpressure, takeover, time, drain.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use bytes::BytesMut;
use fleetwire_mqtt::{
    DeliveryOutcome, Downlink, FailureReason, Outcome, Settings,
    packet::{Level, Properties, QoS, Subscribe, Subscription, Will},
};
use support::{House, Wire, connect_packet, house, publish, soon};
use tokio::{io::AsyncWriteExt, sync::oneshot};

const ID: &str = "867035046242895";
const ONE: QoS = QoS::AtLeastOnce;

fn plain(_: &mut Settings) {}

async fn subscribe(wire: &mut Wire, level: Level, filter: &str) -> Vec<u8> {
    let subscription = Subscription { filter: filter.to_owned().into(), qos: QoS::ExactlyOnce, options: 0 };
    let packet =
        Subscribe { packet_id: 7, subscriptions: vec![subscription], properties: Properties::default() };
    let mut bytes = bytes::BytesMut::new();
    packet.encode(&mut bytes, level);
    wire.send(&bytes).await;
    let (first, body) = wire.packet().await;
    assert_eq!(first, 0x90);
    body
}

fn ask(house: &House, topic: &'static str, qos: QoS) -> oneshot::Receiver<DeliveryOutcome> {
    let (reply, outcome) = oneshot::channel();
    house.sessions.deliver(ID, Downlink::new(topic, "on", qos), reply);
    outcome
}

#[tokio::test]
async fn pubacks_leave_in_the_order_of_the_publishes() {
    let house = house(plain);
    let mut wire = Wire::connect(&house, Level::V311, ID).await;
    for id in 1..=3 {
        wire.send(&publish(Level::V311, "BCE/D", ONE, id)).await;
    }
    let mut receipts = Vec::new();
    for id in 1..=3 {
        let (publish, receipt) = house.store.next().await;
        assert_eq!((publish.packet_id, publish.sequence), (id, u64::from(id)));
        receipts.push(receipt);
    }
    while let Some(receipt) = receipts.pop() {
        receipt.complete(Outcome::Stored);
    }
    for id in 1..=3 {
        assert_eq!(wire.packet().await, (0x40, vec![0, id]));
    }
}

#[tokio::test]
async fn a_failure_in_v3_acknowledges_what_came_before_and_closes() {
    let house = house(plain);
    let mut wire = Wire::connect(&house, Level::V311, ID).await;
    for id in 1..=3 {
        wire.send(&publish(Level::V311, "BCE/D", ONE, id)).await;
    }
    let outcomes = [Outcome::Stored, Outcome::Failed(FailureReason::NotStored), Outcome::Stored];
    let mut receipts = Vec::new();
    for _ in 0..3 {
        receipts.push(house.store.next().await.1);
    }
    for (receipt, outcome) in receipts.into_iter().zip(outcomes).rev() {
        receipt.complete(outcome);
    }
    assert_eq!(wire.packet().await, (0x40, vec![0, 1]));
    wire.closed().await;
    house.notes.wait_for("disconnected not_stored").await;
    let counts = ["admitted", "answered stored", "answered not_stored", "unanswered"];
    assert_eq!(counts.map(|word| house.notes.count(word)), [1; 4], "each publish is told of once");
}

#[tokio::test]
async fn a_topic_outside_the_grant_is_refused_as_each_version_can() {
    let house = house(plain);
    let mut wire = Wire::connect(&house, Level::V5, ID).await;
    wire.send(&publish(Level::V5, "BCE/X", QoS::AtMostOnce, 0)).await;
    wire.send(&publish(Level::V5, "BCE/X", ONE, 1)).await;
    let (first, body) = wire.packet().await;
    assert_eq!((first, &body[..3]), (0x40, &[0, 1, 0x87][..]));
    assert_eq!(house.notes.count("publish_refused"), 2);

    let mut wire = Wire::connect(&house, Level::V311, "2").await;
    wire.send(&publish(Level::V311, "BCE/X", ONE, 1)).await;
    wire.closed().await;
    house.notes.wait_for("disconnected not_authorized").await;
    assert!(house.store.is_empty().await);
}

#[tokio::test]
async fn a_slow_ingest_stops_reading_and_resumes_without_loss() {
    let house = house(|settings| settings.limits.max_in_flight = 4);
    let mut wire = Wire::connect(&house, Level::V311, ID).await;
    let (count, mut bytes) = (2000u16, Vec::new());
    for id in 1..=count {
        bytes.extend_from_slice(&publish(Level::V311, "BCE/D", ONE, id));
    }
    wire.send(&bytes).await;
    let mut receipts = Vec::new();
    for _ in 0..4 {
        receipts.push(house.store.next().await.1);
    }
    // A second connection is served meanwhile, so the first has had its turn.
    Wire::connect(&house, Level::V311, "2").await;
    assert_eq!(house.store.offers.load(Ordering::SeqCst), 4);
    for receipt in receipts {
        receipt.complete(Outcome::Stored);
    }
    for _ in 4..count {
        house.store.next().await.1.complete(Outcome::Stored);
    }
    for id in 1..=count {
        assert_eq!(wire.packet().await, (0x40, id.to_be_bytes().to_vec()));
    }
}

#[tokio::test]
async fn a_full_ingest_is_offered_the_same_publish_again() {
    let house = house(plain);
    let mut wire = Wire::connect(&house, Level::V5, ID).await;
    house.store.set_full(true);
    wire.send(&publish(Level::V5, "BCE/D", ONE, 1)).await;
    wire.send(&publish(Level::V5, "BCE/D", ONE, 2)).await;
    house.notes.wait_for("ingest_full").await;
    assert!(house.store.is_empty().await);
    house.store.set_full(false);
    for id in 1..=2 {
        let (publish, receipt) = house.store.next().await;
        assert_eq!(publish.packet_id, id);
        receipt.complete(Outcome::Stored);
        assert_eq!(wire.packet().await, (0x40, vec![0, publish.packet_id.to_be_bytes()[1]]));
    }
}

#[tokio::test]
async fn a_peer_that_floods_is_held_back_by_tcp() {
    let house = house(|settings| settings.limits.max_in_flight = 1);
    let mut wire = Wire::connect(&house, Level::V311, ID).await;
    let packet = publish(Level::V311, "BCE/D", ONE, 1);
    let flood = packet.repeat(4096);
    // Writes until the kernel takes no more: nobody reads at the other end.
    let mut blocked = 0;
    while blocked < 50 {
        if wire.0.try_write(&flood).is_ok() {
            blocked = 0;
        } else {
            blocked += 1;
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(house.store.offers.load(Ordering::SeqCst), 1);
    // The same client is still served.
    house.store.next().await.1.complete(Outcome::Stored);
    assert_eq!(wire.packet().await, (0x40, vec![0, 1]));
}

#[tokio::test]
async fn the_newer_connection_takes_over_and_stays() {
    let house = house(plain);
    let mut older = Wire::connect(&house, Level::V5, ID).await;
    let mut newer = Wire::connect(&house, Level::V5, ID).await;
    let (first, body) = older.packet().await;
    assert_eq!((first, body[0]), (0xE0, 0x8E));
    older.closed().await;
    house.notes.wait_for("disconnected taken_over").await;
    assert!(house.sessions.contains(ID));
    newer.send(&[0xC0, 0]).await;
    assert_eq!(newer.packet().await, (0xD0, vec![]));
    newer.send(&[0xE0, 0]).await;
    newer.closed().await;
    house.notes.wait_for("disconnected disconnected").await;
    assert!(house.sessions.is_empty());
}

/// In several threads: one that reads the newer connection is often faster than the one of the older.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_says_goodbye_and_comes_again_at_once_leaves_no_will() {
    const ROUNDS: usize = 300;
    let house = house(plain);
    let mut connect = connect_packet(Level::V311, ID);
    connect.will = Some(Will {
        topic: "BCE/D".into(),
        payload: "gone".into(),
        qos: ONE,
        retain: false,
        properties: Properties::default(),
    });
    let mut bytes = BytesMut::new();
    connect.encode(&mut bytes);
    for _ in 0..ROUNDS {
        let mut wire = Wire::open(&house).await;
        wire.send(&bytes).await;
        assert_eq!(wire.packet().await, (0x20, vec![0, 0]));
        wire.send(&[0xE0, 0]).await;
    }
    soon(async {
        while house.notes.count("disconnected disconnected") < ROUNDS {
            assert_eq!(house.notes.count("disconnected taken_over"), 0);
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(house.store.offers.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_hundred_takeovers_at_once_leave_one_session() {
    let house = house(plain);
    let wires = futures(100, || Wire::connect(&house, Level::V311, ID)).await;
    soon(async {
        while house.notes.count("disconnected taken_over") < 99 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(house.sessions.len(), 1);
    drop(wires);
}

async fn futures<F: Future<Output = Wire>>(count: usize, make: impl Fn() -> F) -> Vec<Wire> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(make().await);
    }
    all
}

#[tokio::test]
async fn a_silent_client_is_closed_after_its_keep_alive_and_its_will_is_ingested() {
    let house = house(plain);
    let mut wire = Wire::open(&house).await;
    let mut connect = connect_packet(Level::V5, ID);
    connect.keep_alive = 1;
    connect.will = Some(Will {
        topic: "BCE/D".into(),
        payload: "gone".into(),
        qos: ONE,
        retain: false,
        properties: Properties::default(),
    });
    let mut bytes = bytes::BytesMut::new();
    connect.encode(&mut bytes);
    wire.send(&bytes).await;
    assert_eq!(wire.packet().await.0, 0x20);
    let (first, body) = wire.packet().await;
    assert_eq!((first, body[0]), (0xE0, 0x8D));
    wire.closed().await;
    let (will, _) = house.store.next().await;
    assert_eq!((will.will, &*will.payload, will.sequence), (true, &b"gone"[..], 1));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed() {
    let house = house(|settings| settings.write_timeout = Duration::from_millis(200));
    let mut wire = Wire::connect(&house, Level::V311, ID).await;
    let pings = [0xC0, 0].repeat(32 * 1024);
    let (mut reader, mut writer) = wire.0.split();
    let flooding = async { while writer.write_all(&pings).await.is_ok() {} };
    soon(async {
        tokio::select! {
            () = flooding => {}
            () = house.notes.wait_for("disconnected write_timeout") => {}
        }
    })
    .await;
    house.notes.wait_for("disconnected write_timeout").await;
    let _ = &mut reader;
}

#[tokio::test]
async fn downlinks_name_every_way_they_can_end() {
    let house = house(|settings| settings.max_inbox = 1);
    let topic = "867035046242895/OUTC";
    assert_eq!(soon(ask(&house, topic, ONE)).await, Ok(DeliveryOutcome::NotConnected));
    let mut wire = Wire::connect(&house, Level::V5, ID).await;
    assert_eq!(soon(ask(&house, topic, ONE)).await, Ok(DeliveryOutcome::NotSubscribed));
    assert_eq!(subscribe(&mut wire, Level::V5, topic).await[3..], [1]);
    assert_eq!(soon(ask(&house, "a/#", ONE)).await, Ok(DeliveryOutcome::NotSubscribed));

    assert_eq!(soon(ask(&house, topic, QoS::AtMostOnce)).await, Ok(DeliveryOutcome::Sent));
    assert_eq!(wire.packet().await.0, 0x30);

    let outcome = ask(&house, topic, QoS::ExactlyOnce);
    let (first, body) = wire.packet().await;
    assert_eq!(first, 0x32);
    let id = 2 + topic.len();
    wire.send(&[0x40, 3, body[id], body[id + 1], 0x97]).await;
    assert_eq!(soon(outcome).await, Ok(DeliveryOutcome::Rejected(0x97)));

    // Sixteen unanswered fill the window, one more the inbox.
    let mut sent = Vec::new();
    for _ in 0..16 {
        sent.push(ask(&house, topic, ONE));
        assert_eq!(wire.packet().await.0, 0x32);
    }
    let queued = ask(&house, topic, ONE);
    assert_eq!(soon(ask(&house, topic, ONE)).await, Ok(DeliveryOutcome::Busy));
    drop(wire);
    for outcome in sent {
        assert_eq!(soon(outcome).await, Ok(DeliveryOutcome::Unacknowledged));
    }
    assert_eq!(soon(queued).await, Ok(DeliveryOutcome::NotConnected));
}

#[tokio::test]
async fn a_drain_waits_for_publishes_in_flight_and_says_goodbye() {
    let House { address: _, store, stop, running, notes, sessions, .. } = {
        let house = house(plain);
        let mut wire = Wire::connect(&house, Level::V5, ID).await;
        wire.send(&publish(Level::V5, "BCE/D", ONE, 1)).await;
        let receipt = house.store.next().await.1;
        house.stop.cancel();
        wire.send(&publish(Level::V5, "BCE/D", ONE, 2)).await;
        receipt.complete(Outcome::Stored);
        assert_eq!(wire.packet().await, (0x40, vec![0, 1]));
        let (first, body) = wire.packet().await;
        assert_eq!((first, body[0]), (0xE0, 0x9C));
        wire.closed().await;
        house
    };
    soon(running).await.unwrap();
    assert!(sessions.is_empty() && stop.is_cancelled());
    notes.wait_for("disconnected shutting_down").await;
    drop(store);
}

#[tokio::test]
async fn a_drain_ends_with_its_grace_period() {
    let house = house(|settings| settings.drain_grace = Duration::from_millis(10));
    let mut wire = Wire::connect(&house, Level::V311, ID).await;
    wire.send(&publish(Level::V311, "BCE/D", ONE, 1)).await;
    let _receipt = house.store.next().await;
    house.stop.cancel();
    wire.closed().await;
    soon(house.running).await.unwrap();
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_turned_away() {
    let house = house(|settings| {
        settings.max_connections = 1;
        settings.gate.waiting_rooms = 0;
    });
    let _first = Wire::connect(&house, Level::V311, ID).await;
    Wire::open(&house).await.closed().await;
    house.notes.wait_for("turned_away connections").await;
}
