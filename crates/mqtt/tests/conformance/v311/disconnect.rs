//! Chapters 3.12 to 3.14: PINGREQ and DISCONNECT.

use crate::{
    both,
    desk::house,
    wire::{Client, Connect, V311, packet, stored},
};

#[tokio::test]
async fn mqtt_3_12_4_1_a_pingreq_is_answered() {
    both::pings_are_answered(V311).await;
}

#[tokio::test]
async fn mqtt_3_14_1_1_a_disconnect_with_reserved_bits_is_no_goodbye() {
    let house = house();
    for first in 0xE1..=0xEF {
        let (mut client, _) = Client::enter(&house, &Connect::with_will(V311, 1, false)).await;
        client.send(&packet(first, &[])).await;
        client.closed().await;
        assert!(stored(&house).await.will);
    }
}

#[tokio::test]
async fn mqtt_3_14_4_2_nothing_is_processed_after_disconnect() {
    both::nothing_is_processed_after_disconnect(V311).await;
}

#[tokio::test]
async fn mqtt_3_14_4_3_a_goodbye_removes_the_will() {
    both::a_goodbye_removes_the_will(V311).await;
}
