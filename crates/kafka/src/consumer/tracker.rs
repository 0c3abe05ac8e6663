//! Which records of a partition are complete: the mark below which all are, whatever order they complete in.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::metrics::PartitionMetrics;

/// How far apart looks for lost commits are.
const LOOK: Duration = Duration::from_secs(10);

/// Records and bytes handed over and not completed, over all partitions; and a bell for each completion.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    records: AtomicUsize,
    bytes: AtomicUsize,
    abandoned: AtomicUsize,
    waiting: AtomicBool,
    lock: Mutex<()>,
    bell: Condvar,
}

impl InFlight {
    pub(super) fn records(&self) -> usize {
        self.records.load(Ordering::Acquire)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    /// Records that were dropped without completion while their partition was ours.
    pub(super) fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Waits until `holds`, woken by completions; `false` at the deadline.
    pub(super) fn wait_until(&self, deadline: Instant, mut holds: impl FnMut() -> bool) -> bool {
        let mut guard = lock(&self.lock);
        self.waiting.store(true, Ordering::SeqCst);
        let outcome = loop {
            if holds() {
                break true;
            }
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                break false;
            };
            guard = self.bell.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0;
        };
        self.waiting.store(false, Ordering::SeqCst);
        outcome
    }

    fn ring(&self) {
        // Only the consumer's thread ever waits; completions need the lock only then.
        if self.waiting.load(Ordering::SeqCst) {
            drop(lock(&self.lock));
            self.bell.notify_all();
        }
    }
}

/// One assignment of one partition; a later assignment of the same partition is another.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) topic: Arc<str>,
    pub(super) number: i32,
    pub(super) metrics: PartitionMetrics,
    in_flight: Arc<InFlight>,
    ours: AtomicBool,
    marks: Mutex<Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    /// Number of records completed and popped from the front of `window`.
    popped: u64,
    /// Records handed over, oldest first.
    window: VecDeque<Slot>,
    /// Offset that follows the last record handed over.
    next: Option<i64>,
    /// Next offset to commit.
    mark: Option<i64>,
    /// What was sent to Kafka last and not known to have failed.
    committed: Option<i64>,
    /// Time of the last record popped, Unix milliseconds.
    popped_ms: Option<i64>,
    /// What had been sent when Kafka's answers were looked at last.
    due: Option<(i64, Instant)>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    offset: i64,
    /// Time of the record, Unix milliseconds; 0 if it has none.
    time_ms: i64,
    complete: bool,
}

impl Partition {
    pub(super) fn new(group: &str, topic: &str, number: i32, in_flight: Arc<InFlight>) -> Self {
        Self {
            topic: topic.into(),
            number,
            metrics: PartitionMetrics::new(group, topic, number),
            in_flight,
            ours: AtomicBool::new(true),
            marks: Mutex::default(),
        }
    }

    /// Counts a record in, which has this time, Unix milliseconds; its token must be completed.
    pub(super) fn begin(self: &Arc<Self>, offset: i64, time_ms: Option<i64>, bytes: usize) -> Done {
        let mut marks = lock(&self.marks);
        let skipped = marks.next.map_or(0, |next| u64::try_from(offset.saturating_sub(next)).unwrap_or(0));
        if skipped > 0 {
            self.metrics.skipped.increment(skipped);
        }
        marks.next = Some(offset.saturating_add(1));
        let sequence = marks.popped + marks.window.len() as u64;
        marks.window.push_back(Slot { offset, time_ms: time_ms.unwrap_or(0), complete: false });
        drop(marks);
        self.in_flight.records.fetch_add(1, Ordering::AcqRel);
        self.in_flight.bytes.fetch_add(bytes, Ordering::AcqRel);
        Done { partition: Some(Arc::clone(self)), sequence, bytes }
    }

    /// Offset that follows the last record handed over, if one was.
    pub(super) fn next(&self) -> Option<i64> {
        lock(&self.marks).next
    }

    /// Whether nothing handed over is incomplete.
    pub(super) fn is_idle(&self) -> bool {
        lock(&self.marks).window.is_empty()
    }

    /// The offset to commit, if it is newer than what was committed; taken as committed from now on.
    pub(super) fn take_commit(&self) -> Option<i64> {
        let mut marks = lock(&self.marks);
        if marks.mark == marks.committed {
            return None;
        }
        marks.committed = marks.mark;
        marks.mark
    }

    /// Compares with what Kafka has acknowledged, from time to time. A commit that was sent before the last look and
    /// is still not there has failed: the next one sends it again.
    pub(super) fn commit_is_missing(&self, acknowledged: i64, now: Instant) -> bool {
        let mut marks = lock(&self.marks);
        // Statistics may have waited behind a rebalance, and then say how things were before the last look.
        if marks.due.is_some_and(|(_, looked)| now.duration_since(looked) < LOOK) {
            return false;
        }
        let missing = marks.due.is_some_and(|(due, _)| acknowledged < due);
        if missing {
            marks.committed = None;
        }
        marks.due = marks.committed.map(|committed| (committed, now));
        missing
    }

    /// Next offset to commit, if anything was completed.
    pub(super) fn mark(&self) -> Option<i64> {
        lock(&self.marks).mark
    }

    /// Time of the oldest record that is not complete, or where all are, of the last one that was: what Kafka has
    /// beyond it is hardly older. Unix milliseconds; `None` before the first record.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        let marks = lock(&self.marks);
        let open = marks.window.front().map(|slot| slot.time_ms).filter(|time_ms| *time_ms > 0);
        open.or(marks.popped_ms)
    }

    /// The partition is another member's now; completions of its records mean nothing any more.
    pub(super) fn give_up(&self) {
        self.ours.store(false, Ordering::Release);
    }

    fn complete(&self, sequence: u64) {
        let mut marks = lock(&self.marks);
        let index = usize::try_from(sequence.wrapping_sub(marks.popped)).unwrap_or(usize::MAX);
        if let Some(slot) = marks.window.get_mut(index) {
            slot.complete = true;
        }
        while let Some(Slot { offset, time_ms, complete: true }) = marks.window.front().copied() {
            marks.window.pop_front();
            marks.popped += 1;
            marks.mark = Some(offset + 1);
            if time_ms > 0 {
                marks.popped_ms = Some(time_ms);
            }
        }
    }

    fn leave(&self, bytes: usize) {
        self.in_flight.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.in_flight.records.fetch_sub(1, Ordering::SeqCst);
        self.in_flight.ring();
    }
}

/// The duty to complete one record. Complete it when everything that follows from the record is durable; dropping it
/// without that holds the partition's mark for ever, so it ends the consumer.
#[must_use = "a record that is never completed stops the commits of its partition"]
pub struct Done {
    partition: Option<Arc<Partition>>,
    sequence: u64,
    bytes: usize,
}

impl Done {
    /// The record, and all that follows from it, is durable.
    pub fn complete(mut self) {
        if let Some(partition) = self.partition.take() {
            partition.complete(self.sequence);
            partition.leave(self.bytes);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        let Some(partition) = self.partition.take() else {
            return;
        };
        if partition.ours.load(Ordering::Acquire) {
            partition.in_flight.abandoned.fetch_add(1, Ordering::AcqRel);
        }
        partition.leave(self.bytes);
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Done").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> (Arc<InFlight>, Arc<Partition>) {
        let in_flight = Arc::new(InFlight::default());
        (Arc::clone(&in_flight), Arc::new(Partition::new("g", "t", 0, in_flight)))
    }

    #[test]
    fn the_mark_follows_the_oldest_incomplete_record() {
        let (in_flight, partition) = partition();
        // Compaction leaves gaps between offsets.
        let [a, b, c] = [10, 15, 16].map(|offset| partition.begin(offset, None, 3));
        b.complete();
        assert_eq!(partition.take_commit(), None);
        a.complete();
        assert_eq!(partition.take_commit(), Some(16));
        assert_eq!(partition.take_commit(), None);
        assert_eq!((in_flight.records(), in_flight.bytes()), (1, 3));
        c.complete();
        assert_eq!(partition.take_commit(), Some(17));
        assert!(partition.is_idle());
    }

    #[test]
    fn the_oldest_incomplete_record_tells_how_late_it_is_and_else_the_last_one_done() {
        let (_, partition) = partition();
        assert_eq!(partition.oldest_ms(), None);
        let [a, b] = [(0, 500), (1, 700)].map(|(offset, ms)| partition.begin(offset, Some(ms), 0));
        b.complete();
        assert_eq!(partition.oldest_ms(), Some(500));
        a.complete();
        assert_eq!(partition.oldest_ms(), Some(700));
    }

    #[test]
    fn a_commit_that_does_not_arrive_is_tried_again() {
        let (_, partition) = partition();
        partition.begin(0, None, 0).complete();
        assert_eq!(partition.take_commit(), Some(1));
        let start = Instant::now();
        assert!(!partition.commit_is_missing(0, start), "its answer may be under way");
        assert!(!partition.commit_is_missing(0, start + LOOK / 2));
        assert!(partition.commit_is_missing(0, start + LOOK));
        assert_eq!(partition.take_commit(), Some(1));
        assert!(!partition.commit_is_missing(1, start + LOOK));
        assert!(!partition.commit_is_missing(1, start + LOOK * 2));
    }

    #[test]
    fn a_dropped_token_holds_the_mark_and_is_counted() {
        let (in_flight, partition) = partition();
        let first = partition.begin(0, None, 0);
        partition.begin(1, None, 0).complete();
        drop(first);
        assert_eq!((partition.mark(), in_flight.abandoned(), in_flight.records()), (None, 1, 0));
    }

    #[test]
    fn a_token_of_a_lost_partition_may_be_dropped() {
        let (in_flight, partition) = partition();
        let token = partition.begin(0, None, 0);
        partition.give_up();
        drop(token);
        assert_eq!(in_flight.abandoned(), 0);
    }

    #[test]
    fn a_completion_wakes_the_waiting_thread() {
        let (in_flight, partition) = partition();
        let token = partition.begin(0, None, 0);
        let deadline = Instant::now() + Duration::from_secs(10);
        std::thread::scope(|scope| {
            scope.spawn(move || token.complete());
            assert!(in_flight.wait_until(deadline, || in_flight.records() == 0));
        });
        assert!(!in_flight.wait_until(Instant::now(), || false));
    }
}
