//! What a comparison has found: verdicts into counts and differences.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::json::Json;
use crate::replay::shadow::diff;
use crate::replay::shadow::join::Verdict;
use crate::replay::shadow::produced::Produced;
use crate::replay::shadow::report::{Counts, Report, What};
use crate::replay::shadow::side::{Place, Side};

/// What has been found.
#[derive(Debug)]
pub(super) struct Results {
    json: Json,
    pub(super) report: Report,
    pub(super) counts: Counts,
    pub(super) frontier: Frontier,
}

/// How far the decoders of the time have come. Every raw record becomes something, so what they have not reached in a
/// raw partition is not missing, but not decoded yet.
#[derive(Debug, Default)]
pub(super) struct Frontier(BTreeMap<i32, i64>);

impl Frontier {
    /// Something was produced of this place.
    pub(super) fn saw(&mut self, place: Place) {
        let reached = self.0.entry(place.partition).or_insert(place.offset);
        *reached = (*reached).max(place.offset);
    }

    fn reached(&self, place: Place) -> bool {
        self.0.get(&place.partition).is_some_and(|reached| place.offset <= *reached)
    }
}

impl Results {
    /// Nothing yet.
    pub(super) fn new(json: bool) -> Result<Self> {
        Ok(Self {
            json: Json::new()?,
            report: Report::new(json),
            counts: Counts::default(),
            frontier: Frontier::default(),
        })
    }

    /// Notes a verdict.
    pub(super) fn take(&mut self, verdict: Verdict, produced: &[Produced]) -> Result<()> {
        match verdict {
            Verdict::Both { old, new } => {
                self.counts.compared += 1;
                self.both(&old, &new)
            }
            Verdict::Added(new) => {
                let topic = produced.iter().find(|topic| topic.kind == new.kind);
                if topic.is_some_and(|topic| topic.may_be_gone(new.received_ms)) {
                    self.counts.gone += 1;
                    return Ok(());
                }
                if !self.frontier.reached(new.place) {
                    self.counts.undecoded += 1;
                    return Ok(());
                }
                self.counts.added += 1;
                self.report.only(&new, What::Added)
            }
            Verdict::Removed(old) => {
                self.counts.removed += 1;
                self.report.only(&old, What::Removed)
            }
            Verdict::Repeat { differs } => {
                self.counts.repeats += 1;
                self.counts.repeats_differ += u64::from(differs);
                Ok(())
            }
            Verdict::Orphan => {
                self.counts.orphans += 1;
                Ok(())
            }
            Verdict::Late => {
                self.counts.late += 1;
                Ok(())
            }
        }
    }

    fn both(&mut self, old: &Side, new: &Side) -> Result<()> {
        if old.kind != new.kind {
            self.counts.changed += 1;
            let (was, is) = (old.kind.name().to_owned(), new.kind.name().to_owned());
            let change = diff::Change { field: "(kind)".to_owned(), old: Some(was), new: Some(is) };
            return self.report.changed(new, &change);
        }
        let changes = if old.value == new.value {
            Vec::new()
        } else {
            let read = |side: &Side| self.json.decode(side.kind.message(), &side.value);
            diff::changes(&read(old)?, &read(new)?)
        };
        if changes.is_empty() {
            self.counts.same += 1;
            return Ok(());
        }
        self.counts.changed += 1;
        changes.iter().try_for_each(|change| self.report.changed(new, change))
    }
}
