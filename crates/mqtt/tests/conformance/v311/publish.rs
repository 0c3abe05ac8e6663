//! Chapters 3.3 to 3.7: PUBLISH and its acknowledgements.

use crate::{
    both,
    desk::house,
    wire::{V311, breach, publish},
};

#[tokio::test]
async fn mqtt_3_3_1_2_dup_does_not_go_with_qos_0() {
    both::dup_with_qos_0_closes(V311).await;
}

#[tokio::test]
async fn mqtt_3_3_1_4_qos_3_closes_the_connection() {
    both::qos_3_closes(V311).await;
}

#[tokio::test]
async fn mqtt_3_3_1_5_a_retained_publish_is_stored_and_not_retained() {
    both::a_retained_publish_is_stored_and_not_retained(V311).await;
}

#[tokio::test]
async fn mqtt_3_3_1_9_a_live_message_has_no_retain_flag() {
    both::retain_is_not_set_for_live_messages(V311).await;
}

#[tokio::test]
async fn mqtt_3_3_2_1_a_publish_begins_with_its_topic() {
    both::a_publish_without_its_fields_closes(V311).await;
}

#[tokio::test]
async fn mqtt_3_3_2_2_a_topic_name_has_no_wildcards() {
    both::wildcards_in_topic_names_close(V311).await;
}

#[tokio::test]
async fn mqtt_3_3_2_3_a_message_matches_a_filter_of_its_client() {
    both::topics_match_their_filters(V311).await;
}

#[tokio::test]
async fn mqtt_3_3_4_1_each_qos_has_its_answer() {
    both::each_qos_has_its_answer(V311).await;
}

#[tokio::test]
async fn mqtt_3_3_5_1_overlapping_subscriptions_use_the_highest_qos() {
    both::overlapping_subscriptions_use_the_highest_qos(V311).await;
}

#[tokio::test]
async fn mqtt_3_3_5_2_a_publish_that_is_not_allowed_closes_the_connection() {
    let house = house();
    for flags in [0, 2, 4] {
        breach(&house, V311, &publish(V311, flags, "elsewhere", 1, b"x"), 0, "not allowed").await;
    }
    assert_eq!(house.notes.count("disconnected not_authorized"), 3);
    assert!(house.store.is_empty().await);
}

#[tokio::test]
async fn mqtt_3_6_1_1_the_flags_of_pubrel_are_2() {
    both::wrong_flags_close(V311, 0x62, &[0, 1]).await;
}
