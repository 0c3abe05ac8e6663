//! Chapters 3.4 to 3.7: PUBACK, PUBREC, PUBREL and PUBCOMP.

use fleetwire_mqtt::{FailureReason, Outcome};

use crate::{both, desk::house, wire::*};

const REASONS: [(FailureReason, u8); 5] = [
    (FailureReason::NotStored, 0x80),
    (FailureReason::Dropped, 0x80),
    (FailureReason::NotAuthorized, 0x87),
    (FailureReason::QuotaExceeded, 0x97),
    (FailureReason::Unacceptable, 0x83),
];
/// Reason codes of PUBACK and PUBREC, and of PUBREL and PUBCOMP.
const PUBLISHED: [u8; 9] = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
const RELEASED: [u8; 2] = [0x00, 0x92];

/// What a publish that fails is answered with is in the table of its packet.
async fn failures_have_codes(flags: u8, answer: u8) {
    let house = house();
    let mut client = Client::connect(&house, V5).await;
    for (failure, code) in REASONS {
        client.send(&publish(V5, flags, "d/x", 1, b"x")).await;
        house.store.next().await.1.complete(Outcome::Failed(failure));
        let (first, body) = client.packet().await;
        assert_eq!((first, &body[..3]), (answer, &[0, 1, code][..]));
        assert!(PUBLISHED.contains(&body[2]));
    }
    client.send(&publish(V5, flags, "elsewhere", 1, b"x")).await;
    let (first, body) = client.packet().await;
    assert_eq!((first, &body[..3]), (answer, &[0, 1, 0x87][..]));
    client.quiet().await;
}

/// Any other reason code from a client is malformed; those of the table may come with or without properties.
async fn only_these_codes(first: u8, codes: &[u8]) {
    let house = house();
    for code in 0..=255 {
        if codes.contains(&code) {
            tolerated(&house, V5, &packet(first, &[0, 9, code])).await;
            tolerated(&house, V5, &packet(first, &[0, 9, code, 0])).await;
        } else {
            breach(&house, V5, &packet(first, &[0, 9, code]), 0x81, &format!("{first:#x} {code:#x}")).await;
        }
    }
}

#[tokio::test]
async fn mqtt_3_4_2_1_puback_has_a_reason_code_of_its_table() {
    failures_have_codes(2, 0x40).await;
    only_these_codes(0x40, &PUBLISHED).await;
}

#[tokio::test]
async fn mqtt_3_5_2_1_pubrec_has_a_reason_code_of_its_table() {
    failures_have_codes(4, 0x50).await;
    only_these_codes(0x50, &PUBLISHED).await;
}

#[tokio::test]
async fn mqtt_3_6_1_1_the_flags_of_pubrel_are_2() {
    both::wrong_flags_close(V5, 0x62, &[0, 1]).await;
}

#[tokio::test]
async fn mqtt_3_6_2_1_pubrel_has_a_reason_code_of_its_table() {
    only_these_codes(0x62, &RELEASED).await;
    let house = house();
    let mut client = Client::connect(&house, V5).await;
    client.send(&ack(0x50, 9)).await;
    client.expect(&[0x62, 3, 0, 9, 0x92]).await;
}

#[tokio::test]
async fn mqtt_3_7_2_1_pubcomp_has_a_reason_code_of_its_table() {
    only_these_codes(0x70, &RELEASED).await;
    let house = house();
    let mut client = Client::connect(&house, V5).await;
    client.send(&publish(V5, 4, "d/x", 9, b"x")).await;
    stored(&house).await;
    client.expect(&ack(0x50, 9)).await;
    client.send(&ack(0x62, 9)).await;
    client.expect(&ack(0x70, 9)).await;
    client.send(&ack(0x62, 9)).await;
    client.expect(&[0x70, 3, 0, 9, 0x92]).await;
}
