//! Chapters 3.8 to 3.11: SUBSCRIBE and UNSUBSCRIBE.

use crate::{
    both,
    desk::{house, house_with},
    wire::*,
};

#[tokio::test]
async fn mqtt_3_8_1_1_the_flags_of_subscribe_are_2() {
    both::wrong_flags_close(V5, 0x82, &[0, 1, 0, 0, 1, b's', 0]).await;
}

#[tokio::test]
async fn mqtt_3_8_3_2_a_subscribe_names_a_filter() {
    both::no_filters_close(V5).await;
}

#[tokio::test]
async fn mqtt_3_8_3_4_no_local_on_a_shared_subscription_is_a_protocol_error() {
    let house = house();
    for options in [4, 5, 6] {
        let bytes = subscribe(V5, 1, &[("$share/group/s", options)]);
        breach(&house, V5, &bytes, 0x82, &format!("{options}")).await;
    }
}

/// Reserved bits are malformed, and so is QoS 3; Retain Handling 3 is a protocol error.
#[tokio::test]
async fn mqtt_3_8_3_5_subscription_options_have_only_the_values_that_mean_something() {
    let house = house();
    for options in 0..=255 {
        let bytes = subscribe(V5, 1, &[("s", options)]);
        if options & 0xC0 != 0 || options & 3 == 3 {
            breach(&house, V5, &bytes, 0x81, &format!("{options:#x}")).await;
        } else if options & 0x30 == 0x30 {
            breach(&house, V5, &bytes, 0x82, &format!("{options:#x}")).await;
        } else {
            tolerated(&house, V5, &bytes).await;
        }
    }
}

#[tokio::test]
async fn mqtt_3_8_4_1_a_subscribe_is_answered_under_its_packet_id() {
    both::subscribe_is_answered(V5).await;
}

#[tokio::test]
async fn mqtt_3_8_4_3_the_same_filter_replaces_the_subscription() {
    both::the_same_filter_replaces(V5).await;
}

#[tokio::test]
async fn mqtt_3_8_4_5_many_filters_have_one_answer_with_a_code_each() {
    both::many_filters_have_one_answer_with_a_code_each(V5).await;
}

#[tokio::test]
async fn mqtt_3_8_4_8_qos_is_the_lower_of_sent_and_granted() {
    both::qos_is_the_lower_of_sent_and_granted(V5).await;
}

#[tokio::test]
async fn mqtt_3_9_3_2_suback_has_a_reason_code_of_its_table() {
    let house = house_with(|settings| settings.limits.max_subscriptions = 2);
    let (mut client, body) = Client::enter(&house, &Connect::new(V5)).await;
    let list = cut_connack(&body).2;
    assert_eq!((find(&list, 0x29), find(&list, 0x2A)), (Some(&[0][..]), Some(&[0][..])));
    let filters = [("$SYS/#", 0), ("$share/g/s", 0), ("a", 0), ("b", 1), ("c", 0), ("a", 1)];
    client.subscribed(&filters, &[0x87, 0x9E, 0, 1, 0x97, 1]).await;
    client.send(&packet(0x82, &[0, 1, 2, 0x0B, 5, 0, 1, b's', 0])).await;
    client.expect(&[0x90, 4, 0, 1, 0, 0xA1]).await;
}

#[tokio::test]
async fn mqtt_3_10_1_1_the_flags_of_unsubscribe_are_2() {
    both::wrong_flags_close(V5, 0xA2, &[0, 1, 0, 0, 1, b's']).await;
}

#[tokio::test]
async fn mqtt_3_10_3_2_an_unsubscribe_names_a_filter() {
    both::no_filters_to_leave_close(V5).await;
}

#[tokio::test]
async fn mqtt_3_10_4_1_unsubscribe_compares_byte_by_byte() {
    both::unsubscribe_compares_byte_by_byte(V5).await;
}

#[tokio::test]
async fn mqtt_3_10_4_2_unsubscribe_stops_new_messages() {
    both::unsubscribe_stops_new_messages(V5).await;
}

#[tokio::test]
async fn mqtt_3_10_4_3_unsubscribe_completes_what_was_sent() {
    both::unsubscribe_completes_what_was_sent(V5).await;
}

#[tokio::test]
async fn mqtt_3_10_4_4_an_unsubscribe_is_answered_under_its_packet_id() {
    both::unsubscribe_is_answered(V5).await;
}

#[tokio::test]
async fn mqtt_3_10_4_6_many_filters_to_leave_have_one_answer_with_a_code_each() {
    both::many_filters_to_leave_have_one_answer(V5).await;
}
