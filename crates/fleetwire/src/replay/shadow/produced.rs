//! One topic of what was produced, read along with the raw topic.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fleetwire_kafka::{Range, RangeEvent, RangeReader};
use fleetwire_model::Topic;
use tokio_util::sync::CancellationToken;

use crate::replay::Span;
use crate::replay::shadow::side::Side;
use crate::replay::today::Kind;
use crate::target::Target;

/// How far a decoder's clock may be behind a frontend's.
const SKEW_MS: i64 = 5 * 60_000;

/// One topic, and how far it is by the times of reception of what it holds.
#[derive(Debug)]
pub(super) struct Produced {
    pub(super) kind: Kind,
    reader: RangeReader,
    span: Span,
    settle_ms: i64,
    /// Latest time of reception seen in each partition that is not finished; `i64::MIN` before the first record.
    seen_ms: BTreeMap<i32, i64>,
    /// Partitions that may have held more, which retention has removed: their first record is not seen yet.
    cut: BTreeMap<i32, Cut>,
    ended: bool,
}

/// What is known of a partition that retention has shortened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Nothing of it is read yet, or it holds nothing.
    Unknown,
    /// Time of reception of the first record that is kept.
    From(i64),
}

impl Produced {
    pub(super) fn open(
        target: &Target,
        kind: Kind,
        span: Span,
        settle_ms: i64,
        stop: &CancellationToken,
    ) -> Result<Self> {
        let topic = target.topics.name(match kind {
            Kind::Position => Topic::Positions,
            Kind::Event => Topic::DeviceEvents,
            Kind::DeadLetter => Topic::DeadLetters,
        });
        // To the end: how far behind the decoders were at that time shows only in what they wrote.
        let range = Range { from_ms: Some(span.from_ms.saturating_sub(SKEW_MS)), ..Range::default() };
        let reader = RangeReader::new(&target.client, &topic, range, stop)?;
        let (mut seen_ms, mut cut) = (BTreeMap::new(), BTreeMap::new());
        for (number, stretch) in reader.stretches() {
            if stretch.start < stretch.end {
                seen_ms.insert(number, i64::MIN);
            }
            if stretch.kept_from > 0 && stretch.start == stretch.kept_from {
                cut.insert(number, Cut::Unknown);
            }
        }
        Ok(Self { kind, reader, span, settle_ms, seen_ms, cut, ended: false })
    }

    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// How far it is: everything received before this time has been seen, but for `settle`.
    pub(super) fn clock_ms(&self) -> i64 {
        if self.ended { i64::MAX } else { self.seen_ms.values().copied().min().unwrap_or(i64::MAX) }
    }

    /// Whether retention may have removed what came of a publish of this time.
    pub(super) fn may_be_gone(&self, received_ms: i64) -> bool {
        let known = self.cut.values().filter_map(|cut| match cut {
            Cut::From(ms) => Some(*ms),
            Cut::Unknown => None,
        });
        match known.max() {
            Some(from_ms) => received_ms < from_ms.saturating_add(self.settle_ms),
            // Shortened, and nothing is left to tell how far.
            None => !self.cut.is_empty(),
        }
    }

    /// The next record, waited for at most `wait`.
    pub(super) fn next(&mut self, wait: Duration) -> Result<Option<Side>> {
        let message = match self.reader.next(wait)? {
            RangeEvent::Record(message) => message,
            RangeEvent::Idle => {
                self.close();
                return Ok(None);
            }
            RangeEvent::End => {
                self.ended = true;
                return Ok(None);
            }
        };
        let (partition, offset) = (message.partition(), message.offset());
        let side = Side::read(self.kind, message.payload().unwrap_or_default())
            .with_context(|| format!("at {partition}:{offset} of {}", message.topic()))?;
        let received_ms = side.received_ms;
        if let Some(seen) = self.seen_ms.get_mut(&partition) {
            *seen = (*seen).max(received_ms);
        }
        if let Some(cut @ Cut::Unknown) = self.cut.get_mut(&partition) {
            *cut = Cut::From(received_ms);
        }
        // Behind the range nothing more of it comes.
        if received_ms > self.span.to_ms.saturating_add(self.settle_ms) {
            self.reader.finish(partition);
        }
        self.close();
        Ok(Some(side))
    }

    /// Forgets partitions that are finished, so that they hold nothing back.
    fn close(&mut self) {
        if self.seen_ms.len() == self.reader.open_partitions() {
            return;
        }
        let rest = self.reader.rest();
        self.seen_ms.retain(|partition, _| rest.contains_key(partition));
    }
}
