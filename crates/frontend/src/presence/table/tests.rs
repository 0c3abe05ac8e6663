//! The table without Kafka: what is written, what replaces what, and what is let go.

use std::sync::Arc;

use fleetwire_mqtt::Transport;
use fleetwire_mqtt::packet::Level;

use super::*;

const DEVICE: &str = "867035046242895";

fn device() -> DeviceId {
    DEVICE.parse().unwrap()
}

fn facts(number: u128, connected_at_ms: u64) -> SessionFacts {
    SessionFacts {
        session_id: Ulid::from(number).to_string().into(),
        client_id: DEVICE.into(),
        account: "bce_device".into(),
        peer: ([192, 0, 2, 1], 4711).into(),
        transport: Transport::Tcp,
        level: Level::V311,
        connected_at_ms,
        identity: Arc::new(()),
    }
}

/// Writes all that waits.
fn drain(table: &mut Table) -> Vec<Change> {
    let mut all = Vec::new();
    while let Some((device, change)) = table.next() {
        table.written(&device, change.version);
        all.push(change);
    }
    all
}

#[test]
fn changes_before_a_write_are_one_record() {
    let (mut table, device, session) = (Table::new(10), device(), facts(1, 1000));
    table.connect(&device, &session);
    table.subscribed(&device, &session, true);
    assert_eq!(table.unwritten(), 1);
    let written = drain(&mut table);
    let [change] = written.as_slice() else { panic!("{written:?}") };
    assert!(change.accepts_commands && change.end.is_none());
    assert_eq!((change.epoch, change.since_ms), (1000 << 16, 1000));
    assert_eq!(table.unwritten(), 0);
    table.subscribed(&device, &session, true);
    assert_eq!(table.unwritten(), 0, "nothing changed");
}

#[test]
fn a_session_that_is_over_is_forgotten_once_it_is_written() {
    let (mut table, device, session) = (Table::new(10), device(), facts(1, 1000));
    table.connect(&device, &session);
    drain(&mut table);
    assert!(table.end(&device, &session, "peer_gone", 2000));
    let (_, change) = table.next().unwrap();
    assert_eq!((change.end, change.since_ms, change.accepts_commands), (Some("peer_gone"), 2000, false));
    table.failed(device.clone(), change.version);
    assert!(table.next().is_none());
    table.try_again();
    assert_eq!(drain(&mut table).len(), 1);
    assert_eq!((table.held.len(), table.ended, table.unwritten), (0, 0, 0));
}

#[test]
fn the_end_of_a_session_that_was_taken_over_does_not_touch_the_newer_one() {
    let (mut table, device, older, newer) = (Table::new(10), device(), facts(1, 1000), facts(2, 1000));
    table.connect(&device, &older);
    table.connect(&device, &newer);
    table.end(&device, &older, "taken_over", 2000);
    table.subscribed(&device, &older, true);
    let written = drain(&mut table);
    let [change] = written.as_slice() else { panic!("{written:?}") };
    assert_eq!(change.session, Ulid::from(2));
    assert!(change.end.is_none() && !change.accepts_commands);
    assert_eq!(change.epoch, (1000 << 16) + 1, "sessions of one millisecond are in order");
    table.connect(&device, &facts(3, 999));
    assert_eq!(table.unwritten(), 0, "one that was let in earlier comes too late");
}

#[test]
fn an_outcome_of_an_older_change_does_not_count_for_a_newer_one() {
    let (mut table, device, session) = (Table::new(10), device(), facts(1, 1000));
    table.connect(&device, &session);
    let (_, first) = table.next().unwrap();
    table.end(&device, &session, "peer_gone", 2000);
    table.written(&device, first.version);
    table.failed(device.clone(), first.version);
    assert_eq!(table.unwritten(), 1);
    assert_eq!(drain(&mut table).len(), 1);
}

#[test]
fn a_change_without_room_is_the_next_one_again() {
    let (mut table, device) = (Table::new(10), device());
    table.connect(&device, &facts(1, 1000));
    let (device, change) = table.next().unwrap();
    table.give_back(device);
    assert_eq!(table.next().unwrap().1, change);
}

#[test]
fn a_newer_session_elsewhere_ends_the_one_here_without_a_record() {
    let (mut table, device, session) = (Table::new(10), device(), facts(1, 1000));
    table.connect(&device, &session);
    drain(&mut table);
    assert_eq!(table.seen(&device, Some(1001 << 16)), Seen::Newer);
    assert_eq!(table.seen(&device, Some(1001 << 16)), Seen::Irrelevant, "once is enough");
    assert!(table.end(&device, &session, "taken_over", 2000));
    assert!(table.next().is_none());
    assert_eq!((table.held.len(), table.unwritten), (0, 0));
}

#[test]
fn a_late_record_of_an_older_session_is_written_over() {
    let (mut table, device, session) = (Table::new(10), device(), facts(1, 1000));
    table.connect(&device, &session);
    assert_eq!(table.seen(&device, Some(5)), Seen::Irrelevant, "it is written anyway");
    drain(&mut table);
    for epoch in [Some(5), None] {
        assert_eq!(table.seen(&device, epoch), Seen::Repaired);
        assert_eq!(drain(&mut table).len(), 1);
    }
    assert_eq!(table.seen(&device, Some(1000 << 16)), Seen::Irrelevant);
    assert_eq!(table.seen(&"865209039554705".parse().unwrap(), Some(5)), Seen::Irrelevant);
}

#[test]
fn what_is_connected_can_be_written_again() {
    let mut table = Table::new(10);
    let devices = ["a", "b", "c"].map(|id| id.parse::<DeviceId>().unwrap());
    for device in &devices {
        table.connect(device, &facts(1, 1000));
    }
    drain(&mut table);
    table.end(&devices[0], &facts(1, 1000), "peer_gone", 2000);
    table.seen(&devices[1], Some(u64::MAX));
    table.write_again();
    let written = drain(&mut table);
    assert_eq!(written.len(), 2, "the end of one, and one that is connected here");
    assert_eq!(written.iter().filter(|change| change.end.is_none()).count(), 1);
}

#[test]
fn ends_beyond_the_bound_are_told() {
    let mut table = Table::new(1);
    let devices = ["a", "b"].map(|id| id.parse::<DeviceId>().unwrap());
    for device in &devices {
        table.connect(device, &facts(1, 1000));
    }
    drain(&mut table);
    let [first, second] = devices;
    assert!(table.end(&first, &facts(1, 1000), "peer_gone", 2000));
    assert!(!table.end(&second, &facts(1, 1000), "peer_gone", 2000));
    assert_eq!((table.held.len(), table.ended, table.unwritten), (1, 1, 1));
}

#[test]
fn at_a_stop_every_session_is_over() {
    let mut table = Table::new(1);
    let devices = ["a", "b", "c"].map(|id| id.parse::<DeviceId>().unwrap());
    for device in &devices {
        table.connect(device, &facts(1, 1000));
    }
    table.seen(&devices[0], Some(u64::MAX));
    table.end_all("shutting_down", 3000);
    let written = drain(&mut table);
    assert_eq!(written.len(), 2, "one is another frontend's");
    assert!(written.iter().all(|change| change.end == Some("shutting_down")));
    assert_eq!((table.held.len(), table.ended, table.unwritten), (0, 0, 0));
}

#[test]
#[ignore = "measures memory, alone: cargo test --release -p fleetwire-frontend -- --ignored --nocapture memory"]
#[expect(clippy::print_stdout, reason = "a measurement")]
fn memory_of_a_hundred_thousand_sessions() {
    const SESSIONS: u64 = 100_000;
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    };
    let (mut table, before) = (Table::new(10), resident());
    let device = |number: u64| (860_000_000_000_000 + number * 7).to_string().parse::<DeviceId>().unwrap();
    for number in 0..SESSIONS {
        table.connect(&device(number), &facts(number.into(), 1_764_000_000_000));
    }
    let unwritten = resident() - before;
    assert_eq!(drain(&mut table).len() as u64, SESSIONS);
    println!("bytes per session: {}, the queue of a storm included", unwritten / SESSIONS);
    assert_eq!(table.unwritten(), 0);
}
