//! Chapters 1 and 2: text, integers, flags, packet ids, properties.

use fleetwire_mqtt::packet::QoS;
use tokio::io::AsyncReadExt;

use crate::{
    both,
    desk::{deliver_payload, house},
    support::soon,
    wire::*,
};

#[tokio::test]
async fn mqtt_1_5_4_1_ill_formed_utf_8_closes_the_connection() {
    both::ill_formed_text_closes(V5).await;
}

#[tokio::test]
async fn mqtt_1_5_4_2_the_null_character_closes_the_connection() {
    both::a_null_character_closes(V5).await;
}

#[tokio::test]
async fn mqtt_1_5_4_3_a_byte_order_mark_is_a_character_like_others() {
    both::a_byte_order_mark_is_kept(V5).await;
}

#[tokio::test]
async fn mqtt_1_5_5_1_an_integer_in_more_bytes_than_it_needs_closes_the_connection() {
    let house = house();
    let cases: [(&str, &[u8]); 6] = [
        ("PINGREQ", &[0xC0, 0x80, 0]),
        ("PUBLISH", &[0x30, 0x87, 0, 0, 3, b'd', b'/', b'x', 0, 0]),
        ("remaining length of four bytes", &[0xC0, 0x80, 0x80, 0x80, 0]),
        ("property length", &[0x30, 7, 0, 3, b'd', b'/', b'x', 0x80, 0]),
        ("property length of DISCONNECT", &[0xE0, 3, 0, 0x80, 0]),
        ("subscription identifier", &[0x82, 10, 0, 1, 3, 0x0B, 0x81, 0, 0, 1, b's', 0]),
    ];
    for (case, bytes) in cases {
        breach(&house, V5, bytes, 0x81, case).await;
    }
    let body = Connect::new(V5).body();
    let padded = [&[0x10, u8::try_from(body.len()).unwrap() | 0x80, 0], &*body].concat();
    Client::open(&house, V5).await.turned_away(&padded, 0x81, "CONNECT").await;
}

#[tokio::test]
async fn mqtt_1_5_5_1_the_server_takes_the_fewest_bytes_itself() {
    let house = house();
    let mut client = Client::connect(&house, V5).await;
    client.subscribed(&[("s", 0)], &[0]).await;
    let sizes: [(usize, &[u8]); 4] =
        [(127, &[0x7F]), (128, &[0x80, 1]), (16_383, &[0xFF, 0x7F]), (16_384, &[0x80, 0x80, 1])];
    for (size, length) in sizes {
        let _sent = deliver_payload(&house, "s", QoS::AtMostOnce, vec![7; size - 4]);
        let mut got = vec![0; 1 + length.len() + size];
        soon(client.wire.0.read_exact(&mut got)).await.unwrap();
        assert_eq!(got[..=length.len()], [&[0x30], length].concat());
    }
    client.quiet().await;
}

#[tokio::test]
async fn mqtt_1_5_7_1_both_strings_of_a_pair_are_utf_8() {
    let house = house();
    for bad in [&[0xC3, 0x28][..], &[0xED, 0xA0, 0x80], b"a\0"] {
        for pair in [[text(bad), text("value")], [text("key"), text(bad)]] {
            let list = [vec![0x26], pair.concat()].concat();
            let bytes = publish_with(V5, 0, "d/x", 0, (&list, b"x"));
            breach(&house, V5, &bytes, 0x81, "PUBLISH").await;
            let connect = Connect { properties: list, ..Connect::new(V5) };
            Client::open(&house, V5).await.turned_away(&connect.bytes(), 0x81, "CONNECT").await;
        }
    }
    tolerated(&house, V5, &publish_with(V5, 0, "d/x", 0, (&user_property("key", "value"), b"x"))).await;
}

#[tokio::test]
async fn mqtt_2_1_3_1_reserved_flags_close_the_connection() {
    both::reserved_flags_close(V5).await;
}

#[tokio::test]
async fn mqtt_2_2_1_2_a_publish_of_qos_0_has_no_packet_id() {
    both::qos_0_has_no_packet_id(V5).await;
}

#[tokio::test]
async fn mqtt_2_2_1_3_a_packet_id_is_not_zero() {
    both::packet_id_zero_closes(V5).await;
}

#[tokio::test]
async fn mqtt_2_2_1_4_the_server_gives_no_packet_id_twice_at_a_time() {
    both::packet_ids_are_not_used_twice(V5).await;
}

#[tokio::test]
async fn mqtt_2_2_1_5_acknowledgements_carry_the_packet_id_of_the_publish() {
    both::acks_carry_the_packet_id(V5).await;
}

#[tokio::test]
async fn mqtt_2_2_1_6_suback_and_unsuback_carry_the_packet_id_they_answer() {
    both::suback_and_unsuback_carry_the_packet_id(V5).await;
}

#[tokio::test]
async fn mqtt_2_2_2_1_no_properties_are_a_property_length_of_zero() {
    let house = house();
    let mut client = Client::connect(&house, V5).await;
    client.send(&subscribe(V5, 1, &[("s", 0)])).await;
    client.expect(&[0x90, 4, 0, 1, 0, 0]).await;
    let _sent = deliver_payload(&house, "s", QoS::AtMostOnce, b"x".into());
    client.expect(&[0x30, 5, 0, 1, b's', 0, b'x']).await;
    client.send(&unsubscribe(V5, 2, &["s"])).await;
    client.expect(&[0xB0, 4, 0, 2, 0, 0]).await;
    // Without its property length a packet from a client is malformed.
    for bytes in [&[0x30, 5, 0, 3, b'd', b'/', b'x'][..], &[0x82, 2, 0, 1], &[0xA2, 2, 0, 1]] {
        breach(&house, V5, bytes, 0x81, "no property length").await;
    }
}
