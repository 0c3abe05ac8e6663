//! Chapter 3.1: CONNECT.

use crate::{
    both,
    desk::house,
    wire::{Client, Connect, V311},
};

#[tokio::test]
async fn mqtt_3_1_0_1_the_first_packet_must_be_connect() {
    both::another_first_packet_closes(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_0_2_a_second_connect_closes_the_connection() {
    both::a_second_connect_closes(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_1_another_protocol_name_is_not_served() {
    both::another_protocol_name_closes(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_2_another_protocol_level_gets_return_code_1() {
    let house = house();
    for level in [0, 1, 2, 3] {
        let connect = Connect { level, ..Connect::new(V311) };
        let mut client = Client::open(&house, V311).await;
        client.send(&connect.bytes()).await;
        client.expect(&[0x20, 2, 0, 1]).await;
        client.closed().await;
    }
    // Above 5 the server speaks the newest language that it has.
    for level in [6, 0x84, 0xFF] {
        let connect = Connect { level, ..Connect::new(V311) };
        let mut client = Client::open(&house, V311).await;
        client.send(&connect.bytes()).await;
        client.expect(&[0x20, 3, 0, 0x84, 0]).await;
        client.closed().await;
    }
}

#[tokio::test]
async fn mqtt_3_1_2_3_the_reserved_flag_closes_the_connection() {
    both::the_reserved_connect_flag_closes(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_6_a_clean_session_forgets_the_one_before() {
    both::a_clean_start_forgets(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_8_a_will_is_published_unless_the_client_says_goodbye() {
    both::a_will_is_published_unless_the_client_says_goodbye(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_9_a_will_has_its_fields() {
    both::will_fields_must_be_there(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_10_a_will_is_published_once() {
    both::a_will_is_published_once(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_11_without_a_will_there_are_no_will_fields() {
    both::will_fields_without_a_will_close(V311).await;
    both::will_bits_without_a_will_close(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_12_without_a_will_flag_there_is_no_will() {
    both::without_a_will_flag_there_is_no_will(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_14_the_qos_of_a_will_is_at_most_2() {
    both::will_qos_is_at_most_2(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_16_the_retain_flag_of_a_will_is_handed_on() {
    both::the_retain_flag_of_a_will_is_handed_on(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_18_user_name_and_password_are_there_exactly_when_their_flags_are() {
    both::user_name_and_password_are_there_exactly_when_their_flags_are(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_2_22_there_is_no_password_without_a_user_name() {
    let house = house();
    let connect = Connect { user: None, ..Connect::new(V311) };
    Client::open(&house, V311).await.turned_away(&connect.bytes(), 0x81, "no user name").await;
    assert_eq!(house.notes.count("not_admitted connect_flags"), 1);
}

#[tokio::test]
async fn mqtt_3_1_2_24_silence_of_one_and_a_half_keep_alives_closes_the_connection() {
    both::silence_closes(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_3_1_the_payload_is_read_in_its_order() {
    both::the_payload_is_read_in_its_order(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_3_2_the_client_id_names_the_session() {
    both::the_client_id_names_the_session(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_3_3_the_client_id_must_be_there() {
    both::the_client_id_must_be_there(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_3_5_letters_and_digits_up_to_23_bytes_are_a_client_id() {
    both::plain_client_ids_are_allowed(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_3_6_a_client_without_an_id_is_given_its_own() {
    let house = house();
    let connect = Connect { id: vec![], ..Connect::new(V311) };
    let (mut first, _) = Client::enter(&house, &connect).await;
    let (mut second, _) = Client::enter(&house, &connect).await;
    first.quiet().await;
    second.quiet().await;
    assert_eq!(house.sessions.len(), 2);
    assert!(!house.sessions.contains(""));
}

#[tokio::test]
async fn mqtt_3_1_3_8_no_client_id_and_no_clean_session_get_return_code_2() {
    let house = house();
    let mut client = Client::open(&house, V311).await;
    client.send(&Connect { id: vec![], clean: false, ..Connect::new(V311) }.bytes()).await;
    client.expect(&[0x20, 2, 0, 2]).await;
    client.closed().await;
    assert!(house.sessions.is_empty());
}

#[tokio::test]
async fn mqtt_3_1_3_9_a_client_id_that_is_refused_gets_return_code_2() {
    let house = house();
    let mut client = Client::open(&house, V311).await;
    client.send(&Connect { id: b"refused".into(), ..Connect::new(V311) }.bytes()).await;
    client.expect(&[0x20, 2, 0, 2]).await;
    client.closed().await;
}

#[tokio::test]
async fn mqtt_3_1_4_1_a_misshapen_connect_is_closed_without_connack() {
    both::a_misshapen_connect_closes(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_4_2_the_newer_connection_takes_over() {
    both::the_newer_connection_takes_over(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_4_4_an_accepted_connect_gets_return_code_0() {
    both::an_accepted_connect_is_acknowledged(V311).await;
}

#[tokio::test]
async fn mqtt_3_1_4_5_nothing_is_processed_after_a_refused_connect() {
    both::nothing_is_processed_after_a_refusal(V311).await;
}
