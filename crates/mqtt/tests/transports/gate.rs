//! Limits at the door, each with its counter.

use std::time::Duration;

use fleetwire_mqtt::{ClientCertificates, Rate, Transport, packet::Level};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::Instant};

use super::{
    ID, address,
    pki::Pki,
    support::{Wire, connect, house, soon},
    works,
};

#[tokio::test]
async fn a_plain_client_over_a_limit_is_told_busy_after_a_while() {
    let house = house(|settings| {
        settings.max_connections = 1;
        settings.gate.busy_delay = Duration::from_millis(200);
    });
    let _first = Wire::connect(&house, Level::V311, ID).await;
    for (level, answer) in [(Level::V311, vec![0, 3]), (Level::V5, vec![0, 0x89, 0])] {
        let mut wire = Wire::open(&house).await;
        let sent = Instant::now();
        wire.send(&connect(level, "other")).await;
        assert_eq!(wire.packet().await, (0x20, answer));
        assert!(sent.elapsed() >= Duration::from_millis(40));
        wire.closed().await;
    }
    assert_eq!(house.notes.count("turned_away connections"), 2);
    assert_eq!(house.notes.count("told_busy"), 2);
    assert_eq!(house.sessions.len(), 1);
}

#[tokio::test]
async fn waiting_rooms_are_limited_and_empty_when_the_server_stops() {
    let house = house(|settings| {
        settings.max_connections = 1;
        settings.gate.waiting_rooms = 1;
        settings.gate.busy_delay = Duration::from_hours(1);
    });
    let _first = Wire::connect(&house, Level::V311, ID).await;
    let mut waiting = Wire::open(&house).await;
    waiting.send(&connect(Level::V311, "other")).await;
    house.notes.wait_for("turned_away connections").await;
    let mut third = Wire::open(&house).await;
    third.closed().await;
    house.stop.cancel();
    soon(house.running).await.unwrap();
}

#[tokio::test]
async fn a_place_is_given_back_when_a_connection_ends() {
    let house = house(|settings| {
        settings.max_connections = 1;
        settings.gate.connections_per_address = 1.try_into().ok();
        settings.gate.busy_delay = Duration::ZERO;
    });
    for _ in 0..5 {
        let mut wire = soon(async {
            loop {
                let mut wire = Wire::open(&house).await;
                wire.send(&connect(Level::V311, ID)).await;
                if wire.packet().await.1 == [0, 0] {
                    return wire;
                }
            }
        })
        .await;
        wire.send(&[0xE0, 0]).await;
    }
}

#[tokio::test]
async fn over_tls_a_connection_over_a_limit_is_closed_at_once() {
    let pki = Pki::new();
    let house = house(|settings| {
        pki.serve(settings, ClientCertificates::Off);
        settings.gate.connections_per_address = 1.try_into().ok();
    });
    let first = pki.connect(address(&house, Transport::Tls), None).await.unwrap();
    let _first = works(&house, first, ID).await;
    let mut second = TcpStream::connect(address(&house, Transport::Tls)).await.unwrap();
    assert_eq!(soon(second.read(&mut [0])).await.unwrap(), 0);
    assert_eq!(house.notes.count("turned_away address_connections"), 1);
}

#[tokio::test]
async fn an_address_that_connects_too_often_is_turned_away() {
    let house = house(|settings| {
        let (per_second, burst) = (1.try_into().unwrap(), 3.try_into().unwrap());
        settings.gate.connect_rate_per_address = Some(Rate { per_second, burst });
        settings.gate.waiting_rooms = 0;
    });
    for _ in 0..3 {
        Wire::connect(&house, Level::V311, ID).await;
    }
    Wire::open(&house).await.closed().await;
    house.notes.wait_for("turned_away address_rate").await;
}

#[tokio::test]
async fn connections_above_the_accept_rate_wait_and_come_in() {
    let house = house(|settings| {
        settings.gate.accept_rate = 100.try_into().ok();
        settings.gate.slow_start = Duration::ZERO;
    });
    let start = Instant::now();
    let mut wires = Vec::new();
    for number in 0..60 {
        let mut wire = Wire::open(&house).await;
        wire.send(&connect(Level::V311, &number.to_string())).await;
        wires.push(wire);
    }
    for wire in &mut wires {
        assert_eq!(wire.packet().await, (0x20, vec![0, 0]));
    }
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
    assert_eq!(house.sessions.len(), 60);
}
