//! Chapters 1 and 2: text, flags, packet ids.

use crate::{both, wire::V311};

#[tokio::test]
async fn mqtt_1_5_3_1_ill_formed_utf_8_closes_the_connection() {
    both::ill_formed_text_closes(V311).await;
}

#[tokio::test]
async fn mqtt_1_5_3_2_the_null_character_closes_the_connection() {
    both::a_null_character_closes(V311).await;
}

#[tokio::test]
async fn mqtt_1_5_3_3_a_byte_order_mark_is_a_character_like_others() {
    both::a_byte_order_mark_is_kept(V311).await;
}

#[tokio::test]
async fn mqtt_2_2_2_1_reserved_flags_close_the_connection() {
    both::reserved_flags_close(V311).await;
}

#[tokio::test]
async fn mqtt_2_3_1_1_a_packet_id_is_not_zero() {
    both::packet_id_zero_closes(V311).await;
}

#[tokio::test]
async fn mqtt_2_3_1_4_the_server_gives_no_packet_id_twice_at_a_time() {
    both::packet_ids_are_not_used_twice(V311).await;
}

#[tokio::test]
async fn mqtt_2_3_1_5_a_publish_of_qos_0_has_no_packet_id() {
    both::qos_0_has_no_packet_id(V311).await;
}

#[tokio::test]
async fn mqtt_2_3_1_6_acknowledgements_carry_the_packet_id_of_the_publish() {
    both::acks_carry_the_packet_id(V311).await;
}

#[tokio::test]
async fn mqtt_2_3_1_7_suback_and_unsuback_carry_the_packet_id_they_answer() {
    both::suback_and_unsuback_carry_the_packet_id(V311).await;
}
