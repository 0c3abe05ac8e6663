//! What a device does with what it is told.

use std::time::Duration;

use fleetwire_codec::iotm::output::{Function, Steps, TimedOutput};

use super::*;

const NOW_MS: i64 = 1_790_000_000_000;
const EXPIRES: u32 = 1_790_000_060;

fn imei() -> Imei {
    Imei::from_number(123_456_789_012_345).unwrap()
}

fn outputs() -> Outputs {
    Outputs::new(imei(), Wiring { s1: Some(4), ..Wiring::default() })
}

fn command(unique_id: u8, action: Action) -> OutputControl {
    OutputControl {
        imei: Some(imei()),
        expires: EXPIRES,
        unique_id: UniqueId::new(unique_id).unwrap(),
        action,
    }
}

fn timed(number: u32, act: Act, millis: u64) -> Action {
    let duration = Steps::try_from(Duration::from_millis(millis)).unwrap();
    let output = TimedOutput::from_number(number).unwrap();
    Action::Timed { output, function: Function::new(act), duration }
}

const fn latched(signal: Signal, on: bool) -> Action {
    Action::Latched { signal, on }
}

fn tell(outputs: &mut Outputs, at_ms: i64, command: &OutputControl) -> Verdict {
    while outputs.pass(at_ms).is_some() {}
    outputs.obey(&command.write(Polarity::OneIsOn), at_ms).0
}

/// The records that a device makes by itself: milliseconds from now on, and the outputs that are on.
fn records(device: &mut Outputs) -> Vec<(i64, Vec<usize>)> {
    let mut records = Vec::new();
    while let Some(at_ms) = device.pass(NOW_MS + 86_400_000) {
        let on = (1..).zip(device.states()).filter_map(|(number, on)| on.then_some(number));
        records.push((at_ms - NOW_MS, on.collect()));
    }
    assert_eq!(device.next_change_ms(), None);
    records
}

#[test]
fn a_timed_output_is_on_for_its_time_and_then_as_before() {
    let mut device = outputs();
    assert_eq!(tell(&mut device, NOW_MS, &command(1, timed(2, Act::On, 1500))), Verdict::Executed);
    assert_eq!(
        (device.states(), device.next_change_ms()),
        ([false, true, false, false], Some(NOW_MS + 1000))
    );
    assert_eq!(device.pass(NOW_MS + 999), None);
    assert_eq!(records(&mut device), [(1000, vec![2]), (2000, vec![])]);
}

#[test]
fn a_newer_command_takes_the_place_of_what_an_output_does() {
    let mut device = outputs();
    tell(&mut device, NOW_MS, &command(1, timed(1, Act::On, 5000)));
    tell(&mut device, NOW_MS + 1500, &command(2, timed(1, Act::Off, 1000)));
    // Off as before: what the first command began is over.
    assert_eq!(records(&mut device), [(2000, vec![])]);
}

#[test]
fn a_latched_signal_stays_and_shows_where_it_is_wired() {
    let mut device = outputs();
    assert_eq!(tell(&mut device, NOW_MS, &command(1, latched(Signal::S1, true))), Verdict::Executed);
    assert_eq!(records(&mut device), [(1000, vec![4])]);
    let now_ms = device.now_ms;
    let told = |unique_id, action| OutputControl { expires: u32::MAX, ..command(unique_id, action) };
    // Nothing is wired to the other.
    tell(&mut device, now_ms, &told(2, latched(Signal::S2, true)));
    assert_eq!(device.states(), [false, false, false, true]);
    tell(&mut device, now_ms, &told(3, latched(Signal::S1, false)));
    assert_eq!(device.states(), [false; 4]);
}

#[test]
fn a_timed_off_interrupts_what_a_signal_drives() {
    let wiring = Wiring { s2: Some(1), ..Wiring::default() };
    let mut device = Outputs::new(imei(), wiring);
    tell(&mut device, NOW_MS, &command(1, latched(Signal::S2, true)));
    tell(&mut device, NOW_MS, &command(2, timed(1, Act::Off, 1500)));
    assert_eq!(records(&mut device), [(1000, vec![]), (2000, vec![1])]);
}

#[test]
fn an_impulse_comes_on_the_next_output_a_second_later() {
    let mut device = outputs();
    tell(&mut device, NOW_MS, &command(1, timed(3, Act::Impulse, 1500)));
    assert_eq!(device.states(), [false, false, true, false]);
    assert_eq!(records(&mut device), [(1000, vec![3, 4]), (2000, vec![4]), (3000, vec![])]);
}

#[test]
fn a_function_may_switch_the_signal_as_well() {
    let mut device = outputs();
    let function = Function { act: Act::On, s1: Some(true) };
    let Action::Timed { output, duration, .. } = timed(1, Act::On, 10) else { panic!() };
    tell(&mut device, NOW_MS, &command(1, Action::Timed { output, function, duration }));
    assert_eq!(device.states(), [true, false, false, true]);
}

#[test]
fn a_repeated_number_does_nothing_and_only_the_number_before_counts() {
    let mut device = outputs();
    let mut told = |unique_id| tell(&mut device, NOW_MS, &command(unique_id, timed(1, Act::On, 1000)));
    assert_eq!([7, 7, 8, 7].map(&mut told), {
        use Verdict::{Executed, Repeat};
        [Executed, Repeat, Executed, Executed]
    });
}

#[test]
fn nothing_is_done_after_its_expiry_and_its_number_is_not_kept() {
    let mut device = outputs();
    let late = command(7, timed(1, Act::On, 1000));
    let end_ms = i64::from(EXPIRES) * 1000;
    assert_eq!(tell(&mut device, end_ms + 1, &late), Verdict::Expired);
    assert_eq!(device.states(), [false; 4]);
    assert_eq!(tell(&mut device, end_ms, &late), Verdict::Executed);
}

#[test]
fn what_is_for_another_or_no_command_is_ignored() {
    let mut device = outputs();
    let other = Imei::from_number(867_035_046_242_895).unwrap();
    let of = |imei| OutputControl { imei, ..command(1, timed(1, Act::On, 1000)) };
    assert_eq!(tell(&mut device, NOW_MS, &of(Some(other))), Verdict::OtherDevice);
    assert_eq!(tell(&mut device, NOW_MS, &of(None)), Verdict::Garbage);
    assert_eq!(device.obey(b"garbage", NOW_MS), (Verdict::Garbage, None));
    assert_eq!(device.states(), [false; 4]);
    assert_eq!(tell(&mut device, NOW_MS, &of(Some(imei()))), Verdict::Executed);
}
