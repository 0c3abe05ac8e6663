//! The comparison: what was promised to devices, what the raw topic holds, and what became of it.

use std::collections::HashMap;
use std::fmt;

use super::ledger::Ledger;
use super::positions::{Place, Positions};
use super::stored::Stored;

/// How many examples of faults a report names.
const EXAMPLES: usize = 10;

/// What the comparison found.
#[derive(Debug, Default, Clone)]
pub struct Report {
    /// Different publishes that were sent.
    pub published: u64,
    /// Of those, acknowledged.
    pub acknowledged: u64,
    /// Acknowledged and not in the raw topic. Must be 0.
    pub missing: u64,
    /// Acknowledged and without a position. Must be 0.
    pub undecoded: u64,
    /// Raw records beyond the first of a publish.
    pub repeats: u64,
    /// Of those, more than the device sent. Must be 0.
    pub unasked: u64,
    /// Raw records that no device of the fleet published. Must be 0.
    pub foreign: u64,
    /// Raw records out of order, or twice, within one session. Must be 0.
    pub disorder: u64,
    /// Raw records without a position. Must be 0.
    pub unworked: u64,
    /// Positions beyond the first of a raw record; 0 with exactly once.
    pub position_repeats: u64,
    /// Raw records whose positions do not share one id, or share it with another's. Must be 0.
    pub wrong_ids: u64,
    /// Positions of no raw record, or of another device than its own. Must be 0.
    pub strange_positions: u64,
    /// Answers in another order than their publishes. Must be 0.
    pub answers_out_of_order: u64,
    /// Answers that said no; those publishes were sent again.
    pub refused: u64,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Sessions whose frontend told an MQTT 5 device to use another server.
    pub sent_elsewhere: u64,
    /// Sessions that were opened at the server that was referred to.
    pub referred: u64,
    /// Whether repeats of positions break a promise.
    pub exactly_once: bool,
    /// Some of the faults, in words.
    pub examples: Vec<String>,
}

impl Report {
    /// Whether every promise was kept.
    pub fn holds(&self) -> bool {
        let repeats = if self.exactly_once { self.position_repeats } else { 0 };
        let faults = [
            self.missing,
            self.undecoded,
            self.unasked,
            self.foreign,
            self.disorder,
            self.unworked,
            self.wrong_ids,
            self.strange_positions,
            self.answers_out_of_order,
            repeats,
        ];
        faults.iter().all(|count| *count == 0)
    }

    fn example(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(text());
        }
    }
}

/// Compares what was promised with what is stored and what was made of it.
pub fn compare(ledger: &Ledger, stored: &Stored, positions: &Positions, exactly_once: bool) -> Report {
    let mut report = Report {
        foreign: stored.foreign,
        disorder: stored.disorder,
        strange_positions: positions.foreign,
        answers_out_of_order: ledger.sum(|device| device.answers_out_of_order),
        refused: ledger.sum(|device| device.refused),
        sessions: ledger.sum(|device| device.sessions),
        sent_elsewhere: ledger.sum(|device| device.sent_elsewhere),
        referred: ledger.sum(|device| device.referred),
        exactly_once,
        ..Report::default()
    };
    let decoded = positions_of_records(stored, positions, &mut report);
    for (device, of_device) in ledger.devices.iter().enumerate() {
        for (number, published) in (0_u32..).zip(&of_device.publishes) {
            let publish = (device, number);
            let records = stored.counts.get(&publish).copied().unwrap_or(0);
            report.published += 1;
            report.acknowledged += u64::from(published.acknowledged);
            report.repeats += u64::from(records.saturating_sub(1));
            report.unasked += u64::from(records.saturating_sub(published.written));
            if published.acknowledged && records == 0 {
                report.missing += 1;
                report.example(|| format!("device {device}, publish {number}: not stored"));
            }
            if published.acknowledged && !decoded.contains_key(&publish) {
                report.undecoded += 1;
                report.example(|| format!("device {device}, publish {number}: no position"));
            }
        }
    }
    let known = |publish: &(usize, u32)| {
        let publishes = ledger.devices.get(publish.0).map_or(0, |device| device.publishes.len());
        usize::try_from(publish.1).is_ok_and(|number| number < publishes)
    };
    report.foreign += stored.counts.keys().filter(|publish| !known(publish)).count() as u64;
    report
}

/// Looks at the positions of each raw record; returns how many each publish has.
fn positions_of_records(
    stored: &Stored,
    positions: &Positions,
    report: &mut Report,
) -> HashMap<(usize, u32), u32> {
    let mut decoded: HashMap<(usize, u32), u32> = HashMap::new();
    for (place, publish) in &stored.records {
        if let Some(seen) = positions.seen.get(place) {
            *decoded.entry(*publish).or_default() += seen.count;
        } else {
            report.unworked += 1;
            report.example(|| format!("raw record {place:?} of {publish:?}: no position"));
        }
    }
    let mut owners: HashMap<&str, Place> = HashMap::new();
    let mut names: HashMap<usize, &str> = HashMap::new();
    for (place, seen) in &positions.seen {
        report.position_repeats += u64::from(seen.count - 1);
        let shared = owners.insert(&seen.event_id, *place).is_some();
        if shared || !seen.one_id {
            report.wrong_ids += 1;
            report.example(|| format!("raw record {place:?}: event id {}", seen.event_id));
        }
        // All positions of one device of the fleet name the same device.
        let own = stored.records.get(place).is_some_and(|(device, _)| {
            *names.entry(*device).or_insert(&seen.device_id) == seen.device_id.as_str()
        });
        if !own {
            report.strange_positions += 1;
            report.example(|| format!("a position of {place:?}, device {}", seen.device_id));
        }
    }
    decoded
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repeats = if self.exactly_once { "must be 0" } else { "" };
        let lines = [
            ("published", self.published, ""),
            ("acknowledged", self.acknowledged, ""),
            ("acknowledged, not in the raw topic", self.missing, "must be 0"),
            ("acknowledged, without a position", self.undecoded, "must be 0"),
            ("raw records beyond the first", self.repeats, ""),
            ("  of those, not sent again", self.unasked, "must be 0"),
            ("raw records of nobody", self.foreign, "must be 0"),
            ("raw records out of order in a session", self.disorder, "must be 0"),
            ("raw records without a position", self.unworked, "must be 0"),
            ("positions beyond the first", self.position_repeats, repeats),
            ("raw records with wrong event ids", self.wrong_ids, "must be 0"),
            ("positions of nothing", self.strange_positions, "must be 0"),
            ("answers out of order", self.answers_out_of_order, "must be 0"),
            ("answers that said no", self.refused, ""),
            ("sessions", self.sessions, ""),
            ("  ended with \"use another server\"", self.sent_elsewhere, ""),
            ("  opened at the server referred to", self.referred, ""),
        ];
        for (what, count, must) in lines {
            let line = format!("{what:<40} {count:>10}  {must}");
            writeln!(f, "{}", line.trim_end())?;
        }
        for example in &self.examples {
            writeln!(f, "  {example}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::{DeviceLedger, Published};
    use super::*;

    /// One device with these publishes: acknowledged, and how often written.
    fn ledger(all: &[(bool, u32)]) -> Ledger {
        let publish = |&(acknowledged, written): &(bool, u32)| Published { acknowledged, written };
        let publishes = all.iter().map(publish).collect();
        Ledger { devices: vec![DeviceLedger { publishes, ..DeviceLedger::default() }] }
    }

    /// Raw records in this order: number and session.
    fn stored(records: &[(u32, &str)]) -> Stored {
        let mut stored = Stored::default();
        for (offset, (number, session)) in (0..).zip(records) {
            stored.take((0, offset), (0, *number), (*session).to_owned());
        }
        stored
    }

    /// Positions: offset of the raw record and id.
    fn positions(all: &[(i64, &str)]) -> Positions {
        let mut positions = Positions::default();
        for (offset, id) in all {
            positions.take((0, *offset), id, "device");
        }
        positions
    }

    #[test]
    fn what_is_acknowledged_must_be_stored_and_decoded() {
        let ledger = ledger(&[(true, 1), (true, 1), (true, 1), (false, 1)]);
        let report = compare(&ledger, &stored(&[(0, "a"), (1, "a")]), &positions(&[(0, "x")]), false);
        assert_eq!((report.published, report.acknowledged), (4, 3));
        assert_eq!((report.missing, report.undecoded, report.unworked), (1, 2, 1));
        assert!(!report.holds(), "{report}");
    }

    #[test]
    fn a_publish_may_be_there_as_often_as_it_was_sent() {
        let (records, events) = (stored(&[(0, "a"), (0, "b")]), positions(&[(0, "x"), (1, "y")]));
        let twice = compare(&ledger(&[(true, 2)]), &records, &events, true);
        assert!(twice.holds() && twice.repeats == 1, "{twice}");
        let once = compare(&ledger(&[(true, 1)]), &records, &events, true);
        assert!(!once.holds() && once.unasked == 1, "{once}");
    }

    #[test]
    fn positions_of_one_record_share_their_id_and_no_others_do() {
        let (ledger, records) = (ledger(&[(true, 1), (true, 1)]), stored(&[(0, "a"), (1, "a")]));
        let repeated = positions(&[(0, "x"), (0, "x"), (1, "y")]);
        let report = compare(&ledger, &records, &repeated, false);
        assert!(report.holds() && report.position_repeats == 1, "{report}");
        assert!(!compare(&ledger, &records, &repeated, true).holds());
        for wrong in [&[(0, "x"), (0, "z"), (1, "y")][..], &[(0, "x"), (1, "x")][..]] {
            assert_eq!(compare(&ledger, &records, &positions(wrong), false).wrong_ids, 1);
        }
    }

    #[test]
    fn disorder_and_what_nobody_sent_are_faults() {
        let ledger = ledger(&[(true, 1), (true, 1)]);
        let events = positions(&[(0, "x"), (1, "y")]);
        assert_eq!(compare(&ledger, &stored(&[(1, "a"), (0, "a")]), &events, false).disorder, 1);
        let events = positions(&[(0, "x"), (1, "y"), (2, "z")]);
        let report = compare(&ledger, &stored(&[(0, "a"), (1, "a"), (7, "a")]), &events, false);
        assert_eq!((report.foreign, report.strange_positions), (1, 0), "{report}");
        let report = compare(&ledger, &stored(&[(0, "a"), (1, "a")]), &events, false);
        assert_eq!(report.strange_positions, 1, "{report}");
    }
}
