//! Chapters 3.8 to 3.11: SUBSCRIBE and UNSUBSCRIBE.

use crate::{
    both,
    desk::house,
    wire::{Client, V311, breach, subscribe},
};

#[tokio::test]
async fn mqtt_3_8_1_1_the_flags_of_subscribe_are_2() {
    both::wrong_flags_close(V311, 0x82, &[0, 1, 0, 1, b's', 0]).await;
}

#[tokio::test]
async fn mqtt_3_8_3_3_a_subscribe_names_a_filter() {
    both::no_filters_close(V311).await;
}

#[tokio::test]
async fn mqtt_3_8_3_4_reserved_bits_and_qos_3_close_the_connection() {
    let house = house();
    for qos in 3..=255 {
        breach(&house, V311, &subscribe(V311, 1, &[("s", qos)]), 0x81, &format!("{qos}")).await;
    }
}

#[tokio::test]
async fn mqtt_3_8_4_1_a_subscribe_is_answered_under_its_packet_id() {
    both::subscribe_is_answered(V311).await;
}

#[tokio::test]
async fn mqtt_3_8_4_3_the_same_filter_replaces_the_subscription() {
    both::the_same_filter_replaces(V311).await;
}

#[tokio::test]
async fn mqtt_3_8_4_4_many_filters_have_one_answer_with_a_code_each() {
    both::many_filters_have_one_answer_with_a_code_each(V311).await;
}

#[tokio::test]
async fn mqtt_3_8_4_6_qos_is_the_lower_of_sent_and_granted() {
    both::qos_is_the_lower_of_sent_and_granted(V311).await;
}

#[tokio::test]
async fn mqtt_3_9_3_2_suback_has_only_the_four_codes() {
    let house = house();
    let mut client = Client::connect(&house, V311).await;
    let filters = [("a", 0), ("b", 1), ("c", 2), ("$SYS/#", 0), ("$share/g/a", 1), ("$other", 2)];
    client.send(&subscribe(V311, 1, &filters)).await;
    let (first, body) = client.packet().await;
    assert_eq!((first, body.len()), (0x90, 8));
    assert_eq!(body[2..4], [0, 1]);
    assert!([1, 2].contains(&body[4]), "{body:?}");
    assert_eq!(body[5..], [0x80, 0x80, 0x80]);
}

#[tokio::test]
async fn mqtt_3_10_1_1_the_flags_of_unsubscribe_are_2() {
    both::wrong_flags_close(V311, 0xA2, &[0, 1, 0, 1, b's']).await;
}

#[tokio::test]
async fn mqtt_3_10_3_2_an_unsubscribe_names_a_filter() {
    both::no_filters_to_leave_close(V311).await;
}

#[tokio::test]
async fn mqtt_3_10_4_1_unsubscribe_compares_byte_by_byte() {
    both::unsubscribe_compares_byte_by_byte(V311).await;
}

#[tokio::test]
async fn mqtt_3_10_4_2_unsubscribe_stops_new_messages() {
    both::unsubscribe_stops_new_messages(V311).await;
}

#[tokio::test]
async fn mqtt_3_10_4_3_unsubscribe_completes_what_was_sent() {
    both::unsubscribe_completes_what_was_sent(V311).await;
}

#[tokio::test]
async fn mqtt_3_10_4_4_an_unsubscribe_is_answered_under_its_packet_id() {
    both::unsubscribe_is_answered(V311).await;
}

#[tokio::test]
async fn mqtt_3_10_4_6_many_filters_to_leave_have_one_answer() {
    both::many_filters_to_leave_have_one_answer(V311).await;
}
