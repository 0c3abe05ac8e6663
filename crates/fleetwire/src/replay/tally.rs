//! What a replay did, counted.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::replay::today::{Kind, Made};

/// Counts of one replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    /// Raw records that were read and wanted.
    pub(crate) records: u64,
    /// Those that became at least one event.
    pub(crate) decoded: u64,
    /// Positions made.
    pub(crate) positions: u64,
    /// Device events made.
    pub(crate) events: u64,
    /// What still cannot be decoded, by code.
    pub(crate) dead_letters: BTreeMap<String, u64>,
    /// Records that Kafka acknowledged.
    pub(crate) written: u64,
}

impl Tally {
    /// One output.
    pub(crate) fn made(&mut self, made: &Made<'_>) {
        match made.kind {
            Kind::Position => self.positions += 1,
            Kind::Event => self.events += 1,
            Kind::DeadLetter => {
                let code = made.code.unwrap_or("unknown");
                match self.dead_letters.get_mut(code) {
                    Some(count) => *count += 1,
                    None => {
                        self.dead_letters.insert(code.to_owned(), 1);
                    }
                }
            }
        }
    }

    /// One raw record, which became `events` events.
    pub(crate) fn record(&mut self, events: u64) {
        self.records += 1;
        self.decoded += u64::from(events > 0);
    }

    /// Positions and device events.
    pub(crate) fn all_events(&self) -> u64 {
        self.positions + self.events
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters: u64 = self.dead_letters.values().sum();
        write!(
            f,
            "{} raw records, {} of them decoded: {} positions, {} device events, {letters} dead letters",
            self.records, self.decoded, self.positions, self.events
        )?;
        for (code, count) in &self.dead_letters {
            write!(f, "\n  {code:<20} {count}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_counted_by_kind_and_code() {
        let mut tally = Tally::default();
        let made = |kind, code| Made { kind, key: b"", value: b"", code };
        for output in [
            made(Kind::Position, None),
            made(Kind::Event, None),
            made(Kind::DeadLetter, Some("checksum")),
            made(Kind::DeadLetter, Some("checksum")),
        ] {
            tally.made(&output);
        }
        tally.record(2);
        tally.record(0);
        let text = tally.to_string();
        assert!(text.starts_with("2 raw records, 1 of them decoded: 1 positions, 1 device events, 2 dead"));
        assert!(text.ends_with("checksum             2"), "{text}");
    }
}
