//! Chapters 3.15 and 4.12: AUTH. No authentication method is served.

use crate::{desk::house, wire::*};

/// Authentication Method.
fn method() -> Vec<u8> {
    [vec![0x15], text("SCRAM-SHA-1")].concat()
}

#[tokio::test]
async fn mqtt_3_15_1_1_the_flags_of_auth_are_0() {
    let house = house();
    for first in 0xF1..=0xFF {
        breach(&house, V5, &packet(first, &[]), 0x81, &format!("{first:#x}")).await;
    }
}

#[tokio::test]
async fn mqtt_3_15_2_1_auth_has_a_reason_code_of_its_table() {
    let house = house();
    for code in 0..=255 {
        let reason = if [0, 0x18, 0x19].contains(&code) { 0x82 } else { 0x81 };
        let bytes = packet(0xF0, &[vec![code], properties(&method())].concat());
        breach(&house, V5, &bytes, reason, &format!("{code:#x}")).await;
    }
}

#[tokio::test]
async fn mqtt_4_12_0_1_an_authentication_method_that_is_not_served_is_refused() {
    let house = house();
    let connect = Connect { properties: method(), ..Connect::new(V5) };
    let mut client = Client::open(&house, V5).await;
    // What follows is not looked at either.
    let auth = packet(0xF0, &[vec![0x18], properties(&method())].concat());
    client.send(&[connect.bytes(), auth].concat()).await;
    client.expect(&[0x20, 3, 0, 0x8C, 0]).await;
    client.closed().await;
    house.notes.wait_for("not_admitted authentication_method").await;
}

#[tokio::test]
async fn mqtt_4_12_0_6_without_a_method_there_is_no_authentication_exchange() {
    let house = house();
    let (mut client, body) = Client::enter(&house, &Connect::new(V5)).await;
    let list = cut_connack(&body).2;
    assert_eq!((find(&list, 0x15), find(&list, 0x16)), (None, None));
    client.quiet().await;
    for body in [vec![], vec![0x18, 0], [vec![0x19], properties(&method())].concat()] {
        breach(&house, V5, &packet(0xF0, &body), 0x82, "AUTH").await;
    }
    // Data without a method is no exchange but a fault.
    let connect = Connect { properties: [vec![0x16], text("data")].concat(), ..Connect::new(V5) };
    Client::open(&house, V5).await.turned_away(&connect.bytes(), 0x82, "data without a method").await;
}
