//! What holds of the ledger whatever a device does.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod fleet;

use std::collections::BTreeMap;

use fleet::{DEVICE, Log, Seen, record, settings, with_ignition};
use fleetwire_gaps::GapsSettings;
use fleetwire_model::pb::DeviceLedger;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message as _;

/// Five minutes are a gap, and many are followed.
fn every_minute() -> GapsSettings {
    settings("max_stretches = 256\n[intervals]\nactive = \"60s\"")
}

/// Records of two hours, several of one instant among them; the first one of all comes first.
fn records() -> impl Strategy<Value = Vec<Seen>> {
    let record = (0_i64..720, prop::bool::weighted(0.8));
    prop::collection::vec(record, 1..60).prop_map(|records| {
        let records = records.into_iter().map(|(step, ignition)| with_ignition(step * 10, ignition));
        std::iter::once(with_ignition(-10, true)).chain(records).collect()
    })
}

/// The same records in another order, the first one excepted.
fn shuffled(records: Vec<Seen>) -> impl Strategy<Value = (Vec<Seen>, Vec<Seen>)> {
    let rest = records[1..].to_vec();
    Just(rest).prop_shuffle().prop_map(move |rest| {
        let order = std::iter::once(records[0].clone()).chain(rest).collect();
        (records.clone(), order)
    })
}

/// What is missing, by looking at all records at once.
fn missing(records: &[Seen]) -> Vec<(i64, Option<i64>)> {
    let mut instants = BTreeMap::new();
    for seen in records {
        let active = instants.entry(seen.second()).or_insert(true);
        *active &= seen.event.ignition.unwrap();
    }
    let instants: Vec<(i64, bool)> = instants.into_iter().collect();
    let gaps = instants.windows(2).filter(|pair| pair[0].1 && pair[1].0 - pair[0].0 > 300);
    gaps.map(|pair| (pair[0].0, Some(pair[1].0))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_order_does_not_matter((records, order) in records().prop_flat_map(shuffled)) {
        let mut log = Log::new(&every_minute());
        log.take(order.clone());
        prop_assert_eq!(log.open_missing(), missing(&records));
        prop_assert_eq!(log.ledger.open_gaps(), log.state().gaps.len());
        // In pieces, with restarts in between, it is the same.
        let mut pieces = Log::new(&every_minute());
        for piece in order.chunks(3) {
            pieces.take(piece.to_vec());
            pieces.restart();
        }
        prop_assert_eq!(pieces.open_missing(), missing(&records));
    }

    #[test]
    fn what_comes_again_changes_nothing((_, order) in records().prop_flat_map(shuffled), at: Index) {
        let mut log = Log::new(&every_minute());
        log.take(order.clone());
        let (gaps, mut state) = (log.gaps.clone(), log.state());
        log.restart();
        log.take(order[at.index(order.len())..].to_vec());
        prop_assert_eq!(&log.gaps, &gaps);
        state.unwritten.clear();
        let again = DeviceLedger { unwritten: Vec::new(), ..log.state() };
        prop_assert_eq!(again, state);
    }

    #[test]
    fn no_gap_is_reported_where_no_record_is_missing(
        interval in 1_i64..3600,
        jitter in prop::collection::vec(-0.2_f64..0.2, 2..200),
        events in prop::collection::vec(prop::option::of(0.0_f64..1.0), 0..100),
    ) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "some seconds")]
        let at = |number: usize, part: f64| (interval as f64 * (number as f64 + part)) as i64;
        let mut seconds: Vec<i64> = jitter.iter().enumerate().map(|(number, part)| at(number, *part)).collect();
        // And something that happens now and then, in at most every second interval.
        let events = events.iter().zip((0..jitter.len()).step_by(2));
        seconds.extend(events.filter_map(|(part, number)| Some(at(number, (*part)?))));
        seconds.sort_unstable();
        let mut log = Log::new(&GapsSettings::default());
        log.take(seconds.iter().map(|second| record(*second)));
        prop_assert_eq!(log.gaps.len(), 0);
    }

    #[test]
    fn memory_is_bounded(
        records in prop::collection::vec((0_i64..1_000_000, any::<bool>(), any::<bool>()), 1..300),
        max in 2_usize..20,
    ) {
        let text = format!("max_stretches = {max}\njudge_parked = true\n[intervals]\nactive = \"1s\"\nparked = \"60s\"");
        let mut log = Log::new(&settings(&text));
        for (second, ignition, flush) in records {
            log.one(&with_ignition(second, ignition));
            if flush {
                log.flush();
                let state = log.state();
                prop_assert!(state.stretches.len() <= max && state.gaps.len() <= max);
                let followed = DeviceLedger { unwritten: Vec::new(), ..state };
                prop_assert!(followed.encoded_len() <= 128 + 64 * max, "{}", followed.encoded_len());
                for gap in log.gaps.values() {
                    prop_assert!(gap.received <= gap.expected);
                }
            }
        }
        prop_assert!(log.ledger.devices() == 1 && log.states.len() <= 1, "{DEVICE} only");
    }
}
