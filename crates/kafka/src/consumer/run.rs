//! The loop of a group consumer: poll, hand over, hold back, commit, and at the end drain.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::message::BorrowedMessage;
use tokio_util::sync::CancellationToken;

use super::context::GroupContext;
use super::current::Current;
use super::group::{ANSWER, Group, commit_list};
use super::tracker::{Done, Partition};
use super::{Consumer, ConsumerOptions};
use crate::heart;
use crate::message::Message;

/// How long a poll waits, and so how late a stop or a commit can be.
const POLL: Duration = Duration::from_millis(100);
/// How long a full window is waited for before the partitions are paused: a pause throws away what was prefetched.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many records may come one after the other before the clock is looked at.
const LOOK_EVERY: u32 = 32;

/// Why reading ended although nobody asked for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// A record was dropped without completion, so its partition can never be committed again: a defect.
    #[error("{0} records were dropped without completion")]
    Abandoned(usize),
    /// librdkafka cannot go on.
    #[error("the Kafka consumer has failed for good: {0}")]
    Fatal(String),
}

pub(super) fn run(
    consumer: &Consumer,
    stop: &CancellationToken,
    mut handler: impl FnMut(Message<'_>, Done),
) -> Result<(), RunError> {
    let mut reading = Reading::new(consumer);
    let _carried = reading.group.heart.carry();
    let mut has_record = false;
    let outcome = loop {
        if stop.is_cancelled() {
            break Ok(());
        }
        heart::beat();
        reading.commit_when_due(has_record);
        if let Some(error) = reading.defect() {
            break Err(error);
        }
        let wait = reading.hold_back();
        let polled = consumer.inner.poll(wait);
        has_record = matches!(polled, Some(Ok(_)));
        match polled {
            Some(Ok(message)) => reading.hand_over(message, &mut handler),
            Some(Err(error)) => {
                if let Err(error) = reading.group.note(&error) {
                    break Err(error);
                }
            }
            None => {}
        }
    };
    reading.finish();
    // What was dropped in the drain counts as well.
    outcome.and(reading.defect().map_or(Ok(()), Err))
}

struct Reading<'a> {
    inner: &'a BaseConsumer<GroupContext>,
    group: &'a Group,
    options: &'a ConsumerOptions,
    next_commit: Instant,
    /// Records since the clock was looked at.
    unwatched: u32,
    /// The assignment that was paused, if any.
    paused: Option<u64>,
    current: Current,
}

impl<'a> Reading<'a> {
    fn new(consumer: &'a Consumer) -> Self {
        Self {
            inner: &consumer.inner,
            group: &consumer.group,
            options: &consumer.options,
            next_commit: Instant::now() + consumer.options.commit_interval,
            unwatched: 0,
            paused: None,
            current: Current::default(),
        }
    }

    fn defect(&self) -> Option<RunError> {
        match self.group.in_flight.abandoned() {
            0 => None,
            count => {
                tracing::error!(count, "records were dropped without completion");
                self.group.metrics.abandoned.absolute(count as u64);
                Some(RunError::Abandoned(count))
            }
        }
    }

    fn hand_over(&mut self, message: BorrowedMessage<'_>, handler: &mut impl FnMut(Message<'_>, Done)) {
        self.group.connection.set_up();
        let partition = self.current.of(self.group, &message);
        let message = Message::new(message);
        let done = partition.begin(message.offset(), message.timestamp_ms(), message.size());
        self.group.metrics.records.increment(1);
        handler(message, done);
    }

    fn full(&self) -> bool {
        self.group.in_flight.records() >= self.options.max_in_flight_records
            || self.group.in_flight.bytes() >= self.options.max_in_flight_bytes
    }

    /// While too much is unfinished: waits a little, then pauses and goes on polling, because the group expects it.
    fn hold_back(&mut self) -> Duration {
        if self.full() && self.paused.is_none() {
            let due = self.next_commit.min(Instant::now() + PATIENCE);
            self.group.in_flight.wait_until(due.max(Instant::now() + POLL), || !self.full());
        }
        let generation = self.group.generation.load(Ordering::Acquire);
        if self.full() {
            // Partitions that came since the pause are paused as well.
            if self.paused != Some(generation) {
                self.set_paused(true);
                self.paused = Some(generation);
            }
        } else if self.paused.take().is_some() {
            self.set_paused(false);
        }
        POLL
    }

    fn set_paused(&self, paused: bool) {
        let change = self
            .inner
            .assignment()
            .and_then(|list| if paused { self.inner.pause(&list) } else { self.inner.resume(&list) });
        if paused {
            self.group.metrics.pauses.increment(1);
        }
        if let Err(error) = change {
            tracing::warn!(%error, paused, "partitions were not paused or resumed");
        }
    }

    /// Commits at its times. While records come in one after the other, the clock is looked at once in a while.
    fn commit_when_due(&mut self, has_record: bool) {
        self.unwatched += 1;
        if has_record && self.unwatched < LOOK_EVERY {
            return;
        }
        self.unwatched = 0;
        let now = Instant::now();
        if now < self.next_commit {
            return;
        }
        self.next_commit = now + self.options.commit_interval;
        self.commit();
    }

    fn commit(&self) {
        let held = self.group.held();
        let list = commit_list(held.iter().map(|held| &held.partition));
        if list.count() == 0 {
            return;
        }
        // Its answer shows in the statistics, where a lost one is noticed.
        match self.inner.commit(&list, CommitMode::Async) {
            Ok(()) => self.group.metrics.commits.increment(1),
            Err(error) => {
                self.group.metrics.commit_failures.increment(1);
                tracing::warn!(%error, "offsets were not committed; a later commit tries again");
            }
        }
    }

    /// Waits for what is in flight, commits it, and makes sure that Kafka has it: within the drain timeout and two
    /// seconds more.
    fn finish(&mut self) {
        let deadline = Instant::now() + self.options.drain_timeout;
        self.set_paused(true);
        let drained = loop {
            let slice = deadline.min(Instant::now() + PATIENCE);
            if self.group.in_flight.wait_until(slice, || self.group.in_flight.records() == 0) {
                break true;
            }
            if Instant::now() >= deadline {
                break false;
            }
            // The group goes on meanwhile; a record that still comes is not taken, so it is not committed.
            drop(self.inner.poll(Duration::ZERO));
        };
        if !drained {
            tracing::warn!(
                left = self.group.in_flight.records(),
                "stopped with work unfinished; it will be repeated"
            );
        }
        let partitions: Vec<Arc<Partition>> =
            self.group.held().into_iter().map(|held| held.partition).collect();
        if let Err(reason) =
            self.group.commit_and_confirm(self.inner, &partitions, deadline.max(Instant::now() + ANSWER))
        {
            tracing::warn!(reason, "the last offsets were not committed; work will be repeated");
        }
        self.group.close();
        // Tokens that are still out belong to nobody now.
        for partition in partitions {
            partition.give_up();
        }
    }
}
