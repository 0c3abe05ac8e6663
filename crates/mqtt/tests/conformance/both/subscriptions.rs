//! SUBSCRIBE and UNSUBSCRIBE.

use fleetwire_mqtt::{DeliveryOutcome, packet::QoS};

use crate::{
    desk::{deliver, house},
    support::{House, soon},
    wire::*,
};

const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// SUBACK or UNSUBACK.
pub fn answer(level: u8, first: u8, id: u16, codes: &[u8]) -> Vec<u8> {
    let properties = if level == V5 { &[0][..] } else { &[] };
    packet(first, &[&id.to_be_bytes(), properties, codes].concat())
}

/// What UNSUBACK says: MQTT 5 one code a filter, 3.1.1 none.
fn left(level: u8, id: u16, codes: &[u8]) -> Vec<u8> {
    answer(level, 0xB0, id, if level == V5 { codes } else { &[] })
}

async fn is_subscribed(house: &House, client: &mut Client, topic: &str) -> bool {
    match soon(deliver(house, topic, QoS::AtMostOnce)).await.unwrap() {
        DeliveryOutcome::Sent => {
            assert_eq!(client.published().await.topic, topic.as_bytes());
            true
        }
        DeliveryOutcome::NotSubscribed => false,
        other => panic!("{other:?}"),
    }
}

pub async fn no_filters_close(level: u8) {
    let house = house();
    breach(&house, level, &subscribe(level, 1, &[]), 0x82, "SUBSCRIBE").await;
}

pub async fn no_filters_to_leave_close(level: u8) {
    let house = house();
    breach(&house, level, &unsubscribe(level, 1, &[]), 0x82, "UNSUBSCRIBE").await;
}

pub async fn subscribe_is_answered(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.send(&subscribe(level, 0x1234, &[("s", 1)])).await;
    client.expect(&answer(level, 0x90, 0x1234, &[1])).await;
    // Also where nothing is granted.
    client.send(&subscribe(level, 0x1235, &[("$SYS/#", 1)])).await;
    client.expect(&answer(level, 0x90, 0x1235, &[if level == V5 { 0x87 } else { 0x80 }])).await;
    client.quiet().await;
}

/// A second subscription to the same filter takes the place of the first: no second copy, another QoS.
pub async fn the_same_filter_replaces(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s/+", 1)], &[1]).await;
    client.subscribed(&[("s/+", 0)], &[0]).await;
    let _sent = deliver(&house, "s/x", QoS::AtLeastOnce);
    assert_eq!(client.published().await.qos(), 0);
    client.quiet().await;
    client.send(&unsubscribe(level, 2, &["s/+"])).await;
    client.expect(&left(level, 2, &[0])).await;
    assert!(!is_subscribed(&house, &mut client, "s/x").await);
}

/// Many filters are granted or refused one by one, in one answer, in their order.
pub async fn many_filters_have_one_answer_with_a_code_each(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    let no = if level == V5 { 0x87 } else { 0x80 };
    let filters = [("a", 1), ("$SYS/a", 1), ("b/#", 0), ("c/+/d", 1), ("$other", 0), ("a", 0)];
    client.subscribed(&filters, &[1, no, 0, 1, no, 0]).await;
    client.quiet().await;
    for (topic, subscribed) in
        [("a", true), ("$SYS/a", false), ("b/x/y", true), ("c/x/d", true), ("c/x/e", false)]
    {
        assert_eq!(is_subscribed(&house, &mut client, topic).await, subscribed, "{topic}");
    }
}

/// The QoS of a message is the lower of what it was sent with and what was granted.
pub async fn qos_is_the_lower_of_sent_and_granted(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    for granted in [0, 1] {
        client.subscribed(&[("s", granted)], &[granted]).await;
        for sent in 0..=1 {
            let _outcome = deliver(&house, "s", QOS[usize::from(sent)]);
            let got = client.published().await;
            assert_eq!(got.qos(), sent.min(granted), "{sent} {granted}");
            if got.qos() == 1 {
                client.send(&ack(0x40, got.id)).await;
            }
        }
    }
}

pub async fn overlapping_subscriptions_use_the_highest_qos(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s/#", 0), ("s/x", 1), ("+/x", 0)], &[0, 1, 0]).await;
    let outcome = deliver(&house, "s/x", QoS::AtLeastOnce);
    let got = client.published().await;
    assert_eq!(got.qos(), 1);
    client.send(&ack(0x40, got.id)).await;
    assert_eq!(soon(outcome).await, Ok(DeliveryOutcome::Acknowledged));
    client.quiet().await;
}

pub async fn unsubscribe_compares_byte_by_byte(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s/+", 0), ("s/é", 0)], &[0, 0]).await;
    // None of these is the filter, although each is like it.
    for near in ["s/#", "s/x", "S/+", "s/+/", "s/e\u{301}", "+/+"] {
        client.send(&unsubscribe(level, 2, &[near])).await;
        client.expect(&left(level, 2, &[0x11])).await;
    }
    assert!(is_subscribed(&house, &mut client, "s/x").await);
    client.send(&unsubscribe(level, 3, &["s/+", "s/+"])).await;
    client.expect(&left(level, 3, &[0, 0x11])).await;
    assert!(!is_subscribed(&house, &mut client, "s/x").await);
    assert!(is_subscribed(&house, &mut client, "s/é").await);
}

pub async fn unsubscribe_stops_new_messages(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    assert!(is_subscribed(&house, &mut client, "s").await);
    client.send(&unsubscribe(level, 2, &["s"])).await;
    client.expect(&left(level, 2, &[0])).await;
    assert!(!is_subscribed(&house, &mut client, "s").await);
    client.quiet().await;
}

/// A message that was already sent is completed, although its subscription is gone.
pub async fn unsubscribe_completes_what_was_sent(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    let outcome = deliver(&house, "s", QoS::AtLeastOnce);
    let got = client.published().await;
    client.send(&unsubscribe(level, 2, &["s"])).await;
    client.expect(&left(level, 2, &[0])).await;
    client.send(&ack(0x40, got.id)).await;
    assert_eq!(soon(outcome).await, Ok(DeliveryOutcome::Acknowledged));
}

pub async fn unsubscribe_is_answered(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s", 0)], &[0]).await;
    client.send(&unsubscribe(level, 0x1234, &["s"])).await;
    client.expect(&left(level, 0x1234, &[0])).await;
    // Also where there is nothing to leave.
    client.send(&unsubscribe(level, 0xFFFF, &["s"])).await;
    client.expect(&left(level, 0xFFFF, &[0x11])).await;
}

pub async fn many_filters_to_leave_have_one_answer(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("a", 0), ("b", 0), ("c", 0)], &[0, 0, 0]).await;
    client.send(&unsubscribe(level, 9, &["c", "x", "a", "y"])).await;
    client.expect(&left(level, 9, &[0, 0x11, 0, 0x11])).await;
    client.quiet().await;
    for (topic, subscribed) in [("a", false), ("b", true), ("c", false)] {
        assert_eq!(is_subscribed(&house, &mut client, topic).await, subscribed, "{topic}");
    }
}

/// A message goes to a client only if one of its filters means the topic.
pub async fn topics_match_their_filters(level: u8) {
    let house = house();
    let cases: [(&str, &[&str], &[&str]); 8] = [
        (
            "sport/tennis/player1/#",
            &["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/x"],
            &["sport/tennis", "sport/tennis/player12"],
        ),
        ("sport/#", &["sport", "sport/x"], &["sports", "Sport"]),
        ("sport/tennis/+", &["sport/tennis/a", "sport/tennis/"], &["sport/tennis", "sport/tennis/a/b"]),
        ("sport/+", &["sport/"], &["sport"]),
        ("+/+", &["/finance", "a/b"], &["finance", "a/b/c"]),
        ("/+", &["/finance"], &["finance", "//finance"]),
        ("+", &["finance", " "], &["/finance", "finance/"]),
        ("a//b", &["a//b"], &["a/b", "a/x/b"]),
    ];
    for (filter, inside, outside) in cases {
        let mut client = Client::connect(&house, level).await;
        client.subscribed(&[(filter, 0)], &[0]).await;
        for topic in inside {
            assert!(is_subscribed(&house, &mut client, topic).await, "{filter} {topic}");
        }
        for topic in outside {
            assert!(!is_subscribed(&house, &mut client, topic).await, "{filter} {topic}");
        }
    }
}

pub async fn a_leading_wildcard_does_not_reach_dollar_topics(level: u8) {
    let house = house();
    for filter in ["#", "+/x", "+/#", "+"] {
        let mut client = Client::connect(&house, level).await;
        client.subscribed(&[(filter, 0)], &[0]).await;
        for topic in ["$d/x", "$d", "$SYS/x"] {
            assert!(!is_subscribed(&house, &mut client, topic).await, "{filter} {topic}");
        }
        client.subscribed(&[("$d/#", 0)], &[0]).await;
        assert!(is_subscribed(&house, &mut client, "$d/x").await);
        assert!(!is_subscribed(&house, &mut client, "$SYS/x").await);
    }
}

/// Texts that look alike, or mean the same to a reader, are different topics.
pub async fn topics_are_not_normalised(level: u8) {
    let house = house();
    let mut client = Client::connect(&house, level).await;
    client.subscribed(&[("s/é", 0), ("s/ x ", 0), ("s//y", 0), ("s/%2F", 0)], &[0, 0, 0, 0]).await;
    for topic in ["s/é", "s/ x ", "s//y", "s/%2F"] {
        assert!(is_subscribed(&house, &mut client, topic).await, "{topic}");
    }
    for topic in ["s/e\u{301}", "s/É", "S/é", "s/x", "s/y", "s///y", "s//y/", "s//", "s/%2f"] {
        assert!(!is_subscribed(&house, &mut client, topic).await, "{topic}");
    }
}
