//! Chapter 3.2: CONNACK.

use crate::{
    both,
    desk::{house, house_with},
    wire::*,
};

#[tokio::test]
async fn mqtt_3_2_0_1_connack_is_the_first_packet_and_comes_once() {
    both::connack_is_the_first_packet(V5).await;
}

#[tokio::test]
async fn mqtt_3_2_2_6_a_refusal_has_its_reason_code_and_no_session_and_closes() {
    let house = house();
    let as_user = |user: &str| Connect { user: Some(user.into()), clean: false, ..Connect::new(V5) };
    let cases = [
        (Connect { id: b"refused".into(), ..as_user("device") }, 0x85),
        (as_user("unknown"), 0x86),
        (as_user("nobody"), 0x87),
        (as_user("away"), 0x88),
        (as_user("busy"), 0x89),
        (as_user("banned"), 0x8A),
        (Connect { properties: [vec![0x15], text("SCRAM")].concat(), ..as_user("device") }, 0x8C),
    ];
    // A session of that client id makes no difference.
    let mut held = Client::connect(&house, V5).await;
    for (connect, code) in cases {
        let mut client = Client::open(&house, V5).await;
        client.send(&connect.bytes()).await;
        client.expect(&[0x20, 3, 0, code, 0]).await;
        client.closed().await;
    }
    held.quiet().await;
}

#[tokio::test]
async fn mqtt_3_2_2_15_a_packet_beyond_the_announced_size_closes_the_connection() {
    let house = house_with(|settings| settings.limits.max_packet_size = 300);
    let (mut client, body) = Client::enter(&house, &Connect::new(V5)).await;
    assert_eq!(find(&cut_connack(&body).2, 0x27), Some(&[0, 0, 1, 44][..]));
    // 3 bytes of fixed header, 5 of topic, 1 of properties.
    client.send(&publish(V5, 0, "d/x", 0, &[7; 291])).await;
    assert_eq!(stored(&house).await.payload.len(), 291);
    client.quiet().await;
    client.send(&publish(V5, 0, "d/x", 0, &[7; 292])).await;
    client.ended(0x95, "301 bytes").await;
    assert!(house.store.is_empty().await);
}

#[tokio::test]
async fn mqtt_3_2_2_16_a_client_without_an_id_is_told_its_own() {
    let house = house();
    let connect = Connect { id: vec![], ..Connect::new(V5) };
    let mut ids = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let (client, body) = Client::enter(&house, &connect).await;
        let id = String::from_utf8(find(&cut_connack(&body).2, 0x12).unwrap().to_vec()).unwrap();
        assert!(house.sessions.contains(&id) && !ids.contains(&id));
        ids.push(id);
        clients.push(client);
    }
    for client in &mut clients {
        client.quiet().await;
    }
    // Whoever has an id is not told another.
    let (_, body) = Client::enter(&house, &Connect::new(V5)).await;
    assert_eq!(find(&cut_connack(&body).2, 0x12), None);
    // The id that was given is the client's from now on.
    let again = Connect { id: ids[0].clone().into(), ..connect };
    let (mut again, _) = Client::enter(&house, &again).await;
    again.quiet().await;
    clients[0].ended(0x8E, "takeover").await;
}

#[tokio::test]
async fn mqtt_3_2_2_19_connack_has_no_words() {
    let house = house();
    let (_, body) = Client::enter(&house, &Connect::new(V5)).await;
    let (_, _, list) = cut_connack(&body);
    assert_eq!((find(&list, 0x1F), find(&list, 0x26)), (None, None));
    // The most that a refusal takes is five bytes, so it fits wherever anything does.
    let connect =
        Connect { user: Some(b"nobody".into()), properties: vec![0x27, 0, 0, 0, 5], ..Connect::new(V5) };
    let mut client = Client::open(&house, V5).await;
    client.send(&connect.bytes()).await;
    client.expect(&[0x20, 3, 0, 0x87, 0]).await;
}

#[tokio::test]
async fn mqtt_3_2_2_22_the_keep_alive_is_the_clients_unless_it_is_told_another() {
    let house = house();
    let (_, body) = Client::enter(&house, &Connect { keep_alive: 1, ..Connect::new(V5) }).await;
    assert_eq!(find(&cut_connack(&body).2, 0x13), None);
    let connect = Connect { id: b"hurried".into(), keep_alive: 600, ..Connect::new(V5) };
    let (mut client, body) = Client::enter(&house, &connect).await;
    assert_eq!(find(&cut_connack(&body).2, 0x13), Some(&[0, 1][..]));
    let silent_since = tokio::time::Instant::now();
    client.ended(0x8D, "the server's keep-alive").await;
    assert!(silent_since.elapsed().as_millis() >= 1400);
}
