//! What the comparison sees and what it does not mind.

use std::time::Duration;

use fleetwire_codec::iotm::output::{Act, Function, Signal, TimedOutput, UniqueId};
use tokio::time::Instant;

use super::*;
use CommandState as State;

const EXPIRES: u32 = 1_790_000_000;

fn imei(number: u64) -> Imei {
    let digits = 35_100_000_000_000 + number;
    Imei::from_number(digits * 10 + u64::from(Imei::check_digit(digits))).unwrap()
}

/// Command number `place` of device 0: to output 1, or to 4, which is S1.
fn sent(place: u32, output: u8) -> Sent {
    Sent { id: format!("c{place}"), imei: imei(0), kind: Kind::Switch { output }, expires_s: EXPIRES + place }
}

fn life(steps: &[State], unique_id: Option<u32>) -> Life {
    let last = steps.len();
    let steps =
        (1..).zip(steps).map(|(sequence, state)| (sequence, *state, sequence as usize == last)).collect();
    Life { steps, unique_id, attempts: unique_id.map_or(0, |_| 1), other_unique_ids: 0 }
}

fn received(place: u32, output: u8, unique_id: u8, verdict: Verdict) -> Received {
    let action = if output > 3 {
        Action::Latched { signal: Signal::S1, on: true }
    } else {
        let output = TimedOutput::from_number(output.into()).unwrap();
        let duration = Duration::from_secs(1).try_into().unwrap();
        Action::Timed { output, function: Function::new(Act::On), duration }
    };
    Received {
        time_ms: i64::from(EXPIRES) * 1000 - 10_000 + i64::from(place),
        at: Instant::now(),
        imei: imei(0),
        verdict,
        command: Some(OutputControl {
            imei: Some(imei(0)),
            expires: EXPIRES + place,
            unique_id: UniqueId::new(unique_id).unwrap(),
            action,
        }),
        is_retained: false,
    }
}

const CONFIRMED: &[State] = &[State::Accepted, State::Published, State::Acknowledged, State::Confirmed];
const ACKNOWLEDGED: &[State] = &[State::Accepted, State::Published, State::Acknowledged];

/// Two commands to output 1 and one to S1, all executed; the first came down twice.
fn good() -> (Vec<Sent>, Lives, Vec<Received>) {
    let lives = [
        ("c0", life(CONFIRMED, Some(1))),
        ("c1", life(CONFIRMED, Some(2))),
        ("c2", life(ACKNOWLEDGED, Some(3))),
    ];
    let received = vec![
        received(0, 1, 1, Verdict::Executed),
        received(0, 1, 1, Verdict::Repeat),
        received(1, 1, 2, Verdict::Executed),
        received(2, 4, 3, Verdict::Executed),
    ];
    let lives = lives.into_iter().map(|(id, life)| (id.to_owned(), life)).collect();
    (vec![sent(0, 1), sent(1, 1), sent(2, 4)], lives, received)
}

/// What is broken after a change to what was good.
fn broken(change: impl FnOnce(&mut Vec<Sent>, &mut Lives, &mut Vec<Received>)) -> Vec<Violation> {
    let (mut sent, mut lives, mut received) = good();
    change(&mut sent, &mut lives, &mut received);
    check(&sent, &lives, &received).violations.into_keys().collect()
}

#[test]
fn a_good_run_holds_and_is_counted() {
    let (sent, lives, received) = good();
    let report = check(&sent, &lives, &received);
    assert!(report.holds(), "{report}");
    assert_eq!((report.executed, report.repeats), (3, 1));
    assert_eq!((report.ended(State::Confirmed), report.ended(State::Acknowledged)), (2, 1));
}

#[test]
fn every_command_ends_once_and_its_statuses_have_no_holes() {
    let steps = |change: fn(&mut Vec<(u32, State, bool)>)| {
        broken(|_, lives, _| change(&mut lives.get_mut("c0").unwrap().steps))
    };
    assert_eq!(steps(|steps| steps.truncate(3)), [Violation::NoEnd]);
    assert_eq!(
        steps(|steps| steps.push((5, State::Failed, true))),
        [Violation::TwoEnds, Violation::AfterEnd]
    );
    assert_eq!(steps(|steps| steps.push((5, State::Published, false))), [Violation::AfterEnd]);
    assert_eq!(steps(|steps| steps.retain(|(sequence, _, _)| *sequence != 2)), [Violation::Sequence]);
    assert_eq!(steps(|steps| steps.insert(1, steps[1])), [Violation::Sequence]);
    assert_eq!(broken(|_, lives, _| drop(lives.remove("c0"))), [Violation::NoEnd]);
    assert_eq!(broken(|sent, _, _| drop(sent.remove(0))), [Violation::UnknownCommand, Violation::Unsent]);
    assert_eq!(
        broken(|_, lives, _| lives.get_mut("c0").unwrap().other_unique_ids = 1),
        [Violation::UniqueId]
    );
}

#[test]
fn what_devices_must_not_do_is_seen() {
    assert_eq!(broken(|_, _, received| received[1].verdict = Verdict::Executed), [Violation::Twice]);
    assert_eq!(
        broken(|_, _, received| received[0].time_ms = i64::from(EXPIRES) * 1000 + 1),
        [Violation::Late]
    );
    assert_eq!(broken(|_, _, received| received[1].verdict = Verdict::OtherDevice), [Violation::WrongDevice]);
    assert_eq!(broken(|_, _, received| received[1].is_retained = true), [Violation::Retained]);
    assert_eq!(broken(|_, _, received| received[1].command = None), [Violation::Unsent]);
    assert_eq!(
        broken(|_, _, received| received[0].imei = imei(1)),
        [Violation::Unsent, Violation::TakenForRepeat, Violation::NotReceived]
    );
    // Another output, or another number than the statuses name.
    assert_eq!(
        broken(|sent, _, _| sent[2].kind = Kind::Switch { output: 5 }),
        [Violation::Unsent, Violation::NotReceived]
    );
    assert_eq!(
        broken(|_, lives, _| lives.get_mut("c2").unwrap().unique_id = Some(9)),
        [Violation::Unsent, Violation::NotReceived]
    );
    assert_eq!(broken(|_, _, received| received.swap(0, 2)), [Violation::TakenForRepeat, Violation::Order]);
    assert_eq!(
        broken(|_, _, received| received[2].verdict = Verdict::Repeat),
        [Violation::TakenForRepeat, Violation::NotReceived]
    );
}

#[test]
fn what_the_statuses_say_must_be_what_happened() {
    assert_eq!(broken(|_, _, received| received.truncate(3)), [Violation::NotReceived]);
    for state in [State::Rejected, State::Expired, State::Cancelled, State::Superseded] {
        let found = broken(|_, lives, _| drop(lives.insert("c2".to_owned(), life(&[state], None))));
        assert_eq!(found, [Violation::ExecutedAfterAll], "{state:?}");
    }
    // Attempted and then superseded, or given up: it may have been executed or not.
    for state in [State::Superseded, State::Failed] {
        for keep in [3, 4] {
            let found = broken(|_, lives, received| {
                lives.insert("c2".to_owned(), life(&[State::Published, state], Some(3)));
                received.truncate(keep);
            });
            assert!(found.is_empty(), "{state:?}: {found:?}");
        }
    }
    assert_eq!(
        broken(|sent, _, received| {
            sent[2].kind = Kind::Impossible;
            received.pop();
        }),
        [Violation::NotRejected]
    );
}

#[test]
fn a_puback_of_what_the_device_drops_is_told_apart() {
    let (sent, lives, mut received) = good();
    received[3].verdict = Verdict::Expired;
    let report = check(&sent, &lives, &received);
    assert!(report.holds(), "{report}");
    assert_eq!((report.acknowledged_and_dropped, report.executed), (1, 2));
}
