//! `fleetwire replay --shadow`: would this build decode a range as it was decoded at the time?
//!
//! The raw topic and the three topics that a decoder writes to are read side by side, by the time of reception, so
//! that only what lies between them waits in memory.

mod diff;
mod join;
mod produced;
mod report;
mod results;
mod side;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use fleetwire_decoder::interpret::RawRecord;
use fleetwire_kafka::{RangeEvent, RangeReader};
use fleetwire_model::Topic;
use fleetwire_service::exit::Exit;
use tokio_util::sync::CancellationToken;

use crate::replay::Span;
use crate::replay::filter::Filter;
use crate::replay::progress::Progress;
use crate::replay::range;
use crate::replay::resume::{self, Resume};
use crate::replay::shadow::join::Join;
use crate::replay::shadow::produced::Produced;
use crate::replay::shadow::report::Counts;
use crate::replay::shadow::results::Results;
use crate::replay::shadow::side::Side;
use crate::replay::shadow::words::{eprint, say};
use crate::replay::today::{Decoding, Kind, Today};
use crate::target::Target;
use crate::when;

/// How long one wait for a record takes before the stop is looked at.
const WAIT: Duration = Duration::from_millis(100);

/// What to compare.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) span: Span,
    pub(super) filter: Filter,
    pub(super) settle: Duration,
    pub(super) max_waiting: usize,
    pub(super) resume: Option<Resume>,
    pub(super) json: bool,
}

/// Compares; 0 where nothing differs, 1 where something does.
pub(super) fn run(target: &Target, decoding: &Decoding, job: &Job, stop: &CancellationToken) -> Result<Exit> {
    let mut shadow = Shadow::open(target, decoding, job, stop)?;
    let mut progress = Progress::new();
    let finished = shadow.compare(&mut progress, stop)?;
    progress.clear();
    let rest = shadow.raw.rest();
    let (span, counts) = (job.span, shadow.finish(finished)?);
    say(&counts, span, &progress);
    if !finished {
        let flags = resume::flags(&when::rfc3339(span.from_ms), &when::rfc3339(span.to_ms), &rest);
        eprint(&format!("stopped before the end; go on with the same flags and {flags}"));
        return Ok(Exit::NotDrained);
    }
    if counts.records > 0 && counts.compared == 0 && !counts.differ() {
        bail!("nothing could be compared");
    }
    Ok(if counts.differ() { Exit::Failed } else { Exit::Done })
}

/// A comparison on its way.
#[derive(Debug)]
struct Shadow {
    today: Today,
    filter: Filter,
    span: Span,
    raw: RangeReader,
    raw_topic: String,
    raw_ended: bool,
    /// Latest time of a raw record.
    raw_ms: i64,
    /// The first offset of each raw partition, and the first behind the range.
    bounds: BTreeMap<i32, (i64, i64)>,
    produced: Vec<Produced>,
    join: Join,
    results: Results,
}

impl Shadow {
    fn open(target: &Target, decoding: &Decoding, job: &Job, stop: &CancellationToken) -> Result<Self> {
        let today = Today::new(target, decoding)?;
        let raw = range::open(target, job.span, job.resume.as_ref(), stop)?;
        let settle_ms = i64::try_from(job.settle.as_millis()).unwrap_or(i64::MAX);
        let open = |kind| Produced::open(target, kind, job.span, settle_ms, stop);
        let stretches = raw.stretches().into_iter();
        Ok(Self {
            filter: job.filter.clone().by(today.devices()),
            today,
            span: job.span,
            raw_topic: target.topics.name(Topic::Raw),
            raw_ended: false,
            raw_ms: job.span.from_ms,
            bounds: stretches.map(|(number, s)| (number, (s.start, s.end))).collect(),
            raw,
            produced: Kind::ALL.into_iter().map(open).collect::<Result<_>>()?,
            join: Join::new(settle_ms, job.max_waiting),
            results: Results::new(job.json)?,
        })
    }

    /// Reads both sides to their ends, which is `true`, or to the stop: always the one that is behind.
    fn compare(&mut self, progress: &mut Progress, stop: &CancellationToken) -> Result<bool> {
        while !stop.is_cancelled() {
            progress.show(self.results.counts.records, || self.raw.progress());
            let behind = self.produced.iter().enumerate().filter(|(_, topic)| !topic.ended());
            let behind = behind.min_by_key(|(_, topic)| topic.clock_ms());
            let behind = behind.filter(|(_, topic)| self.raw_ended || topic.clock_ms() <= self.raw_ms);
            match behind.map(|(index, _)| index) {
                Some(index) => self.step_produced(index)?,
                None if !self.raw_ended => self.step_raw()?,
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    fn step_produced(&mut self, index: usize) -> Result<()> {
        let Some(topic) = self.produced.get_mut(index) else { return Ok(()) };
        if let Some(old) = topic.next(WAIT)? {
            if old.raw_topic == self.raw_topic {
                self.results.frontier.saw(old.place);
            }
            if self.wants(&old)
                && let Some(verdict) = self.join.produced(old, self.raw_ms)?
            {
                self.results.take(verdict, &self.produced)?;
            }
        }
        self.passed()
    }

    /// What all topics are past is certain; those that have ended hold nothing back.
    fn passed(&mut self) -> Result<()> {
        let clock_ms = self.produced.iter().map(Produced::clock_ms).min().unwrap_or(i64::MAX);
        let mut verdicts = Vec::new();
        self.join.passed(clock_ms, |verdict| verdicts.push(verdict));
        verdicts.into_iter().try_for_each(|verdict| self.results.take(verdict, &self.produced))
    }

    fn step_raw(&mut self) -> Result<()> {
        let message = match self.raw.next(WAIT)? {
            RangeEvent::Record(message) => message,
            RangeEvent::Idle => return Ok(()),
            RangeEvent::End => {
                self.raw_ended = true;
                return Ok(());
            }
        };
        let time_ms = message.timestamp_ms().unwrap_or(self.raw_ms);
        self.raw_ms = self.raw_ms.max(time_ms);
        let raw = RawRecord {
            topic: message.topic(),
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().unwrap_or_default(),
            value: message.payload().unwrap_or_default(),
        };
        let mut made = Vec::new();
        if self.filter.wants_raw(raw.key, raw.value) {
            self.results.counts.records += 1;
            self.today.decode(raw, |output| {
                if self.filter.wants(output.key) {
                    let mut side = Side::read(output.kind, output.value)?;
                    if side.received_ms == 0 {
                        side.received_ms = time_ms;
                    }
                    made.push(side);
                }
                Ok(())
            })?;
        }
        let mut verdicts = Vec::new();
        self.join.decoded((raw.partition, raw.offset), made, |verdict| verdicts.push(verdict))?;
        drop(message);
        verdicts.into_iter().try_for_each(|verdict| self.results.take(verdict, &self.produced))?;
        self.passed()
    }

    /// Whether something that was produced is of the range and of a device that is wanted.
    fn wants(&self, old: &Side) -> bool {
        let within = self.bounds.get(&old.place.partition);
        let within = within.is_some_and(|(start, end)| (*start..*end).contains(&old.place.offset));
        within
            && old.raw_topic == self.raw_topic
            // Zero where the record was no publish, so that nobody knows.
            && (old.received_ms == 0 || (self.span.from_ms..self.span.to_ms).contains(&old.received_ms))
            && self.filter.wants(old.device.as_bytes())
    }

    fn finish(self, finished: bool) -> Result<Counts> {
        let Self { join, produced, mut results, .. } = self;
        // After a stop nothing is certain of what still waits.
        if finished {
            let mut verdicts = Vec::new();
            join.finish(|verdict| verdicts.push(verdict));
            verdicts.into_iter().try_for_each(|verdict| results.take(verdict, &produced))?;
        }
        results.report.finish()?;
        Ok(results.counts)
    }
}
