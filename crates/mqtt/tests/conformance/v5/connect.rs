//! Chapter 3.1: CONNECT, but for its properties.

use crate::{
    both,
    desk::house,
    wire::{Client, Connect, V5, stored, user_property},
};

#[tokio::test]
async fn mqtt_3_1_0_1_the_first_packet_must_be_connect() {
    both::another_first_packet_closes(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_0_2_a_second_connect_closes_the_connection() {
    both::a_second_connect_closes(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_2_1_another_protocol_name_is_not_served() {
    both::another_protocol_name_closes(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_2_2_another_protocol_version_is_told_so_and_closed() {
    let house = house();
    for level in [6, 7, 0x85, 0xFF] {
        let connect = Connect { level, ..Connect::new(V5) };
        let mut client = Client::open(&house, V5).await;
        client.send(&connect.bytes()).await;
        client.expect(&[0x20, 3, 0, 0x84, 0]).await;
        client.closed().await;
    }
}

#[tokio::test]
async fn mqtt_3_1_2_3_the_reserved_flag_closes_the_connection() {
    both::the_reserved_connect_flag_closes(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_2_4_a_clean_start_forgets_the_session_before() {
    both::a_clean_start_forgets(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_2_6_without_a_session_a_new_one_is_made() {
    let house = house();
    let (mut client, body) = Client::enter(&house, &Connect { clean: false, ..Connect::new(V5) }).await;
    assert_eq!(body[..2], [0, 0]);
    client.subscribed(&[("s", 0)], &[0]).await;
}

#[tokio::test]
async fn mqtt_3_1_2_7_a_will_is_published_unless_the_client_says_goodbye() {
    both::a_will_is_published_unless_the_client_says_goodbye(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_2_9_a_will_has_its_fields() {
    both::will_fields_must_be_there(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_2_10_a_will_is_published_once() {
    both::a_will_is_published_once(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_2_11_without_a_will_there_are_no_will_bits() {
    both::will_bits_without_a_will_close(V5).await;
    both::will_fields_without_a_will_close(V5).await;
    both::without_a_will_flag_there_is_no_will(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_2_12_the_qos_of_a_will_is_at_most_2() {
    both::will_qos_is_at_most_2(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_2_14_the_retain_flag_of_a_will_is_handed_on() {
    both::the_retain_flag_of_a_will_is_handed_on(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_2_16_user_name_and_password_are_there_exactly_when_their_flags_are() {
    both::user_name_and_password_are_there_exactly_when_their_flags_are(V5).await;
    // Unlike 3.1.1, a password may come without a user name: these credentials are wrong, not malformed.
    let house = house();
    let mut client = Client::open(&house, V5).await;
    client.turned_away(&Connect { user: None, ..Connect::new(V5) }.bytes(), 0x86, "password alone").await;
}

#[tokio::test]
async fn mqtt_3_1_2_22_silence_of_one_and_a_half_keep_alives_closes_the_connection() {
    both::silence_closes(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_3_1_the_payload_is_read_in_its_order() {
    both::the_payload_is_read_in_its_order(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_3_2_the_client_id_names_the_session() {
    both::the_client_id_names_the_session(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_3_3_the_client_id_must_be_there() {
    both::the_client_id_must_be_there(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_3_5_letters_and_digits_up_to_23_bytes_are_a_client_id() {
    both::plain_client_ids_are_allowed(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_3_8_a_client_id_that_is_refused_gets_its_reason_code() {
    let house = house();
    let mut client = Client::open(&house, V5).await;
    client.turned_away(&Connect { id: b"refused".into(), ..Connect::new(V5) }.bytes(), 0x85, "id").await;
}

#[tokio::test]
async fn mqtt_3_1_3_10_the_user_properties_of_a_will_keep_their_order() {
    let house = house();
    let mut connect = Connect::with_will(V5, 1, false);
    let pairs = [("b", "2"), ("a", "1"), ("b", "2"), ("", ""), ("c", "é")];
    connect.will.as_mut().unwrap().properties = pairs.map(|(key, value)| user_property(key, value)).concat();
    drop(Client::enter(&house, &connect).await);
    let will = stored(&house).await;
    assert!(will.will && will.user_properties().eq(pairs));
}

#[tokio::test]
async fn mqtt_3_1_4_1_a_misshapen_connect_closes_the_connection() {
    both::a_misshapen_connect_closes(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_4_2_what_the_authenticator_refuses_is_closed() {
    let house = house();
    let mut client = Client::open(&house, V5).await;
    client.turned_away(&Connect { user: Some(b"nobody".into()), ..Connect::new(V5) }.bytes(), 0x87, "").await;
    let mut connect = Connect::with_will(V5, 0, false);
    connect.will.as_mut().unwrap().topic = b"elsewhere".into();
    Client::open(&house, V5).await.turned_away(&connect.bytes(), 0x87, "will topic").await;
    assert!(house.sessions.is_empty() && house.store.is_empty().await);
}

#[tokio::test]
async fn mqtt_3_1_4_3_the_newer_connection_takes_over() {
    both::the_newer_connection_takes_over(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_4_5_an_accepted_connect_gets_reason_code_0() {
    both::an_accepted_connect_is_acknowledged(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_4_6_nothing_is_processed_after_a_refused_connect() {
    both::nothing_is_processed_after_a_refusal(V5).await;
}
