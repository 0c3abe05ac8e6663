//! What the ledger notes of a device, and what makes it forget it again.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fleet;

use fleet::{DEVICE, Log, parked, record, settings, times};
use fleetwire_gaps::{GapsSettings, Kind, Rules};
use fleetwire_model::pb::{DeviceLedger, GapState, IntervalSource, Quality};
use prost::Message as _;

/// A device that sends every minute, and then not for an hour: minute 20 to minute 80.
fn outage() -> Log {
    let mut log = Log::new(&GapsSettings::default());
    log.take((0..=20).chain(80..=90).map(|minute| record(minute * 60)));
    log
}

#[test]
fn an_outage_is_a_gap_with_what_was_expected() {
    let mut log = outage();
    let gap = log.only_gap();
    assert_eq!(times(&gap), [(20 * 60, Some(80 * 60))]);
    assert_eq!((gap.expected, gap.received, gap.state()), (59, 0, GapState::Open));
    assert_eq!((gap.interval_s, gap.interval_source()), (60, IntervalSource::Learned));
    assert_eq!((gap.revision, gap.given_up, gap.parked), (1, false, false));
}

#[test]
fn late_records_shrink_split_and_close_it_under_the_same_id() {
    let mut log = outage();
    let opened = log.only_gap();
    log.take((21..=30).map(|minute| record(minute * 60)));
    let shrunk = log.only_gap();
    assert_eq!(times(&shrunk), [(30 * 60, Some(80 * 60))]);
    assert_eq!((shrunk.expected, shrunk.received, shrunk.state()), (59, 10, GapState::Partly));
    log.take((50..=60).map(|minute| record(minute * 60)));
    let split = log.only_gap();
    assert_eq!(times(&split), [(30 * 60, Some(50 * 60)), (60 * 60, Some(80 * 60))]);
    assert_eq!((split.received, split.revision), (21, 3));
    log.take((20..=80).map(|minute| record(minute * 60)));
    let closed = log.only_gap();
    assert_eq!((closed.expected, closed.received, closed.state()), (59, 59, GapState::Closed));
    assert_eq!((closed.missing.len(), closed.revision), (0, 4));
    for gap in [&shrunk, &split, &closed] {
        assert_eq!(gap.gap_id, opened.gap_id);
        assert_eq!((gap.from_time, gap.to_time), (opened.from_time, opened.to_time));
    }
    assert_eq!(log.state().gaps.len() + log.state().stretches.len(), 0);
}

#[test]
fn a_record_that_comes_twice_counts_once() {
    let mut log = outage();
    log.take((21..=30).map(|minute| record(minute * 60)));
    let before = log.only_gap();
    log.take((0..=30).chain(80..=90).map(|minute| record(minute * 60)));
    assert_eq!(log.only_gap(), before);
}

#[test]
fn a_parked_device_may_sleep() {
    let nights = |judge_parked| {
        let mut log = Log::new(&GapsSettings { judge_parked, ..GapsSettings::default() });
        let day = |day: i64| (0..30).map(move |minute| record(day * 86_400 + minute * 60));
        for number in 0..10 {
            log.take(day(number));
            log.take([parked(number * 86_400 + 1800)]);
        }
        // From the last evening on it would send every ten minutes, did it not sleep.
        log
    };
    assert_eq!(nights(false).gaps.len(), 0);
    // Nights are what it does when it is parked: that is learned, and no gap either.
    assert_eq!(nights(true).gaps.len(), 0);
}

#[test]
fn where_silence_of_parked_devices_counts_it_is_judged_by_their_own_interval() {
    let mut log = Log::new(&GapsSettings { judge_parked: true, ..GapsSettings::default() });
    log.take((0..10).map(|hour| parked(hour * 3600)));
    log.take([parked(20 * 3600)]);
    let gap = log.only_gap();
    assert_eq!(times(&gap), [(9 * 3600, Some(20 * 3600))]);
    assert_eq!((gap.parked, gap.interval_s, gap.expected), (true, 3600, 10));
}

#[test]
fn a_late_record_with_the_ignition_off_explains_the_silence() {
    let mut log = outage();
    log.take([parked(21 * 60)]);
    assert_eq!(log.only_gap().state(), GapState::Closed);
    // And one with the ignition on, later still, shows that there is something missing after all.
    log.take([record(40 * 60)]);
    assert_eq!(log.open_missing(), [(40 * 60, Some(80 * 60))]);
}

#[test]
fn what_has_a_wrong_clock_or_none_is_not_judged() {
    let mut log = outage();
    let before = log.only_gap();
    let mut future = record(90 * 86_400);
    future.set_quality(Quality::ClockInFuture);
    let mut old = record(50 * 60);
    old.set_quality(Quality::ClockTooOld);
    let mut none = record(0);
    none.event.device_time = None;
    let kinds: Vec<Kind> = [future, old, none].into_iter().map(|seen| log.one(&seen)).collect();
    assert_eq!(kinds, [Kind::ClockSuspect, Kind::ClockSuspect, Kind::NoTime]);
    log.flush();
    assert_eq!(log.only_gap(), before);
}

#[test]
fn nothing_is_judged_before_an_interval_is_known_unless_it_is_configured() {
    let few = || [0, 60, 120, 7200].map(record);
    let mut log = Log::new(&GapsSettings::default());
    log.take(few());
    assert_eq!(log.gaps.len(), 0);
    let mut log = Log::new(&settings("[models.\"tracker\"]\nactive = \"60s\""));
    log.take(few());
    let gap = log.only_gap();
    assert_eq!((gap.interval_source(), gap.expected), (IntervalSource::Configured, 117));
    let mut log = Log::new(&settings(&format!(
        "[intervals]\nactive = \"60s\"\n[devices.\"{DEVICE}\"]\nactive = \"1h\""
    )));
    log.take(few());
    assert_eq!(log.gaps.len(), 0);
}

#[test]
fn a_device_that_stays_silent_has_a_gap_that_is_not_over() {
    let mut log = outage();
    log.look(99 * 60);
    assert_eq!(log.gaps.len(), 1, "nine minutes are not overdue yet");
    log.look(101 * 60);
    let gap = log.newest_gap();
    assert_eq!(times(&gap), [(90 * 60, None)]);
    assert_eq!((gap.to_time, gap.expected, gap.state()), (None, 10, GapState::Open));
    log.look(200 * 60);
    assert_eq!(log.newest_gap().revision, 1, "it is told once");

    log.take([record(150 * 60)]);
    let gap = log.newest_gap();
    assert_eq!(times(&gap), [(90 * 60, Some(150 * 60))]);
    assert_eq!((gap.expected, gap.received, gap.revision), (59, 0, 2));
}

#[test]
fn a_device_that_was_silent_and_goes_on_where_it_stopped_misses_nothing() {
    let mut log = outage();
    log.look(300 * 60);
    log.take((91..=300).map(|minute| record(minute * 60)));
    let gap = log.newest_gap();
    assert_eq!((gap.state(), gap.expected, gap.received), (GapState::Closed, 0, 0));
    assert_eq!(gap.revision, 2);
}

#[test]
fn a_device_that_was_silent_for_too_long_is_forgotten_and_its_gaps_are_given_up() {
    let mut log = outage();
    log.look(101 * 60);
    log.look(90 * 60 + 30 * 86_400 + 1);
    assert!(log.states.is_empty());
    assert!(log.gaps.values().all(|gap| gap.given_up && gap.state() == GapState::Open));
    assert_eq!((log.gaps.len(), log.ledger.devices(), log.ledger.open_gaps()), (2, 0, 0));
}

#[test]
fn old_gaps_are_given_up_while_the_device_goes_on() {
    let mut log = Log::new(&settings("keep = \"1d\""));
    log.take((0..=20).chain(80..=90).map(|minute| record(minute * 60)));
    log.take((3..60).map(|step| record(step * 1800)));
    let first = log.gaps.values().min_by_key(|gap| times(gap)[0]).unwrap().clone();
    assert!(first.given_up);
    log.take([record(40 * 60)]);
    assert_eq!(log.gaps[&first.gap_id], first, "what comes now does not change it");
}

#[test]
fn what_was_not_written_is_written_by_the_next_ledger() {
    let mut log = outage();
    let rules = Rules::new(&GapsSettings::default());
    let state = log.states[DEVICE].clone();
    log.restart();
    let again = log.ledger.changes(&rules, 0);
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].gaps, [log.only_gap()]);
    // A later state of the same device takes its place.
    let mut ledger = fleetwire_gaps::Ledger::default();
    ledger.restore(DEVICE, Some(&state), &rules).unwrap();
    ledger.restore(DEVICE, None, &rules).unwrap();
    assert_eq!((ledger.changes(&rules, 0).len(), ledger.devices()), (0, 0));
    assert!(ledger.restore(DEVICE, Some(&[0xff; 9]), &rules).is_err());
}

#[test]
fn a_settled_device_is_small() {
    let mut log = Log::new(&GapsSettings::default());
    log.take((0..100).map(|minute| record(minute * 60 + minute % 7)));
    let bytes = log.states[DEVICE].len();
    assert!(bytes <= 128, "{bytes}");
    log.take((200..220).map(|minute| record(minute * 60)));
    log.flush();
    log.take([record(230 * 60), record(231 * 60)]);
    // Beside the change that is to be written.
    let bytes = DeviceLedger { unwritten: Vec::new(), ..log.state() }.encoded_len();
    assert!(bytes <= 192, "{bytes}");
}
