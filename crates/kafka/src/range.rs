//! A reader of a part of a topic: between two times, or from offsets that are named, up to what was there at the
//! start. It has no group, commits nothing, and ends by itself.

mod bounds;
mod decided;

pub(crate) use bounds::by_time;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use crate::client::QuietContext;
use crate::error::ClientError;
use crate::heart;
use crate::message::Message;
use crate::reader::ReaderError;
use crate::settings::ClientSettings;

/// Which records to read. The default is everything that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Records with this time or a later one, Unix milliseconds; a record without a time always counts.
    pub from_ms: Option<i64>,
    /// Records before this time, Unix milliseconds.
    pub to_ms: Option<i64>,
    /// Times of records are not quite in the order of their offsets: how far beyond `to_ms` records are looked at.
    pub slack: Duration,
    /// Only these partitions, from these offsets on. All partitions if not given.
    pub offsets: Option<BTreeMap<i32, i64>>,
    /// How long the start may take, with Kafka down.
    pub ready_timeout: Duration,
    /// How long nothing may come while something is still to come.
    pub stall_timeout: Duration,
}

impl Default for Range {
    fn default() -> Self {
        Self {
            from_ms: None,
            to_ms: None,
            slack: Duration::from_mins(5),
            offsets: None,
            ready_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_mins(1),
        }
    }
}

/// What a reader of a range has to say.
#[derive(Debug)]
pub enum RangeEvent<'a> {
    /// The next record. Order holds within a partition; of several partitions, the one that is behind comes first.
    Record(Message<'a>),
    /// Nothing came in time.
    Idle,
    /// Everything has been read.
    End,
}

/// How far a reader is, in offsets. Compacted records and those of transactions count too, so records may be fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RangeProgress {
    /// Offsets behind it.
    pub done: u64,
    /// Offsets of the whole range.
    pub total: u64,
}

/// The part of one partition that a range is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Oldest offset that Kafka keeps.
    pub kept_from: i64,
    /// First offset of the range.
    pub start: i64,
    /// First offset behind the range.
    pub end: i64,
    /// Next offset to be read.
    pub next: i64,
}

/// One partition on its way.
#[derive(Debug, Clone, Copy)]
struct Part {
    stretch: Stretch,
    /// Latest time of a record; `i64::MIN` before the first.
    time_ms: i64,
    finished: bool,
}

type Client = BaseConsumer<QuietContext>;

/// Reads a range of one topic, the partitions merged by the times of their records.
pub struct RangeReader {
    inner: Arc<Client>,
    /// Each partition has a queue of its own, so that it is read when it is its turn.
    queues: BTreeMap<i32, PartitionQueue<QuietContext>>,
    topic: String,
    range: Range,
    parts: RefCell<BTreeMap<i32, Part>>,
    /// The partition whose turn it is, and until which time.
    turn: Cell<Option<(i32, i64)>>,
    /// Whether Kafka found the offsets by time.
    found_by_time: bool,
    /// How long nothing has come.
    waited: Cell<Duration>,
}

impl RangeReader {
    /// Finds the range's offsets; waits for Kafka until the deadline or the stop.
    pub fn new(
        settings: &ClientSettings,
        topic: &str,
        range: Range,
        stop: &CancellationToken,
    ) -> Result<Self, ReaderError> {
        // librdkafka wants a group for any consumer; this one joins none and commits nothing.
        let mut config = settings.consumer_config("fleetwire-range").map_err(ClientError::from)?;
        config
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest")
            // For each partition: there may be a hundred of them, and most wait for their turn.
            .set("queued.max.messages.kbytes", "1024");
        let inner = Client::from_config_and_context(&config, QuietContext).map_err(ClientError::from)?;
        let inner = Arc::new(inner);
        let found = bounds::find(&inner, topic, &range, stop)?;
        let mut assignment = TopicPartitionList::with_capacity(found.stretches.len());
        let (mut parts, mut queues) = (BTreeMap::new(), BTreeMap::new());
        for (number, stretch) in found.stretches {
            let finished = stretch.start >= stretch.end;
            if !finished {
                assignment
                    .add_partition_offset(topic, number, Offset::Offset(stretch.start))
                    .map_err(|error| ReaderError::Fatal(error.to_string()))?;
                let queue = inner.split_partition_queue(topic, number);
                let none = || ReaderError::Fatal(format!("partition {number} of {topic} has no queue"));
                queues.insert(number, queue.ok_or_else(none)?);
            }
            parts.insert(number, Part { stretch, time_ms: i64::MIN, finished });
        }
        if !queues.is_empty() {
            inner.assign(&assignment).map_err(|error| ReaderError::Fatal(error.to_string()))?;
        }
        Ok(Self {
            inner,
            queues,
            topic: topic.to_owned(),
            range,
            parts: RefCell::new(parts),
            turn: Cell::new(None),
            found_by_time: found.by_time,
            waited: Cell::new(Duration::ZERO),
        })
    }

    /// The next event, waited for at most `wait`. An error if nothing comes for as long as the range allows.
    pub fn next(&self, wait: Duration) -> Result<RangeEvent<'_>, ReaderError> {
        heart::beat();
        let began = Instant::now();
        let deadline = began + wait;
        loop {
            let Some((number, new_turn)) = self.turn() else { return Ok(RangeEvent::End) };
            let left = deadline.saturating_duration_since(Instant::now());
            // The consumer's own queue brings errors, and wants to be looked at now and then.
            let polled = if new_turn { self.inner.poll(Duration::ZERO) } else { None };
            let polled = polled.or_else(|| self.queues.get(&number)?.poll(left));
            match polled {
                Some(Ok(message)) => {
                    let message = Message::new(message);
                    self.waited.set(Duration::ZERO);
                    if self.take(&message) {
                        return Ok(RangeEvent::Record(message));
                    }
                }
                // Where compaction or a transaction left no last record, the end of the partition is the end.
                Some(Err(KafkaError::PartitionEOF(number))) => self.finish(number),
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    return Err(ReaderError::Fatal(code.to_string()));
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, topic = self.topic, "reading failed; tried again");
                }
                None => self.turn.set(None),
            }
            if Instant::now() >= deadline {
                return self.idle(began.elapsed());
            }
        }
    }

    /// Reads no more of a partition.
    pub fn finish(&self, partition: i32) {
        if let Some(part) = self.parts.borrow_mut().get_mut(&partition) {
            part.finished = true;
        }
        self.turn.set(None);
    }

    /// How far it is.
    pub fn progress(&self) -> RangeProgress {
        let whole = |number: i64| u64::try_from(number).unwrap_or(0);
        self.parts.borrow().values().fold(RangeProgress::default(), |sum, part| {
            let Stretch { start, end, next, .. } = part.stretch;
            let reached = if part.finished { end } else { next };
            RangeProgress { done: sum.done + whole(reached - start), total: sum.total + whole(end - start) }
        })
    }

    /// Where it goes on, for the partitions that are not finished: enough to read the rest with
    /// [`Range::offsets`].
    pub fn rest(&self) -> BTreeMap<i32, i64> {
        let parts = self.parts.borrow();
        let open = parts.iter().filter(|(_, part)| !part.finished);
        open.map(|(number, part)| (*number, part.stretch.next)).collect()
    }

    /// The part of each partition, by its number.
    pub fn stretches(&self) -> BTreeMap<i32, Stretch> {
        self.parts.borrow().iter().map(|(number, part)| (*number, part.stretch)).collect()
    }

    /// Partitions that are not finished.
    pub fn open_partitions(&self) -> usize {
        self.parts.borrow().values().filter(|part| !part.finished).count()
    }

    /// Whether Kafka found the beginning by its time. Otherwise (the embedded log cannot) everything is read, and
    /// what is not wanted is left out.
    pub fn found_by_time(&self) -> bool {
        self.found_by_time
    }

    /// The partition to read now, and whether that is a new decision; `None` when all are finished.
    fn turn(&self) -> Option<(i32, bool)> {
        let parts = self.parts.borrow();
        if let Some((number, until)) = self.turn.get() {
            let goes_on = |part: &Part| !part.finished && part.time_ms <= until;
            if parts.get(&number).is_some_and(goes_on) {
                return Some((number, false));
            }
        }
        // The one that is furthest behind, until it is ahead of the next.
        let (mut first, mut second) = (None, i64::MAX);
        for (number, part) in parts.iter().filter(|(_, part)| !part.finished) {
            match first {
                Some((_, time)) if part.time_ms >= time => second = second.min(part.time_ms),
                Some((_, time)) => {
                    second = time;
                    first = Some((*number, part.time_ms));
                }
                None => first = Some((*number, part.time_ms)),
            }
        }
        let (number, _) = first?;
        self.turn.set(Some((number, second)));
        Some((number, true))
    }

    /// Notes a record; says whether it is one of the range.
    fn take(&self, message: &Message<'_>) -> bool {
        let mut parts = self.parts.borrow_mut();
        let (offset, time_ms) = (message.offset(), message.timestamp_ms());
        // librdkafka may have read beyond the end.
        let Some(part) = parts.get_mut(&message.partition()).filter(|part| !part.finished) else {
            return false;
        };
        let stretch = &mut part.stretch;
        if offset >= stretch.end {
            part.finished = true;
            return false;
        }
        stretch.next = offset + 1;
        part.finished = stretch.next >= stretch.end;
        part.time_ms = part.time_ms.max(time_ms.unwrap_or(i64::MIN));
        let early = time_ms.zip(self.range.from_ms).is_some_and(|(time, from)| time < from);
        let late = time_ms.zip(self.range.to_ms).is_some_and(|(time, to)| time >= to);
        !early && !late
    }

    fn idle(&self, took: Duration) -> Result<RangeEvent<'_>, ReaderError> {
        let waited = self.waited.get() + took;
        self.waited.set(waited);
        if waited < self.range.stall_timeout {
            return Ok(RangeEvent::Idle);
        }
        let reason = format!("nothing of {} came for {} s", self.topic, waited.as_secs());
        Err(ReaderError::Unreachable(reason))
    }
}

impl fmt::Debug for RangeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeReader")
            .field("topic", &self.topic)
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}
