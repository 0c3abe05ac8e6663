//! What devices send, as the decoder sees it.

use std::time::SystemTime;

use fleetwire_codec::{Body, Decoded, iotm};
use fleetwire_model::pb::{FixType, PositionEvent, Quality};

use super::*;

const START_S: u32 = 1_780_000_000;

fn settings(interval_s: u64) -> Settings {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(START_S.into());
    let mut settings = Settings::new("localhost", 1883, String::new().into(), start);
    settings.interval = Duration::from_secs(interval_s);
    settings
}

/// The messages of a device with the time at which each leaves, seconds after the start.
fn messages(settings: &Settings, index: u32, count: usize) -> Vec<(f64, Message)> {
    let mut device = Device::new(settings, index).unwrap();
    let mut now = 0.0;
    let mut next = || {
        let (message, wait) = device.next_message().unwrap();
        let leaves = now;
        now += wait.as_secs_f64();
        (leaves, message)
    };
    (0..count).map(|_| next()).collect()
}

fn decode(message: &Message) -> Decoded {
    let mut decoded = Decoded::default();
    iotm::decode(&message.payload, &iotm::Options::default(), &mut decoded).unwrap();
    decoded
}

fn positions(settings: &Settings, index: u32, count: usize) -> Vec<PositionEvent> {
    let mut positions = Vec::new();
    for (_, message) in messages(settings, index, count) {
        let decoded = decode(&message);
        for record in &decoded.records {
            if let Body::Position(event) = decoded.open(record).unwrap() {
                positions.push(*event);
            }
        }
    }
    positions
}

#[test]
fn every_message_decodes_completely_and_names_its_device() {
    for index in 0..6 {
        let imei = fleet::imei(settings(60).first_imei_14, index).unwrap().to_string();
        for (_, message) in messages(&settings(60), index, 300) {
            let decoded = decode(&message);
            assert!(decoded.skipped.is_empty());
            assert_eq!(decoded.records.len(), message.records as usize);
            for record in &decoded.records {
                assert_eq!(record.device_id.as_ref().unwrap().as_str(), imei);
                let (quality, topic) = match decoded.open(record).unwrap() {
                    Body::Position(event) => (event.quality, "BCE/D"),
                    Body::Event(event) => (event.quality, "BCE/E"),
                };
                // A simulated device loses its fix from time to time, as real ones do.
                assert!(quality.iter().all(|flag| *flag == i32::from(Quality::NoFix)), "{quality:?}");
                assert_eq!(message.topic, topic);
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_gives_others() {
    let (one, mut two) = (settings(10), settings(10));
    assert_eq!(messages(&one, 3, 50), messages(&two, 3, 50));
    two.seed += 1;
    assert_ne!(messages(&one, 3, 50), messages(&two, 3, 50));
    assert_ne!(messages(&one, 3, 50), messages(&one, 6, 50));
}

#[test]
fn records_are_in_order_and_never_later_than_their_message() {
    for interval_s in [0, 1, 5, 900] {
        let mut before = 0;
        for (leaves, message) in messages(&settings(interval_s), 0, 500) {
            let decoded = decode(&message);
            for record in &decoded.records {
                let Body::Position(event) = decoded.open(record).unwrap() else {
                    continue;
                };
                let time = event.device_time.unwrap().seconds;
                assert!(time >= before);
                let late = f64::from(START_S) + leaves - f64::from(u32::try_from(time).unwrap());
                assert!(late >= 0.0, "{interval_s}: {late}");
                assert!(
                    interval_s == 0 || late < 1.2 * f64::from(u32::try_from(interval_s).unwrap()) + 7.0,
                    "{interval_s}: {late}"
                );
                before = time;
            }
        }
    }
}

#[test]
fn a_fleet_drives_parks_and_loses_its_fix() {
    let events: Vec<_> = (0..9).flat_map(|index| positions(&settings(30), index, 400)).collect();
    let share = |wanted: &dyn Fn(&PositionEvent) -> bool| {
        let count = events.iter().filter(|event| wanted(event)).count();
        count * 100 / events.len()
    };
    assert!((20..95).contains(&share(&|event| event.ignition == Some(true))));
    assert!((15..95).contains(&share(&|event| event.fix.unwrap().speed_kmh > Some(5.0))));
    assert!((1..20).contains(&share(&|event| event.fix.unwrap().r#type() == FixType::LastKnown)));
    assert_eq!(share(&|event| event.fix.unwrap().r#type() == FixType::NoFix), 0);
    assert!(share(&|event| event.driver_id.is_some()) > 5);
    assert!(share(&|event| event.odometer_m.is_some()) > 50);
}

#[test]
fn speed_and_heading_agree_with_the_way_from_record_to_record() {
    let mut settings = settings(2);
    settings.records = 1..=1;
    let fixes: Vec<_> = positions(&settings, 2, 2000)
        .iter()
        .map(|event| (event.device_time.unwrap().seconds, event.fix.unwrap()))
        .collect();
    let mut compared = 0;
    for pair in fixes.windows(2) {
        let [(then, from), (now, to)] = pair else { continue };
        let seconds = f64::from(i32::try_from(now - then).unwrap());
        let steady = (from.speed_kmh.unwrap() - to.speed_kmh.unwrap()).abs() < 5.0;
        if seconds < 1.0
            || !steady
            || to.speed_kmh < Some(30.0)
            || from.r#type() != FixType::Fix
            || to.r#type() != FixType::Fix
        {
            continue;
        }
        let north = (to.latitude - from.latitude) * 111_320.0;
        let east = (to.longitude - from.longitude) * 111_320.0 * to.latitude.to_radians().cos();
        let kmh = north.hypot(east) / seconds * 3.6;
        assert!((kmh - to.speed_kmh.unwrap()).abs() < 12.0, "{kmh} {to:?}");
        compared += 1;
    }
    assert!(compared > 200, "{compared}");
}

/// Device time and state of OUT1 of each record.
fn first_output(message: &Message) -> Vec<(i64, bool)> {
    let decoded = decode(message);
    let positions = decoded.records.iter().filter_map(|record| match decoded.open(record).unwrap() {
        Body::Position(event) => Some(event),
        Body::Event(_) => None,
    });
    positions
        .map(|event| {
            let output = event.outputs.iter().find(|line| line.number == 1).unwrap();
            (event.device_time.unwrap().seconds, output.on)
        })
        .collect()
}

fn switch_on(device: &mut Device, now_ms: i64) {
    use fleetwire_codec::iotm::output::{Action, OutputControl, Polarity, Signal, UniqueId};
    let (imei, unique_id) = (Some(device.imei()), UniqueId::FIRST);
    let action = Action::Latched { signal: Signal::S1, on: true };
    let command = OutputControl { imei, expires: u32::MAX, unique_id, action }.write(Polarity::OneIsOn);
    device.outputs().obey(&command, now_ms);
    device.store(now_ms);
}

#[test]
fn a_switched_output_is_a_record_of_its_own_and_in_all_that_follow() {
    for index in 0..3 {
        let mut settings = settings(10);
        settings.wiring.s1 = Some(1);
        let mut device = Device::new(&settings, index).unwrap();
        let mut before = Vec::new();
        while before.is_empty() {
            before = first_output(&device.next_message().unwrap().0);
        }
        assert!(before.iter().all(|(_, on)| !on));
        let now_s = i64::from(START_S) + 5;
        switch_on(&mut device, now_s * 1000 + 999);
        assert!(device.has_stored());
        assert_eq!(first_output(&device.stored_message().unwrap()), [(now_s, true)]);
        assert!(!device.has_stored());
        let after: Vec<_> = (0..5).flat_map(|_| first_output(&device.next_message().unwrap().0)).collect();
        assert!(!after.is_empty() && after.iter().all(|(at_s, on)| *on && *at_s >= now_s), "{after:?}");
    }
}

#[test]
fn a_backlog_is_from_before_the_outputs_were_switched() {
    let mut settings = settings(0);
    settings.wiring.s1 = Some(1);
    let mut device = Device::new(&settings, 0).unwrap();
    switch_on(&mut device, i64::from(START_S) * 1000);
    assert_eq!(first_output(&device.stored_message().unwrap()), [(i64::from(START_S), true)]);
    for _ in 0..20 {
        let message = device.next_message().unwrap().0;
        assert!(first_output(&message).iter().all(|(at_s, on)| !on && *at_s < i64::from(START_S)));
    }
}

#[test]
fn a_memory_that_is_full_keeps_the_newest_records() {
    let mut device = Device::new(&settings(10), 0).unwrap();
    for second in 0..300 {
        device.store((i64::from(START_S) + second) * 1000);
    }
    let records = first_output(&device.stored_message().unwrap());
    assert_eq!((records.len(), records.last().unwrap().0), (200, i64::from(START_S) + 299));
}
