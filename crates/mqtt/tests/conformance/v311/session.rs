//! Sessions that outlive their connections, and what others publish.

use crate::{both, wire::V311};

#[tokio::test]
async fn mqtt_2_3_1_3_a_message_that_is_sent_again_keeps_its_packet_id() {
    both::unanswered_messages_are_sent_again(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_4_a_session_goes_on_with_the_next_connection() {
    both::a_session_goes_on(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_5_messages_wait_for_a_client_that_is_away() {
    both::messages_wait_for_a_client_that_is_away(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_7_retained_messages_outlive_sessions() {
    both::retained_messages_outlive_sessions(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_8_a_takeover_publishes_the_will() {
    both::a_takeover_publishes_the_will(V311).await;
}

#[tokio::test]
async fn mqtt_3_2_2_1_a_clean_session_finds_no_session() {
    both::a_clean_start_finds_no_session(V311).await;
}

#[tokio::test]
async fn mqtt_3_2_2_2_session_present_is_told_truthfully() {
    both::session_present_is_told_truthfully(V311).await;
}

#[tokio::test]
async fn mqtt_3_3_1_6_retained_messages_come_with_the_subscription() {
    both::retained_messages_come_with_the_subscription(V311).await;
}

#[tokio::test]
async fn mqtt_3_3_1_10_an_empty_retained_message_removes_the_one_before() {
    both::an_empty_retained_message_removes(V311).await;
}

#[tokio::test]
async fn mqtt_3_3_1_12_a_live_message_leaves_the_retained_one_alone() {
    both::a_live_message_leaves_the_retained_one_alone(V311).await;
}

#[tokio::test]
async fn mqtt_3_8_4_3_the_same_filter_brings_retained_messages_again() {
    both::the_same_filter_brings_retained_messages_again(V311).await;
}

#[tokio::test]
async fn mqtt_4_3_3_1_qos_2_goes_out_and_waits_for_pubrec_and_pubcomp() {
    both::qos_2_goes_through_all_steps(V311).await;
}

#[tokio::test]
async fn mqtt_4_5_0_1_a_message_reaches_all_who_listen() {
    both::a_message_reaches_all_who_listen(V311).await;
}

#[tokio::test]
async fn mqtt_4_6_0_6_live_messages_keep_their_order() {
    both::live_messages_keep_their_order(V311).await;
}
