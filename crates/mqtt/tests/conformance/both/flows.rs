//! Publishes from the client, and their acknowledgements.

use fleetwire_mqtt::{FailureReason, Outcome};

use crate::{desk::house, wire::*};

pub async fn each_qos_has_its_answer(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.send(&publish(level, 0, "d/x", 0, b"0")).await;
    stored(&house).await;
    client.quiet().await;
    client.send(&publish(level, 2, "d/x", 1, b"1")).await;
    stored(&house).await;
    client.expect(&ack(0x40, 1)).await;
    client.send(&publish(level, 4, "d/x", 2, b"2")).await;
    stored(&house).await;
    client.expect(&ack(0x50, 2)).await;
    client.quiet().await;
}

pub async fn acks_carry_the_packet_id(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    for id in [1, 0xFF, 0x100, 0x1234, 0xFFFF] {
        client.send(&publish(level, 2, "d/x", id, b"1")).await;
        stored(&house).await;
        client.expect(&ack(0x40, id)).await;
        client.send(&publish(level, 4, "d/x", id, b"2")).await;
        stored(&house).await;
        client.expect(&ack(0x50, id)).await;
        client.send(&ack(0x62, id)).await;
        client.expect(&ack(0x70, id)).await;
    }
}

pub async fn suback_and_unsuback_carry_the_packet_id(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    for id in [1_u16, 0xFF, 0x100, 0x1234, 0xFFFF] {
        for (bytes, first) in
            [(subscribe(level, id, &[("s", 0)]), 0x90), (unsubscribe(level, id, &["s"]), 0xB0)]
        {
            client.send(&bytes).await;
            let (got, body) = client.packet().await;
            assert_eq!((got, &body[..2]), (first, &id.to_be_bytes()[..]));
        }
    }
}

/// PUBACK comes when the publish is stored and not before; then the packet id is free, DUP or not.
pub async fn qos_1_is_acknowledged_when_it_is_stored(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.send(&publish(level, 2, "d/x", 7, b"first")).await;
    let (first, receipt) = house.store.next().await;
    assert_eq!((&first.payload[..], first.dup), (&b"first"[..], false));
    client.quiet().await;
    receipt.complete(Outcome::Stored);
    client.expect(&ack(0x40, 7)).await;
    client.send(&publish(level, 10, "d/x", 7, b"again")).await;
    let again = stored(&house).await;
    assert_eq!((&again.payload[..], again.dup, again.sequence), (&b"again"[..], true, 2));
    client.expect(&ack(0x40, 7)).await;
}

/// The same publish again, before its PUBREL, is answered and not stored again.
pub async fn qos_2_is_stored_once(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.send(&publish(level, 4, "d/x", 7, b"first")).await;
    let (_, receipt) = house.store.next().await;
    client.quiet().await;
    receipt.complete(Outcome::Stored);
    client.expect(&ack(0x50, 7)).await;
    for _ in 0..3 {
        client.send(&publish(level, 12, "d/x", 7, b"first")).await;
        client.expect(&ack(0x50, 7)).await;
    }
    assert!(house.store.is_empty().await);
    client.send(&ack(0x62, 7)).await;
    client.expect(&ack(0x70, 7)).await;
    // Released, the packet id means a new message, whatever its DUP says.
    client.send(&publish(level, 12, "d/x", 7, b"second")).await;
    assert_eq!(&stored(&house).await.payload[..], b"second");
    client.expect(&ack(0x50, 7)).await;
}

/// The answers leave in the order of the publishes, in whatever order those were stored.
pub async fn acks_leave_in_order(level: u8, flags: u8, answer: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    let ids: Vec<u16> = (0..10).map(|number| 10 - number).collect();
    client
        .send(&ids.iter().flat_map(|id| publish(level, flags, "d/x", *id, b"x")).collect::<Vec<u8>>())
        .await;
    let mut receipts = Vec::new();
    for id in &ids {
        let (publish, receipt) = house.store.next().await;
        assert_eq!(publish.packet_id, *id);
        receipts.push(receipt);
    }
    while let Some(receipt) = receipts.pop() {
        receipt.complete(Outcome::Stored);
    }
    for id in &ids {
        client.expect(&ack(answer, *id)).await;
    }
}

/// What cannot be stored is not acknowledged: a client that cannot be told a reason loses its connection.
pub async fn a_failure_to_store_closes(level: u8) {
    let house = house();
    for flags in [2, 4] {
        let mut client = Client::connect(&house, level).await;
        client.send(&publish(level, flags, "d/x", 1, b"x")).await;
        house.store.next().await.1.complete(Outcome::Failed(FailureReason::NotStored));
        client.closed().await;
    }
    assert_eq!(house.notes.count("disconnected not_stored"), 2);
}

/// Bytes behind a DISCONNECT are not looked at, and the server closes.
pub async fn nothing_is_processed_after_disconnect(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.send(&[&DISCONNECT[..], &PINGREQ, &publish(level, 2, "d/x", 1, b"x")].concat()).await;
    client.closed().await;
    house.notes.wait_for("disconnected disconnected").await;
    assert!(house.store.is_empty().await);
}

pub async fn a_retained_publish_is_stored_and_not_retained(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    for (flags, payload) in [(3, &b"kept?"[..]), (3, b""), (1, b"kept?"), (2, b"plain")] {
        client.send(&publish(level, flags, "d/x", 1, payload)).await;
        let publish = stored(&house).await;
        assert_eq!((publish.retain, &publish.payload[..]), (flags & 1 == 1, payload));
        if flags & 6 != 0 {
            client.expect(&ack(0x40, 1)).await;
        }
        // A new subscription gets nothing that was published before it.
        client.subscribed(&[("d/#", 1)], &[1]).await;
        client.quiet().await;
    }
}

pub async fn pings_are_answered(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.send(&PINGREQ.repeat(3)).await;
    for _ in 0..3 {
        client.expect(&PINGRESP).await;
    }
    breach(&house, level, &[0xC0, 1, 0], 0x81, "a body").await;
}
