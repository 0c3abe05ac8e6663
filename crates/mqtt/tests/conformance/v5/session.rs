//! Sessions that outlive their connections, and wills that wait.

use std::time::{Duration, Instant};

use fleetwire_mqtt::{Message, packet::QoS};

use crate::{
    both::{self, away, back},
    desk::{house, house_with, message},
    wire::*,
};

/// A session of the account that listens, that outlives its connection by some seconds.
fn expiring(seconds: u8) -> Connect {
    Connect { properties: vec![0x11, 0, 0, 0, seconds], ..Connect::lasting(V5) }
}

/// A lasting session with a will that is to wait.
fn with_delay(seconds: u8) -> Connect {
    let mut connect = Connect { will: Connect::with_will(V5, 1, false).will, ..Connect::lasting(V5) };
    connect.will.as_mut().unwrap().properties = vec![0x18, 0, 0, 0, seconds];
    connect
}

#[tokio::test]
async fn mqtt_3_1_2_5_a_session_goes_on_with_the_next_connection() {
    both::a_session_goes_on(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_2_8_a_will_waits_for_its_delay_or_the_end_of_its_session() {
    let house = house();
    let client = back(&house, &with_delay(1), 0).await;
    let since = tokio::time::Instant::now();
    away(&house, client).await;
    assert!(stored(&house).await.will);
    assert!(since.elapsed() >= Duration::from_millis(900), "{:?}", since.elapsed());
    // A session that ends sooner does not let it wait.
    let client = back(&house, &with_delay(200), 1).await;
    away(&house, client).await;
    let _clean = back(&house, &Connect::operator(V5), 0).await;
    assert!(stored(&house).await.will);
}

#[tokio::test]
async fn mqtt_3_1_2_8_a_takeover_publishes_a_will_without_delay() {
    both::a_takeover_publishes_the_will(V5).await;
}

#[tokio::test]
async fn mqtt_3_1_3_9_a_client_that_is_back_in_time_has_no_will_published() {
    let house = house();
    let client = back(&house, &with_delay(1), 0).await;
    away(&house, client).await;
    let mut client = back(&house, &Connect::lasting(V5), 1).await;
    // Longer than the delay, and the next that ingest gets is no will.
    let until = tokio::time::Instant::now() + Duration::from_millis(1300);
    while tokio::time::Instant::now() < until {
        client.quiet().await;
    }
    client.send(&publish(V5, 2, "d/x", 1, b"x")).await;
    assert!(!stored(&house).await.will);
}

#[tokio::test]
async fn mqtt_3_1_2_23_a_session_is_kept_as_long_as_it_asked_and_no_longer() {
    let house = house();
    // Nothing asked, nothing kept.
    for connect in [expiring(0), Connect { clean: false, ..Connect::operator(V5) }] {
        let mut client = back(&house, &connect, 0).await;
        client.subscribed(&[("s", 1)], &[1]).await;
        drop(client);
        house.notes.wait_for("disconnected peer_gone").await;
        assert_eq!(house.sessions.away(), 0);
    }
    let mut client = back(&house, &expiring(1), 0).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    away(&house, client).await;
    assert_eq!(house.sessions.publish(&message("s", QoS::AtLeastOnce, b"on")).taken, 1);
    house.notes.wait_for("kept_over").await;
    assert_eq!(house.sessions.publish(&message("s", QoS::AtLeastOnce, b"on")).taken, 0);
    back(&house, &expiring(1), 0).await.quiet().await;
}

#[tokio::test]
async fn mqtt_4_1_0_2_a_goodbye_may_change_how_long_the_session_is_kept() {
    let house = house();
    let mut client = back(&house, &expiring(200), 0).await;
    client.send(&packet(0xE0, &[0, 5, 0x11, 0, 0, 0, 0])).await;
    client.closed().await;
    let mut client = back(&house, &expiring(200), 0).await;
    client.send(&packet(0xE0, &[0, 5, 0x11, 0, 0, 0, 100])).await;
    client.closed().await;
    back(&house, &expiring(200), 1).await;
}

#[tokio::test]
async fn mqtt_3_2_2_3_session_present_is_told_truthfully() {
    both::session_present_is_told_truthfully(V5).await;
    // An expiry that is not granted is told.
    let house = house_with(|settings| settings.limits.max_session_expiry = Duration::from_secs(7));
    let (_, body) = Client::enter(&house, &expiring(200)).await;
    assert_eq!(find(&cut_connack(&body).2, 0x11), Some(&[0, 0, 0, 7][..]));
}

#[tokio::test]
async fn mqtt_3_2_2_2_a_clean_start_finds_no_session() {
    both::a_clean_start_finds_no_session(V5).await;
}

#[tokio::test]
async fn mqtt_3_3_1_1_a_message_that_is_sent_again_has_dup() {
    both::unanswered_messages_are_sent_again(V5).await;
}

#[tokio::test]
async fn mqtt_4_3_3_1_qos_2_goes_out_and_waits_for_pubrec_and_pubcomp() {
    both::qos_2_goes_through_all_steps(V5).await;
}

#[tokio::test]
async fn mqtt_4_3_3_3_a_pubrec_that_refuses_ends_the_exchange() {
    let house = house();
    let mut client = back(&house, &Connect::lasting(V5), 0).await;
    client.subscribed(&[("s", 2)], &[2]).await;
    house.sessions.publish(&message("s", QoS::ExactlyOnce, b"no"));
    let id = client.published().await.id.to_be_bytes();
    client.send(&packet(0x50, &[id[0], id[1], 0x97])).await;
    // No PUBREL, neither now nor in the next connection.
    client.quiet().await;
    away(&house, client).await;
    back(&house, &Connect::lasting(V5), 1).await.quiet().await;
}

/// What was sent is completed, although its time is over meanwhile.
#[tokio::test]
async fn mqtt_4_3_3_7_expiry_does_not_stop_what_was_sent() {
    let house = house();
    let mut client = back(&house, &Connect::lasting(V5), 0).await;
    client.subscribed(&[("s", 2)], &[2]).await;
    let expires = Instant::now() + Duration::from_millis(300);
    house.sessions.publish(&Message { expires: Some(expires), ..message("s", QoS::ExactlyOnce, b"short") });
    let got = client.published().await;
    away(&house, client).await;
    while Instant::now() <= expires {
        tokio::task::yield_now().await;
    }
    let mut client = back(&house, &Connect::lasting(V5), 1).await;
    let again = client.published().await;
    assert_eq!((again.id, again.dup(), &again.payload), (got.id, true, &got.payload));
    client.send(&ack(0x50, got.id)).await;
    client.expect(&ack(0x62, got.id)).await;
}

#[tokio::test]
async fn mqtt_4_4_0_2_a_message_that_was_rejected_is_not_sent_again() {
    let house = house();
    let mut client = back(&house, &Connect::lasting(V5), 0).await;
    client.subscribed(&[("s", 1)], &[1]).await;
    house.sessions.publish(&message("s", QoS::AtLeastOnce, b"no"));
    let id = client.published().await.id.to_be_bytes();
    client.send(&packet(0x40, &[id[0], id[1], 0x97])).await;
    client.quiet().await;
    away(&house, client).await;
    back(&house, &Connect::lasting(V5), 1).await.quiet().await;
}

#[tokio::test]
async fn mqtt_4_5_0_1_messages_wait_for_a_client_that_is_away() {
    both::messages_wait_for_a_client_that_is_away(V5).await;
    both::a_message_reaches_all_who_listen(V5).await;
}

#[tokio::test]
async fn mqtt_4_6_0_6_live_messages_keep_their_order() {
    both::live_messages_keep_their_order(V5).await;
}
