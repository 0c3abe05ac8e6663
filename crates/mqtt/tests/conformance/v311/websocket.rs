//! Chapter 6: WebSocket.

use crate::{both, wire::V311};

#[tokio::test]
async fn mqtt_6_0_0_1_packets_are_in_binary_frames() {
    both::packets_are_in_binary_frames(V311).await;
}

#[tokio::test]
async fn mqtt_6_0_0_2_packets_and_frames_need_not_begin_together() {
    both::packets_and_frames_need_not_begin_together(V311).await;
}

#[tokio::test]
async fn mqtt_6_0_0_4_the_subprotocol_is_mqtt() {
    both::the_subprotocol_is_mqtt().await;
}
