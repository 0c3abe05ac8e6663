//! Sessions that outlive their connections.

use fleetwire_mqtt::packet::QoS;

use crate::{
    desk::{house, message},
    support::House,
    wire::*,
};

/// The client is gone, and its session is kept.
pub async fn away(house: &House, client: Client) {
    let kept = house.sessions.away();
    drop(client);
    while house.sessions.away() == kept {
        tokio::task::yield_now().await;
    }
}

/// Connects, and asks for Session Present.
pub async fn back(house: &House, connect: &Connect, present: u8) -> Client {
    let (client, body) = Client::enter(house, connect).await;
    assert_eq!(body[0], present, "session present");
    client
}

/// Subscriptions and the packet ids of QoS 2 are found again.
pub async fn a_session_goes_on(level: u8) {
    let house = house();
    let mut client = back(&house, &Connect::lasting(level), 0).await;
    client.subscribed(&[("s/+", 1)], &[1]).await;
    client.send(&publish(level, 4, "d/x", 5, b"x")).await;
    stored(&house).await;
    client.expect(&ack(0x50, 5)).await;
    for _ in 0..3 {
        away(&house, client).await;
        client = back(&house, &Connect::lasting(level), 1).await;
        house.sessions.publish(&message("s/x", QoS::AtMostOnce, b"on"));
        assert_eq!(client.published().await.topic, b"s/x");
        client.send(&publish(level, 12, "d/x", 5, b"x")).await;
        client.expect(&ack(0x50, 5)).await;
    }
    assert!(house.store.is_empty().await, "stored once");
    client.send(&ack(0x62, 5)).await;
    client.expect(&ack(0x70, 5)).await;
}

/// A session that goes on is not ended by a goodbye or by a takeover either.
pub async fn session_present_is_told_truthfully(level: u8) {
    let house = house();
    let mut client = back(&house, &Connect::lasting(level), 0).await;
    client.send(&DISCONNECT).await;
    client.closed().await;
    let mut older = back(&house, &Connect::lasting(level), 1).await;
    let newer = back(&house, &Connect::lasting(level), 1).await;
    older.ended(0x8E, "takeover").await;
    away(&house, newer).await;
    // A session of that name that is refused its CONNACK is not present either.
    let refused = Connect { password: Some(b"wrong".into()), ..Connect::lasting(level) };
    let mut client = Client::open(&house, level).await;
    client.send(&refused.bytes()).await;
    let (first, body) = client.packet().await;
    assert_eq!((first, body[0], body[1] == 0), (0x20, 0, false));
    client.closed().await;
    back(&house, &Connect { id: b"another".into(), ..Connect::lasting(level) }, 0).await;
    back(&house, &Connect::lasting(level), 1).await;
}

/// A clean start finds no session, and ends the one that there was.
pub async fn a_clean_start_finds_no_session(level: u8) {
    let house = house();
    let mut client = back(&house, &Connect::lasting(level), 0).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    away(&house, client).await;
    let mut client = back(&house, &Connect::operator(level), 0).await;
    assert_eq!(house.sessions.publish(&message("s", QoS::AtLeastOnce, b"on")).taken, 0);
    client.quiet().await;
    drop(client);
    house.notes.wait_for("disconnected peer_gone").await;
    back(&house, &Connect::lasting(level), 0).await;
}

/// What comes while the client is away waits for it, in order.
pub async fn messages_wait_for_a_client_that_is_away(level: u8) {
    let house = house();
    let mut client = back(&house, &Connect::lasting(level), 0).await;
    client.subscribed(&[("s", 2), ("t", 1)], &[2, 1]).await;
    away(&house, client).await;
    for (topic, qos, payload) in
        [("s", QoS::AtLeastOnce, b"1"), ("s", QoS::ExactlyOnce, b"2"), ("t", QoS::ExactlyOnce, b"3")]
    {
        assert_eq!(house.sessions.publish(&message(topic, qos, payload)).taken, 1);
    }
    let mut client = back(&house, &Connect::lasting(level), 1).await;
    for (topic, qos, payload) in [(b"s", 1, b"1"), (b"s", 2, b"2"), (b"t", 1, b"3")] {
        let got = client.published().await;
        assert_eq!((&got.topic[..], got.qos(), &got.payload[..]), (&topic[..], qos, &payload[..]));
        assert!(!got.dup(), "it was never sent before");
    }
}

/// What was not answered is sent again once the client is back, and at no other time: under its packet id, in its
/// order, with DUP; of a publish that was received only PUBREL.
pub async fn unanswered_messages_are_sent_again(level: u8) {
    let house = house();
    let mut client = back(&house, &Connect::lasting(level), 0).await;
    client.subscribed(&[("s", 2)], &[2]).await;
    let mut sent = Vec::new();
    for (number, qos) in (0..).zip([QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]) {
        house.sessions.publish(&message("s", qos, &[number]));
        let got = client.published().await;
        assert!(!got.dup());
        sent.push(got);
    }
    // The first is answered, the last is received.
    let done = sent.remove(0);
    client.send(&ack(0x40, done.id)).await;
    let received = sent.pop().unwrap().id;
    client.send(&ack(0x50, received)).await;
    client.expect(&ack(0x62, received)).await;
    client.quiet().await;
    for _ in 0..2 {
        away(&house, client).await;
        client = back(&house, &Connect::lasting(level), 1).await;
        for earlier in &sent {
            let again = client.published().await;
            assert!(again.dup());
            assert_eq!(
                (again.id, again.qos(), &again.payload),
                (earlier.id, earlier.qos(), &earlier.payload)
            );
        }
        client.expect(&ack(0x62, received)).await;
        client.quiet().await;
    }
    client.send(&ack(0x70, received)).await;
    client.send(&ack(0x50, sent[0].id)).await;
    client.expect(&ack(0x62, sent[0].id)).await;
    client.send(&ack(0x70, sent[0].id)).await;
    client.send(&ack(0x40, sent[1].id)).await;
    away(&house, client).await;
    back(&house, &Connect::lasting(level), 1).await.quiet().await;
}

/// A will without delay is published when another connection takes the session over.
pub async fn a_takeover_publishes_the_will(level: u8) {
    let house = house();
    for (first, second) in [
        (Connect::with_will(level, 1, false), Connect::new(level)),
        (
            Connect { will: Connect::with_will(level, 1, false).will, ..Connect::lasting(level) },
            Connect::lasting(level),
        ),
    ] {
        let (mut older, _) = Client::enter(&house, &first).await;
        let (_newer, _) = Client::enter(&house, &second).await;
        older.ended(0x8E, "takeover").await;
        assert!(stored(&house).await.will);
    }
}

/// All four steps, each under the packet id of the publish.
pub async fn qos_2_goes_through_all_steps(level: u8) {
    let house = house();
    let mut client = back(&house, &Connect::operator(level), 0).await;
    client.subscribed(&[("s", 2)], &[2]).await;
    let mut outcome = crate::desk::deliver(&house, "s", QoS::ExactlyOnce);
    let got = client.published().await;
    assert_eq!((got.flags, &got.topic[..], &got.payload[..], got.id == 0), (4, &b"s"[..], &b"on"[..], false));
    // PUBACK does not answer it, and neither does the PUBCOMP that is not due yet.
    client.send(&[ack(0x40, got.id), ack(0x70, got.id)].concat()).await;
    client.quiet().await;
    for _ in 0..2 {
        client.send(&ack(0x50, got.id)).await;
        client.expect(&ack(0x62, got.id)).await;
    }
    assert!(outcome.try_recv().is_err());
    // Until PUBCOMP its packet id is not free.
    house.sessions.publish(&message("s", QoS::ExactlyOnce, b"next"));
    assert_ne!(client.published().await.id, got.id);
    client.send(&ack(0x70, got.id)).await;
    assert_eq!(crate::support::soon(outcome).await, Ok(fleetwire_mqtt::DeliveryOutcome::Acknowledged));
}
