//! Chapter 3.2: CONNACK.

use crate::{
    both,
    desk::{house, house_with},
    wire::{Client, Connect, V311},
};

#[tokio::test]
async fn mqtt_3_2_0_1_connack_is_the_first_packet() {
    both::connack_is_the_first_packet(V311).await;
}

#[tokio::test]
async fn mqtt_3_2_2_4_a_refusal_has_no_session_and_closes() {
    let house = house();
    let as_user = |user: &str| Connect { user: Some(user.into()), clean: false, ..Connect::new(V311) };
    let cases = [
        (Connect { level: 3, ..as_user("device") }, 1),
        (Connect { id: b"refused".into(), ..as_user("device") }, 2),
        (as_user("busy"), 3),
        (as_user("away"), 3),
        (as_user("unknown"), 4),
        (as_user("nobody"), 5),
        (as_user("banned"), 5),
    ];
    // A session of that client id makes no difference.
    let mut held = Client::connect(&house, V311).await;
    for (connect, code) in cases {
        let mut client = Client::open(&house, V311).await;
        client.send(&connect.bytes()).await;
        client.expect(&[0x20, 2, 0, code]).await;
        client.closed().await;
    }
    held.quiet().await;
}

#[tokio::test]
async fn mqtt_3_2_2_6_what_no_return_code_fits_is_closed_without_connack() {
    let house = house_with(|settings| settings.max_connect_size = 100);
    let mut client = Client::open(&house, V311).await;
    client.send(&Connect { id: vec![b'x'; 100], ..Connect::new(V311) }.bytes()).await;
    client.closed().await;
    house.notes.wait_for("not_admitted too_large").await;
}
