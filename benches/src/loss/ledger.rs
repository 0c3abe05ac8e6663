//! What a fleet published and what it was promised, and the comparison with what is stored.

use std::fmt;

use super::stored::Stored;

/// How many examples of each fault a report names.
const EXAMPLES: usize = 10;

/// What one device did.
#[derive(Debug, Default, Clone)]
pub(super) struct DeviceLedger {
    /// By number: whether its PUBACK or PUBREC came.
    pub(super) acknowledged: Vec<bool>,
    /// Answers that came in another order than their publishes.
    pub(super) answers_out_of_order: u64,
    /// Answers that said no.
    pub(super) refused: u64,
    /// Publishes that were sent again in a later session.
    pub(super) sent_again: u64,
    /// Sessions that were opened.
    pub(super) sessions: u64,
}

/// What the whole fleet did.
#[derive(Debug, Default, Clone)]
pub struct Ledger {
    pub(super) devices: Vec<DeviceLedger>,
}

impl Ledger {
    /// Notes a promise that nobody made, so that a test can see the comparison fail.
    pub fn pretend_acknowledged(&mut self, device: usize) {
        if let Some(device) = self.devices.get_mut(device) {
            device.acknowledged.push(true);
        }
    }

    pub(super) fn published(&self) -> u64 {
        self.devices.iter().map(|device| device.acknowledged.len() as u64).sum()
    }

    fn acknowledged(&self) -> u64 {
        let of = |device: &DeviceLedger| device.acknowledged.iter().filter(|yes| **yes).count() as u64;
        self.devices.iter().map(of).sum()
    }
}

/// What the comparison found.
#[derive(Debug, Default, Clone)]
pub struct Report {
    /// Different publishes that were sent.
    pub published: u64,
    /// Of those, acknowledged.
    pub acknowledged: u64,
    /// Of those, stored.
    pub stored: u64,
    /// Records beyond the first of a publish: what was sent again after its first record's promise was lost.
    pub repeats: u64,
    /// Acknowledged and not stored. Must be 0.
    pub missing: u64,
    /// Records that no device of the fleet published, or under another device's name. Must be 0.
    pub foreign: u64,
    /// First records of publishes that stand before an earlier one of the same session. Must be 0.
    pub disorder: u64,
    /// The same across sessions.
    pub disorder_across_sessions: u64,
    /// Second records of a publish within one session. Must be 0.
    pub repeats_in_session: u64,
    /// Answers in another order than their publishes. Must be 0.
    pub answers_out_of_order: u64,
    /// Answers that said no; those publishes were sent again.
    pub refused: u64,
    /// Publishes sent again in a later session.
    pub sent_again: u64,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Some of the faults, in words.
    pub examples: Vec<String>,
}

impl Report {
    /// Whether every promise was kept.
    pub fn holds(&self) -> bool {
        let faults =
            [self.missing, self.foreign, self.disorder, self.repeats_in_session, self.answers_out_of_order];
        faults.iter().all(|count| *count == 0)
    }
}

/// Compares what was promised with what is stored.
pub fn compare(ledger: &Ledger, stored: &Stored) -> Report {
    let mut report = Report {
        published: ledger.published(),
        acknowledged: ledger.acknowledged(),
        foreign: stored.foreign,
        disorder: stored.disorder,
        disorder_across_sessions: stored.disorder_across_sessions,
        repeats_in_session: stored.repeats_in_session,
        examples: stored.examples.clone(),
        ..Report::default()
    };
    for (index, device) in ledger.devices.iter().enumerate() {
        report.answers_out_of_order += device.answers_out_of_order;
        report.refused += device.refused;
        report.sent_again += device.sent_again;
        report.sessions += device.sessions;
        for (number, acknowledged) in device.acknowledged.iter().enumerate() {
            match (acknowledged, stored.count(index, number)) {
                (true, 0) => {
                    report.missing += 1;
                    if report.examples.len() < EXAMPLES {
                        report.examples.push(format!("device {index}, publish {number}: not stored"));
                    }
                }
                (false, 0) => {}
                (_, count) => {
                    report.stored += 1;
                    report.repeats += u64::from(count) - 1;
                }
            }
        }
        let beyond = stored.beyond(index, device.acknowledged.len());
        report.foreign += beyond;
    }
    report
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            ("published", self.published),
            ("acknowledged", self.acknowledged),
            ("stored", self.stored),
            ("acknowledged and missing", self.missing),
            ("sent again in a later session", self.sent_again),
            ("stored more than once (repeats)", self.repeats),
            ("stored twice in one session", self.repeats_in_session),
            ("stored and never published", self.foreign),
            ("out of order within a session", self.disorder),
            ("out of order across sessions", self.disorder_across_sessions),
            ("answers out of order", self.answers_out_of_order),
            ("answers that said no", self.refused),
            ("sessions", self.sessions),
        ];
        for (what, count) in lines {
            writeln!(f, "{what:<32} {count:>10}")?;
        }
        for example in &self.examples {
            writeln!(f, "  {example}")?;
        }
        write!(f, "{}", if self.holds() { "every promise was kept" } else { "A PROMISE WAS BROKEN" })
    }
}

#[cfg(test)]
mod tests {
    use super::super::stored::Place;
    use super::*;

    fn ledger(devices: &[&[bool]]) -> Ledger {
        let device = |acknowledged: &&[bool]| DeviceLedger {
            acknowledged: acknowledged.to_vec(),
            ..DeviceLedger::default()
        };
        Ledger { devices: devices.iter().map(device).collect() }
    }

    fn stored(places: &[(usize, usize, &str)]) -> Stored {
        let mut stored = Stored::default();
        for &(device, number, session) in places {
            stored.take(&Place { device, number, session: session.to_owned() });
        }
        stored
    }

    #[test]
    fn a_promise_without_a_record_is_missing() {
        let ledger = ledger(&[&[true, true, false], &[true]]);
        let report = compare(&ledger, &stored(&[(0, 0, "a"), (1, 0, "b")]));
        assert_eq!((report.published, report.acknowledged, report.stored), (4, 3, 2));
        assert_eq!(report.missing, 1);
        assert!(!report.holds());
        assert!(report.to_string().contains("device 0, publish 1: not stored"), "{report}");
    }

    #[test]
    fn what_is_sent_again_after_a_crash_may_be_there_twice_and_what_is_unanswered_may_be_there() {
        let ledger = ledger(&[&[true, true, false]]);
        let report = compare(&ledger, &stored(&[(0, 0, "a"), (0, 1, "a"), (0, 1, "b"), (0, 2, "b")]));
        assert!(report.holds(), "{report}");
        assert_eq!((report.stored, report.repeats), (3, 1));
    }

    #[test]
    fn order_counts_within_a_session_and_only_for_first_records() {
        let ledger = ledger(&[&[true, true, true]]);
        let report = compare(&ledger, &stored(&[(0, 1, "a"), (0, 0, "a"), (0, 2, "a")]));
        assert_eq!((report.disorder, report.disorder_across_sessions), (1, 0));
        assert!(!report.holds());
        let report = compare(&ledger, &stored(&[(0, 0, "a"), (0, 2, "a"), (0, 1, "b"), (0, 2, "b")]));
        assert_eq!((report.disorder, report.disorder_across_sessions), (0, 1));
        assert!(report.holds());
    }

    #[test]
    fn a_second_record_in_one_session_and_a_record_of_nobody_are_faults() {
        let ledger = ledger(&[&[true]]);
        assert_eq!(compare(&ledger, &stored(&[(0, 0, "a"), (0, 0, "a")])).repeats_in_session, 1);
        let report = compare(&ledger, &stored(&[(0, 0, "a"), (0, 1, "a")]));
        assert_eq!(report.foreign, 1);
        assert!(!report.holds());
    }
}
