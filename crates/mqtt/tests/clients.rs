//! Real clients, over real sockets, in both protocol versions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod support;

use std::time::Duration;

use fleetwire_mqtt::{DeliveryOutcome, Downlink, FailureReason, Outcome, packet::QoS};
use support::{House, house, soon};
use tokio::sync::oneshot;

mod v4 {
    pub(crate) use rumqttc::{
        AsyncClient, ConnAck, Event, EventLoop, MqttOptions, Packet, PubAck, QoS, SubscribeReasonCode,
    };
}
mod v5 {
    pub(crate) use rumqttc::v5::{
        AsyncClient, Event, EventLoop, MqttOptions,
        mqttbytes::{
            QoS,
            v5::{Packet, PubAckReason},
        },
    };
}

fn client_v4(house: &House, id: &str) -> (v4::AsyncClient, v4::EventLoop) {
    let mut options = v4::MqttOptions::new(id, "127.0.0.1", house.address.port());
    options.set_credentials("device", "secret").set_keep_alive(Duration::from_secs(30));
    v4::AsyncClient::new(options, 64)
}

fn client_v5(house: &House, id: &str) -> (v5::AsyncClient, v5::EventLoop) {
    let mut options = v5::MqttOptions::new(id, "127.0.0.1", house.address.port());
    options.set_credentials("device", "secret").set_keep_alive(Duration::from_secs(30));
    v5::AsyncClient::new(options, 64)
}

async fn next_v4(events: &mut v4::EventLoop) -> v4::Packet {
    // On the heap: what a client with TLS and WebSocket inside needs is large.
    soon(Box::pin(async {
        loop {
            if let v4::Event::Incoming(packet) = events.poll().await.unwrap() {
                return packet;
            }
        }
    }))
    .await
}

async fn next_v5(events: &mut v5::EventLoop) -> v5::Packet {
    soon(Box::pin(async {
        loop {
            if let v5::Event::Incoming(packet) = events.poll().await.unwrap() {
                return packet;
            }
        }
    }))
    .await
}

#[tokio::test]
async fn a_v4_publish_is_acknowledged_once_it_is_stored() {
    let house = house(|_| {});
    let (client, mut events) = client_v4(&house, "867035046242895");
    assert!(matches!(next_v4(&mut events).await, v4::Packet::ConnAck(v4::ConnAck { .. })));
    client.publish("BCE/D", v4::QoS::AtLeastOnce, false, "payload").await.unwrap();
    let (facts, publish, receipt) = tokio::select! {
        taken = house.store.next_with_facts() => taken,
        packet = next_v4(&mut events) => panic!("answered too early: {packet:?}"),
    };
    assert_eq!((&*publish.topic, &*publish.payload, publish.sequence), ("BCE/D", &b"payload"[..], 1));
    assert_eq!((&*facts.client_id, &*facts.account), ("867035046242895", "device"));
    assert_eq!(facts.identity::<&str>(), Some(&"identity"));
    assert_eq!(facts.session_id.len(), 26);
    receipt.complete(Outcome::Stored);
    let packet = next_v4(&mut events).await;
    assert_eq!(packet, v4::Packet::PubAck(v4::PubAck::new(publish.packet_id)));
}

#[tokio::test]
async fn a_v5_publish_that_is_not_stored_gets_its_reason() {
    let house = house(|_| {});
    let (client, mut events) = client_v5(&house, "867035046242895");
    let v5::Packet::ConnAck(connack) = next_v5(&mut events).await else { panic!("no CONNACK") };
    assert_eq!(connack.properties.unwrap().receive_max, Some(64));
    client.publish("BCE/D", v5::QoS::AtLeastOnce, false, "payload").await.unwrap();
    let (_, receipt) = tokio::select! {
        taken = house.store.next() => taken,
        packet = next_v5(&mut events) => panic!("answered too early: {packet:?}"),
    };
    receipt.complete(Outcome::Failed(FailureReason::QuotaExceeded));
    let v5::Packet::PubAck(puback) = next_v5(&mut events).await else { panic!("no PUBACK") };
    assert_eq!(puback.reason, v5::PubAckReason::QuotaExceeded);
}

#[tokio::test]
async fn a_v4_publish_that_is_not_stored_closes_the_connection_without_puback() {
    let house = house(|_| {});
    let (client, mut events) = client_v4(&house, "867035046242895");
    next_v4(&mut events).await;
    client.publish("BCE/D", v4::QoS::AtLeastOnce, false, "payload").await.unwrap();
    let receipt = tokio::select! {
        (_, receipt) = house.store.next() => receipt,
        packet = next_v4(&mut events) => panic!("answered too early: {packet:?}"),
    };
    drop(receipt);
    let closed = soon(async {
        loop {
            match events.poll().await {
                Ok(v4::Event::Incoming(packet)) => panic!("not closed: {packet:?}"),
                Ok(v4::Event::Outgoing(_)) => {}
                Err(_) => return,
            }
        }
    });
    Box::pin(closed).await;
    house.notes.wait_for("disconnected not_stored").await;
}

#[tokio::test]
async fn quality_of_service_2_goes_through_in_both_versions() {
    let house = house(|_| {});
    let (client, mut events) = client_v4(&house, "1");
    next_v4(&mut events).await;
    client.publish("BCE/D", v4::QoS::ExactlyOnce, false, "payload").await.unwrap();
    tokio::select! {
        (_, receipt) = house.store.next() => receipt.complete(Outcome::Stored),
        packet = next_v4(&mut events) => panic!("answered too early: {packet:?}"),
    }
    assert!(matches!(next_v4(&mut events).await, v4::Packet::PubRec(_)));
    assert!(matches!(next_v4(&mut events).await, v4::Packet::PubComp(_)));

    let (client, mut events) = client_v5(&house, "2");
    next_v5(&mut events).await;
    client.publish("BCE/D", v5::QoS::ExactlyOnce, false, "payload").await.unwrap();
    tokio::select! {
        (_, receipt) = house.store.next() => receipt.complete(Outcome::Stored),
        packet = next_v5(&mut events) => panic!("answered too early: {packet:?}"),
    }
    assert!(matches!(next_v5(&mut events).await, v5::Packet::PubRec(_)));
    assert!(matches!(next_v5(&mut events).await, v5::Packet::PubComp(_)));
}

#[tokio::test]
async fn a_downlink_reaches_a_subscribed_client_and_reports_its_acknowledgement() {
    let house = house(|_| {});
    let (client, mut events) = client_v4(&house, "867035046242895");
    next_v4(&mut events).await;
    client.subscribe("867035046242895/OUTC", v4::QoS::ExactlyOnce).await.unwrap();
    let v4::Packet::SubAck(suback) = next_v4(&mut events).await else { panic!("no SUBACK") };
    let granted = v4::SubscribeReasonCode::Success(v4::QoS::AtLeastOnce);
    assert_eq!(suback.return_codes, [granted]);

    let (reply, outcome) = oneshot::channel();
    house.sessions.deliver("867035046242895", downlink("867035046242895/OUTC"), reply);
    let v4::Packet::Publish(publish) = next_v4(&mut events).await else { panic!("no PUBLISH") };
    assert_eq!(&*publish.payload, b"on");
    let acknowledged = soon(async {
        tokio::select! {
            outcome = outcome => outcome.unwrap(),
            packet = next_v4(&mut events) => panic!("unexpected {packet:?}"),
        }
    });
    assert_eq!(acknowledged.await, DeliveryOutcome::Acknowledged);
}

fn downlink(topic: &'static str) -> Downlink {
    Downlink::new(topic, "on", QoS::AtLeastOnce)
}
