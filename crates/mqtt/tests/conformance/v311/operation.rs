//! Chapter 4 and later: delivery, order, topics, errors.

use crate::{
    both,
    desk::house,
    wire::{V311, ack, breach, packet},
};

#[tokio::test]
async fn mqtt_4_3_1_1_qos_0_goes_out_once_without_dup() {
    both::qos_0_goes_out_once(V311).await;
}

#[tokio::test]
async fn mqtt_4_3_2_1_qos_1_goes_out_and_waits_for_its_puback() {
    both::qos_1_waits_for_its_puback(V311).await;
}

#[tokio::test]
async fn mqtt_4_3_2_2_qos_1_is_acknowledged_once_stored_and_then_its_packet_id_is_free() {
    both::qos_1_is_acknowledged_when_it_is_stored(V311).await;
}

#[tokio::test]
async fn mqtt_4_3_3_2_qos_2_is_stored_once_until_it_is_released() {
    both::qos_2_is_stored_once(V311).await;
}

#[tokio::test]
async fn mqtt_4_6_0_2_pubacks_leave_in_the_order_of_the_publishes() {
    both::acks_leave_in_order(V311, 2, 0x40).await;
}

#[tokio::test]
async fn mqtt_4_6_0_3_pubrecs_leave_in_the_order_of_the_publishes() {
    both::acks_leave_in_order(V311, 4, 0x50).await;
}

#[tokio::test]
async fn mqtt_4_6_0_6_messages_leave_in_the_order_in_which_they_came() {
    both::messages_leave_in_order(V311).await;
}

#[tokio::test]
async fn mqtt_4_7_1_2_the_multi_level_wildcard_stands_last_and_alone() {
    both::the_multi_level_wildcard_stands_last_and_alone(V311).await;
}

#[tokio::test]
async fn mqtt_4_7_1_3_the_single_level_wildcard_fills_its_level() {
    both::the_single_level_wildcard_fills_its_level(V311).await;
}

#[tokio::test]
async fn mqtt_4_7_2_1_a_leading_wildcard_does_not_reach_dollar_topics() {
    both::a_leading_wildcard_does_not_reach_dollar_topics(V311).await;
}

#[tokio::test]
async fn mqtt_4_7_3_1_a_topic_is_not_empty() {
    both::empty_topics_close(V311).await;
}

#[tokio::test]
async fn mqtt_4_7_3_3_a_topic_is_at_most_65535_bytes() {
    both::the_longest_topic_is_taken_whole(V311).await;
}

#[tokio::test]
async fn mqtt_4_7_3_4_topics_are_not_normalised() {
    both::topics_are_not_normalised(V311).await;
}

#[tokio::test]
async fn mqtt_4_8_0_1_a_breach_of_the_protocol_closes_the_connection() {
    let house = house();
    let cases = [
        ("packet type 0", packet(0, &[])),
        ("packet type 15", packet(0xF0, &[])),
        ("CONNACK", packet(0x20, &[0, 0])),
        ("SUBACK", packet(0x90, &[0, 1, 0])),
        ("UNSUBACK", packet(0xB0, &[0, 1])),
        ("PINGRESP", packet(0xD0, &[])),
        ("PUBACK with a byte to spare", packet(0x40, &[0, 1, 0])),
        ("PUBACK without a packet id", packet(0x40, &[0])),
        ("DISCONNECT with a body", packet(0xE0, &[0])),
        ("remaining length of five bytes", vec![0x30, 0x80, 0x80, 0x80, 0x80, 0]),
        ("PUBREL before PUBREC", [crate::wire::publish(V311, 4, "d/x", 3, b"x"), ack(0x62, 3)].concat()),
    ];
    for (case, bytes) in cases {
        breach(&house, V311, &bytes, 0, case).await;
    }
}

#[tokio::test]
async fn mqtt_4_8_0_2_a_publish_that_cannot_be_stored_closes_the_connection() {
    both::a_failure_to_store_closes(V311).await;
}

#[tokio::test]
async fn mqtt_7_1_1_1_packets_are_cut_from_a_stream_of_bytes() {
    both::a_stream_may_be_split_anywhere(V311).await;
}
