//! Chapter 3.3: PUBLISH.

use fleetwire_mqtt::{Outcome, packet::Property};

use crate::{
    both,
    desk::{house, house_with},
    wire::*,
};

#[tokio::test]
async fn mqtt_3_3_1_2_dup_does_not_go_with_qos_0() {
    both::dup_with_qos_0_closes(V5).await;
}

#[tokio::test]
async fn mqtt_3_3_1_4_qos_3_closes_the_connection() {
    both::qos_3_closes(V5).await;
}

#[tokio::test]
async fn mqtt_3_3_1_5_a_retained_publish_is_stored_and_not_retained() {
    both::a_retained_publish_is_stored_and_not_retained(V5).await;
}

#[tokio::test]
async fn mqtt_3_3_1_12_a_live_message_has_no_retain_flag() {
    both::retain_is_not_set_for_live_messages(V5).await;
}

#[tokio::test]
async fn mqtt_3_3_2_1_a_publish_begins_with_its_topic() {
    both::a_publish_without_its_fields_closes(V5).await;
}

#[tokio::test]
async fn mqtt_3_3_2_2_a_topic_name_has_no_wildcards() {
    both::wildcards_in_topic_names_close(V5).await;
}

#[tokio::test]
async fn mqtt_3_3_2_3_a_message_matches_a_filter_of_its_client() {
    both::topics_match_their_filters(V5).await;
}

/// All that a publish may say of itself, twice a user property among it.
#[tokio::test]
async fn mqtt_3_3_2_4_what_a_publish_says_of_itself_reaches_ingest_unaltered_and_in_order() {
    let house = house();
    let mut client = Client::connect(&house, V5).await;
    let list = [
        user_property("b", "2"),
        vec![0x01, 1],
        vec![0x02, 0, 1, 0, 0],
        [vec![0x08], text("answers/é")].concat(),
        user_property("a", "1"),
        [vec![0x09], text([0, 0xFF, 0x80])].concat(),
        [vec![0x03], text("text/plain; charset=utf-8")].concat(),
        user_property("b", "2"),
    ];
    client.send(&publish_with(V5, 0, "d/x", 0, (&list.concat(), "é".as_bytes()))).await;
    let got = stored(&house).await;
    let pair = |key: &'static str, value: &'static str| Property::UserProperty(key.into(), value.into());
    let expected = [
        pair("b", "2"),
        Property::PayloadFormat(1),
        Property::MessageExpiry(0x10000),
        Property::ResponseTopic("answers/é".into()),
        pair("a", "1"),
        Property::CorrelationData(vec![0, 0xFF, 0x80].into()),
        Property::ContentType("text/plain; charset=utf-8".into()),
        pair("b", "2"),
    ];
    assert!(got.properties.iter().eq(&expected), "{:?}", got.properties);
    assert_eq!(got.content_type(), Some("text/plain; charset=utf-8"));
    assert!(got.user_properties().eq([("b", "2"), ("a", "1"), ("b", "2")]));
}

#[tokio::test]
async fn mqtt_3_3_2_13_response_topic_and_content_type_are_utf_8() {
    let house = house();
    for id in [0x08, 0x03] {
        for bad in [&[0xC3, 0x28][..], &[0xED, 0xA0, 0x80], b"a\0"] {
            let bytes = publish_with(V5, 0, "d/x", 0, (&[vec![id], text(bad)].concat(), b"x"));
            breach(&house, V5, &bytes, 0x81, &format!("{id:#x} {bad:02x?}")).await;
        }
        tolerated(&house, V5, &publish_with(V5, 0, "d/x", 0, (&[vec![id], text("é")].concat(), b"x"))).await;
    }
}

#[tokio::test]
async fn mqtt_3_3_2_14_a_response_topic_has_no_wildcards() {
    let house = house();
    for bad in ["#", "+", "a/#", "a/+/b", "a+"] {
        let bytes = publish_with(V5, 0, "d/x", 0, (&[vec![0x08], text(bad)].concat(), b"x"));
        breach(&house, V5, &bytes, 0x90, bad).await;
    }
}

#[tokio::test]
async fn mqtt_3_3_4_1_each_qos_has_its_answer() {
    both::each_qos_has_its_answer(V5).await;
}

#[tokio::test]
async fn mqtt_3_3_4_2_overlapping_subscriptions_use_the_highest_qos() {
    both::overlapping_subscriptions_use_the_highest_qos(V5).await;
}

#[tokio::test]
async fn mqtt_3_3_4_6_a_publish_of_a_client_has_no_subscription_identifier() {
    let house = house();
    breach(&house, V5, &publish_with(V5, 0, "d/x", 0, (&[0x0B, 1], b"x")), 0x81, "identifier").await;
    assert!(house.store.is_empty().await);
}

#[tokio::test]
async fn mqtt_3_3_4_7_a_client_beyond_the_receive_maximum_is_closed() {
    let house = house_with(|settings| settings.limits.max_in_flight = 3);
    for (flags, answer) in [(2, 0x40), (4, 0x50)] {
        let (mut client, body) = Client::enter(&house, &Connect::new(V5)).await;
        assert_eq!(find(&cut_connack(&body).2, 0x21), Some(&[0, 3][..]));
        for id in 1..=3 {
            client.send(&publish(V5, flags, "d/x", id, b"x")).await;
        }
        // What has no answer does not count, and nothing else is held back.
        client.send(&publish(V5, 0, "d/x", 0, b"x")).await;
        client.quiet().await;
        for id in 1..=3 {
            stored(&house).await;
            client.expect(&ack(answer, id)).await;
        }
        stored(&house).await;
        if flags == 4 {
            // PUBREC alone does not make room, PUBCOMP does.
            client.send(&ack(0x62, 1)).await;
            client.expect(&ack(0x70, 1)).await;
            client.send(&publish(V5, 4, "d/x", 9, b"x")).await;
            stored(&house).await;
            client.expect(&ack(0x50, 9)).await;
        } else {
            for id in 1..=3 {
                client.send(&publish(V5, 2, "d/x", id, b"x")).await;
            }
        }
        client.send(&publish(V5, flags, "d/x", 10, b"x")).await;
        client.ended(0x93, "one too many").await;
        while !house.store.is_empty().await {
            house.store.next().await.1.complete(Outcome::Stored);
        }
    }
}
