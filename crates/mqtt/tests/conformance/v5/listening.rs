//! What others publish, for accounts that listen: options, identifiers, properties, expiry.

use std::time::{Duration, Instant};

use fleetwire_mqtt::{Message, packet::QoS};

use crate::{
    both,
    desk::{ID, house, message, retained},
    support::House,
    wire::*,
};

async fn listener(house: &House) -> Client {
    Client::enter(house, &Connect::operator(V5)).await.0
}

/// Subscribes to one filter with an identifier.
async fn subscribed_with(client: &mut Client, filter: &str, options: u8, identifier: u8) {
    let entry = [text(filter), vec![options]].concat();
    client.send(&packet(0x82, &[&[0, 1, 2, 0x0B, identifier][..], &entry].concat())).await;
    client.expect(&[0x90, 4, 0, 1, 0, options & 3]).await;
}

#[tokio::test]
async fn mqtt_3_3_1_6_an_empty_retained_message_removes_the_one_before() {
    both::an_empty_retained_message_removes(V5).await;
}

#[tokio::test]
async fn mqtt_3_3_1_8_a_live_message_leaves_the_retained_one_alone() {
    both::a_live_message_leaves_the_retained_one_alone(V5).await;
    both::retained_messages_outlive_sessions(V5).await;
}

#[tokio::test]
async fn mqtt_3_3_1_9_with_retain_handling_0_retained_messages_come() {
    both::retained_messages_come_with_the_subscription(V5).await;
    both::the_same_filter_brings_retained_messages_again(V5).await;
}

#[tokio::test]
async fn mqtt_3_3_1_10_with_retain_handling_1_they_come_with_a_new_subscription_only() {
    let house = house();
    house.sessions.publish(&retained("s", QoS::AtMostOnce, b"kept"));
    let mut client = listener(&house).await;
    client.subscribed(&[("s", 0x10)], &[0]).await;
    assert!(client.published().await.retain());
    client.subscribed(&[("s", 0x10)], &[0]).await;
    client.quiet().await;
    client.send(&unsubscribe(V5, 2, &["s"])).await;
    client.expect(&[0xB0, 4, 0, 2, 0, 0]).await;
    client.subscribed(&[("s", 0x10)], &[0]).await;
    assert!(client.published().await.retain());
}

#[tokio::test]
async fn mqtt_3_3_1_11_with_retain_handling_2_they_do_not_come() {
    let house = house();
    house.sessions.publish(&retained("s", QoS::AtMostOnce, b"kept"));
    let mut client = listener(&house).await;
    client.subscribed(&[("s", 0x20)], &[0]).await;
    client.quiet().await;
    house.sessions.publish(&message("s", QoS::AtMostOnce, b"live"));
    assert_eq!(client.published().await.payload, b"live");
}

#[tokio::test]
async fn mqtt_3_3_1_12_retain_is_passed_on_only_where_it_is_asked_for() {
    let house = house();
    for (option, passed_on) in [(0x20, false), (0x28, true)] {
        let mut client = listener(&house).await;
        client.subscribed(&[("s", option)], &[0]).await;
        house.sessions.publish(&retained("s", QoS::AtMostOnce, b"x"));
        assert_eq!(client.published().await.retain(), passed_on);
        house.sessions.publish(&message("s", QoS::AtMostOnce, b"x"));
        assert!(!client.published().await.retain());
    }
}

#[tokio::test]
async fn mqtt_3_8_3_3_with_no_local_a_client_does_not_get_its_own_messages() {
    let house = house();
    let mut client = listener(&house).await;
    let own = Message { from: ID.into(), ..message("s", QoS::AtMostOnce, b"own") };
    client.subscribed(&[("s", 0)], &[0]).await;
    house.sessions.publish(&own);
    assert_eq!(client.published().await.payload, b"own");
    client.subscribed(&[("s", 4)], &[0]).await;
    assert_eq!(house.sessions.publish(&own).taken, 0);
    house.sessions.publish(&message("s", QoS::AtMostOnce, b"other"));
    assert_eq!(client.published().await.payload, b"other");
}

/// From one client to another: what it says of itself is the same, and in the same order.
#[tokio::test]
async fn mqtt_3_3_2_15_what_a_publish_says_of_itself_reaches_others_unaltered_and_in_order() {
    let house = house();
    let mut sender = Client::connect_as(&house, V5, "sender").await;
    let list = [
        user_property("b", "2"),
        vec![0x01, 1],
        [vec![0x08], text("answers/é")].concat(),
        user_property("a", "1"),
        [vec![0x09], text([0, 0xFF, 0x80])].concat(),
        [vec![0x03], text("text/plain; charset=utf-8")].concat(),
        user_property("b", "2"),
    ]
    .concat();
    sender.send(&publish_with(V5, 0, "d/x", 0, (&list, "é".as_bytes()))).await;
    let got = stored(&house).await;
    let mut client = listener(&house).await;
    client.subscribed(&[("d/#", 1)], &[1]).await;
    let passed_on = Message { properties: got.properties, ..message(&got.topic, got.qos, &got.payload) };
    house.sessions.publish(&passed_on);
    let (first, body) = client.packet().await;
    assert_eq!(packet(first, &body), publish_with(V5, 0, "d/x", 0, (&list, "é".as_bytes())));
}

#[tokio::test]
async fn mqtt_3_3_2_5_a_message_whose_time_is_over_is_not_sent() {
    let house = house();
    let (mut client, _) = Client::enter(&house, &Connect::lasting(V5)).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    both::away(&house, client).await;
    let over = Instant::now() + Duration::from_millis(50);
    let expires = Some(over);
    house.sessions.publish(&Message { expires, ..message("s", QoS::AtLeastOnce, b"short") });
    house.sessions.publish(&Message { expires, retain: true, ..message("s", QoS::AtLeastOnce, b"short") });
    house.sessions.publish(&message("s", QoS::AtLeastOnce, b"for ever"));
    while Instant::now() < over {
        tokio::task::yield_now().await;
    }
    let mut client = both::back(&house, &Connect::lasting(V5), 1).await;
    assert_eq!(client.published().await.payload, b"for ever");
    client.subscribed(&[("s", 1)], &[1]).await;
    client.quiet().await;
}

#[tokio::test]
async fn mqtt_3_3_2_6_a_message_carries_the_time_that_is_left() {
    let house = house();
    let mut client = listener(&house).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    let expires = Some(Instant::now() + Duration::from_secs(90));
    house.sessions.publish(&Message { expires, ..message("s", QoS::AtLeastOnce, b"x") });
    let got = client.published().await;
    let left = find(&got.properties, 0x02).unwrap();
    assert!((80..=90).contains(&u32::from_be_bytes(left.try_into().unwrap())), "{left:?}");
}

#[tokio::test]
async fn mqtt_3_3_4_3_a_message_carries_the_identifiers_of_all_its_subscriptions() {
    let house = house();
    let mut client = listener(&house).await;
    subscribed_with(&mut client, "s/#", 0, 7).await;
    subscribed_with(&mut client, "+/x", 1, 9).await;
    subscribed_with(&mut client, "t/#", 1, 11).await;
    client.subscribed(&[("s/x", 0)], &[0]).await;
    house.sessions.publish(&message("s/x", QoS::AtLeastOnce, b"x"));
    let got = client.published().await;
    let mut identifiers: Vec<_> =
        got.properties.iter().filter(|(id, _)| *id == 0x0B).map(|(_, v)| v[0]).collect();
    identifiers.sort_unstable();
    assert_eq!((identifiers, got.qos()), (vec![7, 9], 1));
    client.quiet().await;
    // A subscription that is made again without one has none any more.
    client.subscribed(&[("t/#", 0)], &[0]).await;
    house.sessions.publish(&message("t/y", QoS::AtMostOnce, b"x"));
    assert_eq!(client.published().await.properties, []);
}
