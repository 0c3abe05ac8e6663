//! What a client asks for in the properties of its CONNECT.

use fleetwire_mqtt::{DeliveryOutcome, FailureReason, Outcome, packet::QoS};

use tokio::io::AsyncReadExt;

use crate::{
    desk::{deliver, deliver_payload, house},
    support::soon,
    wire::*,
};

fn with(properties: &[u8]) -> Connect {
    Connect { properties: properties.into(), ..Connect::new(V5) }
}

/// Maximum Packet Size.
fn at_most(size: u8) -> Connect {
    with(&[0x27, 0, 0, 0, size])
}

#[tokio::test]
async fn mqtt_3_1_2_24_no_publish_is_larger_than_the_client_takes() {
    let house = house();
    let (mut client, _) = Client::enter(&house, &at_most(64)).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    // The fixed header, the topic, the packet id and the property length are 2 + 3 + 2 + 1 bytes.
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let id = if qos == QoS::AtMostOnce { 0 } else { 2 };
        let largest = 64 - 2 - 3 - id - 1;
        let outcome = soon(deliver_payload(&house, "s", qos, vec![7; largest + 1])).await;
        assert_eq!(outcome, Ok(DeliveryOutcome::TooLarge));
        client.quiet().await;
        let _outcome = deliver_payload(&house, "s", qos, vec![7; largest]);
        let (first, body) = client.packet().await;
        assert_eq!(packet(first, &body).len(), 64);
    }
}

/// A client that cannot take the answer to its CONNECT is not let in, and one that asks for an answer that it
/// cannot take is closed.
#[tokio::test]
async fn mqtt_3_1_2_24_no_answer_is_larger_than_the_client_takes() {
    let house = house();
    let mut let_in = 0;
    for size in 1..60 {
        for id in [&b"c1"[..], b""] {
            let mut client = Client::open(&house, V5).await;
            client.send(&Connect { id: id.into(), ..at_most(size) }.bytes()).await;
            let mut got = [0; 2];
            if soon(client.wire.0.read_exact(&mut got)).await.is_err() {
                assert!(size < 5, "a refusal fits into {size}");
                continue;
            }
            let mut body = vec![0; got[1].into()];
            soon(client.wire.0.read_exact(&mut body)).await.unwrap();
            assert!(2 + body.len() <= size.into(), "{} of {size}", 2 + body.len());
            match body[1] {
                0 => let_in += 1,
                code => assert_eq!(code, 0x95),
            }
        }
    }
    assert!(let_in > 20, "{let_in}");
    let filters = [("s", 0); 40];
    let names = filters.map(|(filter, _)| filter);
    for bytes in [subscribe(V5, 1, &filters), unsubscribe(V5, 1, &names)] {
        // The answer is 2 bytes of fixed header, 3 and one for each filter.
        let (mut client, _) = Client::enter(&house, &at_most(45)).await;
        client.send(&bytes).await;
        let (_, body) = client.packet().await;
        assert_eq!(body.len(), 43);
        let (mut client, _) = Client::enter(&house, &at_most(44)).await;
        client.send(&bytes).await;
        client.ended(0x95, "44 bytes").await;
    }
}

#[tokio::test]
async fn mqtt_3_1_2_25_a_message_that_is_too_large_is_as_good_as_sent() {
    let house = house();
    let connect = Connect { properties: vec![0x27, 0, 0, 0, 64, 0x21, 0, 1], ..Connect::new(V5) };
    let (mut client, _) = Client::enter(&house, &connect).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    // It uses neither the Receive Maximum of 1 nor anybody's time.
    for _ in 0..3 {
        let outcome = soon(deliver_payload(&house, "s", QoS::AtLeastOnce, vec![7; 100])).await;
        assert_eq!(outcome, Ok(DeliveryOutcome::TooLarge));
    }
    let outcome = deliver(&house, "s", QoS::AtLeastOnce);
    let got = client.published().await;
    client.send(&ack(0x40, got.id)).await;
    assert_eq!(soon(outcome).await, Ok(DeliveryOutcome::Acknowledged));
}

#[tokio::test]
async fn mqtt_3_1_2_26_the_server_sends_no_topic_alias() {
    let house = house();
    for properties in [&[][..], &[0x22, 0, 0], &[0x22, 0, 10]] {
        let (mut client, _) = Client::enter(&house, &with(properties)).await;
        client.subscribed(&[("s", 0)], &[0]).await;
        for _ in 0..3 {
            let _sent = deliver(&house, "s", QoS::AtMostOnce);
            let got = client.published().await;
            assert_eq!((&got.topic[..], find(&got.properties, 0x23)), (&b"s"[..], None));
        }
    }
}

#[tokio::test]
async fn mqtt_3_1_2_28_the_server_has_no_response_information() {
    let house = house();
    for properties in [&[][..], &[0x19, 0], &[0x19, 1]] {
        let (_, body) = Client::enter(&house, &with(properties)).await;
        assert_eq!(find(&cut_connack(&body).2, 0x1A), None);
    }
}

/// The answer to a publish that fails, and its properties.
async fn failing(connect: &Connect, flags: u8) -> Vec<u8> {
    let house = house();
    let (mut client, _) = Client::enter(&house, connect).await;
    client.send(&publish(V5, flags, "d/x", 1, b"x")).await;
    house.store.next().await.1.complete(Outcome::Failed(FailureReason::QuotaExceeded));
    let (first, body) = client.packet().await;
    assert_eq!((first, &body[..3]), (if flags == 2 { 0x40 } else { 0x50 }, &[0, 1, 0x97][..]));
    client.quiet().await;
    body[3..].to_vec()
}

#[tokio::test]
async fn mqtt_3_1_2_29_reasons_in_words_are_only_for_those_who_want_them() {
    for flags in [2, 4] {
        // Wanted, also by not saying anything about it.
        for properties in [&[][..], &[0x17, 1]] {
            let told = failing(&with(properties), flags).await;
            assert!(find(&cut_properties(&mut &told[..]), 0x1F).is_some_and(|words| !words.is_empty()));
        }
        assert_eq!(failing(&with(&[0x17, 0]), flags).await, b"");
    }
    let house = house();
    let (mut client, _) = Client::enter(&house, &with(&[0x17, 0])).await;
    client.send(&publish(V5, 2, "elsewhere", 1, b"x")).await;
    client.expect(&[0x40, 3, 0, 1, 0x87]).await;
    client.subscribed(&[("$SYS/#", 0)], &[0x87]).await;
    client.send(&unsubscribe(V5, 1, &["none"])).await;
    client.expect(&[0xB0, 4, 0, 1, 0, 0x11]).await;
    client.send(&ack(0x62, 9)).await;
    client.expect(&[0x70, 3, 0, 9, 0x92]).await;
    client.send(&ack(0x50, 9)).await;
    client.expect(&[0x62, 3, 0, 9, 0x92]).await;
}

#[tokio::test]
async fn mqtt_3_4_2_2_words_never_make_an_acknowledgement_too_large() {
    for flags in [2, 4] {
        for size in 40..100 {
            let told = failing(&at_most(size), flags).await;
            assert!(2 + 3 + told.len() <= usize::from(size));
        }
        assert_ne!(failing(&at_most(100), flags).await, b"");
    }
}

#[tokio::test]
async fn mqtt_3_3_4_9_the_server_keeps_to_the_receive_maximum_of_the_client() {
    let house = house();
    let (mut client, _) = Client::enter(&house, &with(&[0x21, 0, 2])).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    let outcomes: Vec<_> = (0..5).map(|_| deliver(&house, "s", QoS::AtLeastOnce)).collect();
    let mut waiting = vec![client.published().await.id, client.published().await.id];
    for _ in 2..5 {
        // Everything but publishes goes on.
        client.quiet().await;
        client.subscribed(&[("t", 1)], &[1]).await;
        client.send(&ack(0x40, waiting.remove(0))).await;
        waiting.push(client.published().await.id);
    }
    for id in waiting {
        client.send(&ack(0x40, id)).await;
    }
    for outcome in outcomes {
        assert_eq!(soon(outcome).await, Ok(DeliveryOutcome::Acknowledged));
    }
}
