//! Chapter 4 and later: delivery, order, topics, flow control, errors.

use fleetwire_mqtt::{DeliveryOutcome, FailureReason, Outcome, packet::QoS};

use crate::{
    both,
    desk::{deliver, house},
    support::soon,
    wire::*,
};

#[tokio::test]
async fn mqtt_4_2_0_1_packets_are_cut_from_a_stream_of_bytes() {
    both::a_stream_may_be_split_anywhere(V5).await;
}

#[tokio::test]
async fn mqtt_4_3_1_1_qos_0_goes_out_once_without_dup() {
    both::qos_0_goes_out_once(V5).await;
}

#[tokio::test]
async fn mqtt_4_3_2_1_qos_1_goes_out_and_waits_for_its_puback() {
    both::qos_1_waits_for_its_puback(V5).await;
}

#[tokio::test]
async fn mqtt_4_3_2_4_qos_1_is_acknowledged_once_stored_and_then_its_packet_id_is_free() {
    both::qos_1_is_acknowledged_when_it_is_stored(V5).await;
}

#[tokio::test]
async fn mqtt_4_3_3_8_qos_2_is_stored_once_until_it_is_released() {
    both::qos_2_is_stored_once(V5).await;
}

#[tokio::test]
async fn mqtt_4_3_3_9_a_packet_id_whose_publish_failed_is_free() {
    let house = house();
    let mut client = Client::connect(&house, V5).await;
    client.send(&publish(V5, 4, "d/x", 7, b"first")).await;
    house.store.next().await.1.complete(Outcome::Failed(FailureReason::QuotaExceeded));
    let (first, body) = client.packet().await;
    assert_eq!((first, &body[..3]), (0x50, &[0, 7, 0x97][..]));
    client.send(&publish(V5, 4, "d/x", 7, b"second")).await;
    assert_eq!(&stored(&house).await.payload[..], b"second");
    client.expect(&ack(0x50, 7)).await;
}

/// The acknowledgements go on whatever the expiry of the message says.
#[tokio::test]
async fn mqtt_4_3_3_13_a_message_that_expires_is_acknowledged_to_the_end() {
    let house = house();
    let mut client = Client::connect(&house, V5).await;
    client.send(&publish_with(V5, 4, "d/x", 7, (&[0x02, 0, 0, 0, 0], b"x"))).await;
    stored(&house).await;
    client.expect(&ack(0x50, 7)).await;
    client.send(&ack(0x62, 7)).await;
    client.expect(&ack(0x70, 7)).await;
}

#[tokio::test]
async fn mqtt_4_4_0_2_a_rejected_message_is_not_sent_again() {
    let house = house();
    let mut client = Client::connect(&house, V5).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    let outcome = deliver(&house, "s", QoS::AtLeastOnce);
    let id = client.published().await.id.to_be_bytes();
    client.send(&packet(0x40, &[id[0], id[1], 0x97])).await;
    assert_eq!(soon(outcome).await, Ok(DeliveryOutcome::Rejected(0x97)));
    client.quiet().await;
}

#[tokio::test]
async fn mqtt_4_6_0_2_pubacks_leave_in_the_order_of_the_publishes() {
    both::acks_leave_in_order(V5, 2, 0x40).await;
}

#[tokio::test]
async fn mqtt_4_6_0_3_pubrecs_leave_in_the_order_of_the_publishes() {
    both::acks_leave_in_order(V5, 4, 0x50).await;
}

#[tokio::test]
async fn mqtt_4_6_0_5_messages_leave_in_the_order_in_which_they_came() {
    both::messages_leave_in_order(V5).await;
}

#[tokio::test]
async fn mqtt_4_7_1_1_the_multi_level_wildcard_stands_last_and_alone() {
    both::the_multi_level_wildcard_stands_last_and_alone(V5).await;
}

#[tokio::test]
async fn mqtt_4_7_1_2_the_single_level_wildcard_fills_its_level() {
    both::the_single_level_wildcard_fills_its_level(V5).await;
}

#[tokio::test]
async fn mqtt_4_7_2_1_a_leading_wildcard_does_not_reach_dollar_topics() {
    both::a_leading_wildcard_does_not_reach_dollar_topics(V5).await;
}

#[tokio::test]
async fn mqtt_4_7_3_1_a_topic_is_not_empty() {
    both::empty_topics_close(V5).await;
}

#[tokio::test]
async fn mqtt_4_7_3_3_a_topic_is_at_most_65535_bytes() {
    both::the_longest_topic_is_taken_whole(V5).await;
}

#[tokio::test]
async fn mqtt_4_7_3_4_topics_are_not_normalised() {
    both::topics_are_not_normalised(V5).await;
}

#[tokio::test]
async fn mqtt_4_13_1_1_a_breach_of_the_protocol_closes_the_connection_with_its_reason() {
    let house = house();
    let cases = [
        ("packet type 0", packet(0, &[]), 0x81),
        ("CONNACK", packet(0x20, &[0, 0, 0]), 0x82),
        ("SUBACK", packet(0x90, &[0, 1, 0, 0]), 0x82),
        ("UNSUBACK", packet(0xB0, &[0, 1, 0, 0]), 0x82),
        ("PINGRESP", packet(0xD0, &[]), 0x82),
        ("PINGREQ with a body", packet(0xC0, &[0]), 0x81),
        ("PUBACK without a packet id", packet(0x40, &[0]), 0x81),
        ("remaining length of five bytes", vec![0x30, 0x80, 0x80, 0x80, 0x80, 0], 0x81),
        ("PUBREL before PUBREC", [publish(V5, 4, "d/x", 3, b"x"), ack(0x62, 3)].concat(), 0x82),
    ];
    // There are no consequences for other sessions.
    let mut other = Client::connect_as(&house, V5, "other").await;
    for (case, bytes, reason) in cases {
        breach(&house, V5, &bytes, reason, case).await;
        other.quiet().await;
    }
}

/// Reason codes from 0x80 end a connection only where they stand in CONNACK or DISCONNECT.
#[tokio::test]
async fn mqtt_4_13_2_1_only_connack_and_disconnect_end_a_connection() {
    let house = house();
    let mut client = Client::connect(&house, V5).await;
    client.send(&publish(V5, 2, "elsewhere", 1, b"x")).await;
    assert_eq!(client.packet().await.1[2], 0x87);
    client.subscribed(&[("$SYS/#", 0)], &[0x87]).await;
    client.send(&ack(0x62, 9)).await;
    client.expect(&[0x70, 3, 0, 9, 0x92]).await;
    client.quiet().await;
    client.send(&packet(0xE0, &[0x80])).await;
    client.closed().await;
    Client::open(&house, V5)
        .await
        .turned_away(&Connect { user: Some(b"nobody".into()), ..Connect::new(V5) }.bytes(), 0x87, "CONNACK")
        .await;
}
