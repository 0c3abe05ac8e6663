//! The view without Kafka.

use std::time::Duration;

use fleetwire_model::pb::{Fix, SessionState};
use fleetwire_model::time::from_unix_ms;

use super::*;

const DEVICE: &str = "867035046242895";

fn heard() -> Heard {
    Heard { now: Instant::now(), now_ms: 0, is_old: false }
}

fn session(epoch: u64, state: SessionState) -> Session {
    Session {
        device_id: DEVICE.into(),
        state: state.into(),
        epoch,
        frontend_id: "f".into(),
        frontend_run: "r".into(),
        ..Session::default()
    }
}

fn tell(states: &States, session: &Session) {
    let value = session.encode_to_vec();
    states.apply_session(session.device_id.as_bytes(), Some(&value), heard()).unwrap();
}

fn alive(states: &States, valid_s: u32) {
    let word =
        FrontendAlive { frontend_id: "f".into(), run: "r".into(), valid_s, ..FrontendAlive::default() };
    states.apply_session(b"@f", Some(&word.encode_to_vec()), heard()).unwrap();
}

fn view(states: &States) -> DeviceView {
    states.get(&DEVICE.parse().unwrap())
}

#[test]
fn connected_is_a_session_of_a_frontend_that_is_alive() {
    let states = States::new(10);
    assert_eq!(view(&states), DeviceView::default());
    tell(&states, &session(1, SessionState::Connected));
    assert!(!view(&states).connected && states.connected() == 0);
    alive(&states, 20);
    assert!(view(&states).connected && states.connected() == 1 && states.frontends() == 1);
    alive(&states, 0);
    assert!(!view(&states).connected && states.connected() == 0);
    alive(&states, 20);
    tell(&states, &session(1, SessionState::Disconnected));
    assert!(!view(&states).connected && states.connected() == 0);
    assert_eq!(view(&states).session.unwrap().frontend_id, "f");
}

#[test]
fn a_late_record_of_an_older_session_changes_nothing() {
    let states = States::new(10);
    alive(&states, 20);
    tell(&states, &session(2, SessionState::Connected));
    tell(&states, &session(1, SessionState::Disconnected));
    assert!(view(&states).connected);
}

#[test]
fn session_and_state_are_kept_apart() {
    let states = States::new(10);
    let state = DeviceState {
        device_id: DEVICE.into(),
        last_seen_time: Some(from_unix_ms(1)),
        fix: Some(Fix { latitude: 1.5, ..Fix::default() }),
        ..DeviceState::default()
    };
    states.apply_state(DEVICE.as_bytes(), Some(&state.encode_to_vec())).unwrap();
    tell(&states, &session(1, SessionState::Connected));
    assert_eq!(view(&states).state, Some(state.clone()));
    states.apply_session(DEVICE.as_bytes(), None, heard()).unwrap();
    assert_eq!((view(&states).session, view(&states).state), (None, Some(state)));
    states.apply_state(DEVICE.as_bytes(), None).unwrap();
    assert!(states.is_empty());
}

#[test]
fn devices_beyond_the_bound_are_refused_and_known_ones_are_not() {
    let states = States::new(1);
    tell(&states, &session(1, SessionState::Connected));
    let other = session(1, SessionState::Connected).encode_to_vec();
    assert_eq!(states.apply_session(b"other", Some(&other), heard()), Err(RecordError::Full));
    assert_eq!(states.apply_state(b"other", Some(&[])), Err(RecordError::Full));
    tell(&states, &session(2, SessionState::Connected));
    assert_eq!((states.len(), view(&states).session.unwrap().epoch), (1, 2));
}

#[test]
fn records_that_are_none_are_told() {
    let states = States::new(1);
    assert_eq!(states.apply_session(b"no id!", Some(&[]), heard()), Err(RecordError::Key));
    assert!(matches!(states.apply_state(b"d", Some(&[0xFF])), Err(RecordError::Value(_))));
    assert!(matches!(states.apply_session(b"@f", Some(&[0xFF]), heard()), Err(RecordError::Value(_))));
}

#[test]
fn a_word_that_ran_out_ends_its_sessions() {
    let states = States::new(10);
    tell(&states, &session(1, SessionState::Connected));
    alive(&states, 1);
    let deadline = Instant::now() + Duration::from_secs(30);
    while view(&states).connected {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(states.connected(), 0);
}

/// Resident memory of the process, bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
#[ignore = "measures memory, alone: cargo test --release -p fleetwire-state -- --ignored --nocapture memory"]
#[expect(clippy::print_stdout, reason = "a measurement")]
fn memory_of_a_million_devices() {
    const DEVICES: u64 = 1_000_000;
    let states = States::new(2_000_000);
    let imei = |number: u64| (860_000_000_000_000 + number * 7).to_string();
    let fix = Fix {
        r#type: 3,
        latitude: 25.162_023,
        longitude: 55.402_519,
        altitude_m: Some(12.0),
        speed_kmh: Some(18.0),
        heading_deg: Some(238.0),
        satellites: Some(9),
        ..Fix::default()
    };
    let before = resident();
    for number in 0..DEVICES {
        let session = Session {
            device_id: imei(number),
            session_id: ulid::Ulid::from(u128::from(number) << 64).to_string(),
            frontend_id: format!("frontend-{}", number % 20),
            frontend_run: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
            since: Some(from_unix_ms(1_764_000_000_000)),
            remote_address: "192.0.2.1:47110".into(),
            account: "bce_device".into(),
            ..session(1_764_000_000_000 << 16, SessionState::Connected)
        };
        tell(&states, &session);
    }
    let sessions = resident() - before;
    for number in 0..DEVICES {
        let state = DeviceState {
            device_id: imei(number),
            last_seen_time: Some(from_unix_ms(1_764_000_000_000)),
            position_time: Some(from_unix_ms(1_764_000_000_000)),
            reported_time: Some(from_unix_ms(1_764_000_000_000)),
            fix: Some(fix),
            ignition: Some(true),
            positions: 100_000,
            ..DeviceState::default()
        };
        states.apply_state(state.device_id.as_bytes(), Some(&state.encode_to_vec())).unwrap();
    }
    let both = resident() - before;
    println!("bytes per device: {} with a session, {} with a state too", sessions / DEVICES, both / DEVICES);
    let (started, device) = (Instant::now(), imei(DEVICES / 2).parse().unwrap());
    for _ in 0..DEVICES {
        std::hint::black_box(states.get(&device));
    }
    println!("one look: {:?}", started.elapsed() / u32::try_from(DEVICES).unwrap());
    assert_eq!(states.len(), 1_000_000);
}
