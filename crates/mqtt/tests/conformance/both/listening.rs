//! Messages of others, for accounts that listen: retained ones, and those that are live.

use fleetwire_mqtt::packet::QoS;

use crate::{
    desk::{house, message, retained},
    wire::*,
};

/// A retained message comes with a new subscription, with RETAIN and the lower QoS; only the newest of each topic.
pub async fn retained_messages_come_with_the_subscription(level: u8) {
    let house = house();
    house.sessions.publish(&retained("s/a", QoS::AtLeastOnce, b"old"));
    house.sessions.publish(&retained("s/a", QoS::AtLeastOnce, b"new"));
    house.sessions.publish(&retained("s/b", QoS::AtMostOnce, b"b"));
    house.sessions.publish(&retained("t", QoS::AtMostOnce, b"elsewhere"));
    let (mut client, _) = Client::enter(&house, &Connect::operator(level)).await;
    client.subscribed(&[("s/+", 1)], &[1]).await;
    for (topic, qos, payload) in [(&b"s/a"[..], 1, &b"new"[..]), (b"s/b", 0, b"b")] {
        let got = client.published().await;
        assert_eq!((&got.topic[..], got.qos(), &got.payload[..]), (topic, qos, payload));
        assert!(got.retain() && !got.dup());
    }
    client.quiet().await;
    // One of QoS 0 takes the place of one of QoS 1.
    house.sessions.publish(&retained("s/a", QoS::AtMostOnce, b"newest"));
    assert_eq!(client.published().await.payload, b"newest");
    let (mut other, _) =
        Client::enter(&house, &Connect { id: b"c2".into(), ..Connect::operator(level) }).await;
    other.subscribed(&[("s/a", 1)], &[1]).await;
    let got = other.published().await;
    assert_eq!((got.qos(), &got.payload[..], got.retain()), (0, &b"newest"[..], true));
}

/// An empty payload goes to those who listen, and leaves nothing to retain.
pub async fn an_empty_retained_message_removes(level: u8) {
    let house = house();
    house.sessions.publish(&retained("s", QoS::AtMostOnce, b"kept"));
    let (mut client, _) = Client::enter(&house, &Connect::operator(level)).await;
    client.subscribed(&[("s", 0)], &[0]).await;
    assert!(client.published().await.retain());
    house.sessions.publish(&retained("s", QoS::AtMostOnce, b""));
    let got = client.published().await;
    assert_eq!((&got.payload[..], got.retain()), (&b""[..], false));
    let (mut other, _) =
        Client::enter(&house, &Connect { id: b"c2".into(), ..Connect::operator(level) }).await;
    other.subscribed(&[("s", 0)], &[0]).await;
    other.quiet().await;
}

/// A message without RETAIN is not retained, and neither replaces nor removes what is, not even an empty one.
pub async fn a_live_message_leaves_the_retained_one_alone(level: u8) {
    let house = house();
    house.sessions.publish(&message("t", QoS::AtMostOnce, b"live"));
    house.sessions.publish(&retained("s", QoS::AtMostOnce, b"kept"));
    house.sessions.publish(&message("s", QoS::AtMostOnce, b"live"));
    house.sessions.publish(&message("s", QoS::AtMostOnce, b""));
    let (mut client, _) = Client::enter(&house, &Connect::operator(level)).await;
    client.subscribed(&[("t", 0), ("s", 0)], &[0, 0]).await;
    let got = client.published().await;
    assert_eq!((&got.topic[..], &got.payload[..]), (&b"s"[..], &b"kept"[..]));
    client.quiet().await;
}

/// They are in no session, so a session that ends does not take them along.
pub async fn retained_messages_outlive_sessions(level: u8) {
    let house = house();
    house.sessions.publish(&retained("s", QoS::AtMostOnce, b"kept"));
    for _ in 0..3 {
        let (mut client, _) = Client::enter(&house, &Connect::operator(level)).await;
        client.subscribed(&[("s", 0)], &[0]).await;
        assert_eq!(client.published().await.payload, b"kept");
        client.send(&DISCONNECT).await;
        client.closed().await;
    }
}

/// Subscribing again to the same filter brings the retained message again, and loses no live one.
pub async fn the_same_filter_brings_retained_messages_again(level: u8) {
    let house = house();
    house.sessions.publish(&retained("s", QoS::AtMostOnce, b"kept"));
    let (mut client, _) = Client::enter(&house, &Connect::operator(level)).await;
    for round in 0..3 {
        client.subscribed(&[("s", 0)], &[0]).await;
        assert!(client.published().await.retain());
        house.sessions.publish(&message("s", QoS::AtMostOnce, &[round]));
        assert_eq!(client.published().await.payload, [round], "live, and once");
    }
    client.quiet().await;
}

/// A message goes to every session that has a matching subscription, and to no other.
pub async fn a_message_reaches_all_who_listen(level: u8) {
    let house = house();
    let mut clients = Vec::new();
    for (id, filter) in [("c1", "s/#"), ("c2", "+/x"), ("c3", "s/x"), ("c4", "t/#")] {
        let connect = Connect { id: id.into(), ..Connect::operator(level) };
        let (mut client, _) = Client::enter(&house, &connect).await;
        client.subscribed(&[(filter, 1)], &[1]).await;
        clients.push(client);
    }
    assert_eq!(house.sessions.publish(&message("s/x", QoS::AtLeastOnce, b"all")).taken, 3);
    let mut outside = clients.pop().unwrap();
    for client in &mut clients {
        let got = client.published().await;
        assert_eq!((&got.topic[..], &got.payload[..]), (&b"s/x"[..], &b"all"[..]));
        client.quiet().await;
    }
    outside.quiet().await;
}

/// To everyone in the order in which they came, whatever a subscription's QoS.
pub async fn live_messages_keep_their_order(level: u8) {
    let house = house();
    let (mut client, _) = Client::enter(&house, &Connect::operator(level)).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    for number in 0..10 {
        house.sessions.publish(&message("s", QoS::AtLeastOnce, &[number]));
    }
    for number in 0..10 {
        let got = client.published().await;
        assert_eq!(got.payload, [number]);
        client.send(&ack(0x40, got.id)).await;
    }
}
