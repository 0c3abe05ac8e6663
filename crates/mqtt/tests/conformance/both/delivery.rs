//! Publishes to the client.

use fleetwire_mqtt::{DeliveryOutcome, packet::QoS};

use crate::{
    desk::{deliver, deliver_payload, house, house_with},
    support::soon,
    wire::*,
};

pub async fn qos_0_goes_out_once(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    let outcome = deliver(&house, "s", QoS::AtMostOnce);
    let got = client.published().await;
    assert_eq!((got.flags, &*got.topic, &*got.payload), (0, &b"s"[..], &b"on"[..]));
    assert_eq!(soon(outcome).await, Ok(DeliveryOutcome::Sent));
    client.quiet().await;
}

/// QoS 1 goes out without DUP and RETAIN under a packet id, and waits for its PUBACK alone.
pub async fn qos_1_waits_for_its_puback(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    let mut outcome = deliver(&house, "s", QoS::AtLeastOnce);
    let got = client.published().await;
    assert_eq!((got.flags, &*got.topic, &*got.payload), (2, &b"s"[..], &b"on"[..]));
    assert_ne!(got.id, 0);
    // Neither another packet id nor time is an acknowledgement.
    client.send(&ack(0x40, got.id ^ 0x5555)).await;
    client.quiet().await;
    assert!(outcome.try_recv().is_err());
    client.send(&ack(0x40, got.id)).await;
    assert_eq!(soon(outcome).await, Ok(DeliveryOutcome::Acknowledged));
}

/// A packet id that waits for its PUBACK is not given to another message, even once all others were used.
pub async fn packet_ids_are_not_used_twice(level: u8) {
    const BATCH: usize = 8;
    let house = house_with(|settings| settings.max_inbox = BATCH);
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    let mut held_outcome = deliver(&house, "s", QoS::AtLeastOnce);
    let held = client.published().await.id;
    assert_ne!(held, 0);
    for _ in 0..=65_535 / BATCH {
        let outcomes: Vec<_> = (0..BATCH).map(|_| deliver(&house, "s", QoS::AtLeastOnce)).collect();
        let mut ids = Vec::new();
        for _ in 0..BATCH {
            let id = client.published().await.id;
            assert!(id != 0 && id != held && !ids.contains(&id), "{id}");
            ids.push(id);
        }
        client.send(&ids.iter().flat_map(|id| ack(0x40, *id)).collect::<Vec<u8>>()).await;
        for outcome in outcomes {
            assert_eq!(soon(outcome).await, Ok(DeliveryOutcome::Acknowledged));
        }
    }
    assert!(held_outcome.try_recv().is_err());
    client.send(&ack(0x40, held)).await;
    assert_eq!(soon(held_outcome).await, Ok(DeliveryOutcome::Acknowledged));
}

/// Messages of one topic and QoS leave in the order in which they were handed over.
pub async fn messages_leave_in_order(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s/#", 1)], &[1]).await;
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let outcomes: Vec<_> =
            (0..10_u8).map(|number| deliver_payload(&house, "s/x", qos, vec![number])).collect();
        for number in 0..10 {
            let got = client.published().await;
            assert_eq!(got.payload, [number]);
            if got.qos() == 1 {
                client.send(&ack(0x40, got.id)).await;
            }
        }
        drop(outcomes);
    }
}

/// A message for an established subscription has no RETAIN.
pub async fn retain_is_not_set_for_live_messages(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let _outcome = deliver(&house, "s", qos);
        assert_eq!(client.published().await.flags & 1, 0);
    }
}
