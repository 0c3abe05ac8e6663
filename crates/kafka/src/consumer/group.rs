//! What happens to partitions: given, taken, lost, committed. The context that librdkafka calls back on the thread
//! that polls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, Statistics, TopicPartitionList};

use super::tracker::{InFlight, Partition, lock};
use crate::client::{self, Connection};
use crate::metrics::ConsumerMetrics;

/// State that the polling thread, the completing threads and monitors share.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) in_flight: Arc<InFlight>,
    pub(super) connection: Connection,
    pub(super) metrics: ConsumerMetrics,
    /// Grows with each change of the assignment.
    pub(super) generation: AtomicU64,
    /// Commits sent without waiting and not answered.
    pub(super) commits_pending: AtomicU64,
    pub(super) last_error: Mutex<Option<String>>,
    partitions: Mutex<HashMap<(String, i32), Held>>,
    closing: AtomicBool,
    drain_timeout: Duration,
}

/// A partition of ours.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) partition: Arc<Partition>,
    /// Records behind the end, as far as is known.
    pub(super) lag: Option<i64>,
}

impl Group {
    pub(super) fn new(drain_timeout: Duration, metrics: ConsumerMetrics) -> Self {
        Self {
            in_flight: Arc::default(),
            connection: Connection::default(),
            metrics,
            generation: AtomicU64::new(0),
            commits_pending: AtomicU64::new(0),
            last_error: Mutex::new(None),
            partitions: Mutex::default(),
            closing: AtomicBool::new(false),
            drain_timeout,
        }
    }

    pub(super) fn held(&self) -> Vec<Held> {
        lock(&self.partitions).values().cloned().collect()
    }

    pub(super) fn assigned(&self) -> usize {
        lock(&self.partitions).len()
    }

    pub(super) fn partition(&self, topic: &str, number: i32) -> Arc<Partition> {
        let mut partitions = lock(&self.partitions);
        let held = partitions
            .entry((topic.to_owned(), number))
            .or_insert_with(|| Held {
                partition: Arc::new(Partition::new(topic, number, Arc::clone(&self.in_flight))),
                lag: None,
            });
        Arc::clone(&held.partition)
    }

    /// From now on a partition that goes is not waited for: what was to be drained is.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(super) fn note_error(&self, text: String) {
        *lock(&self.last_error) = Some(text);
    }

    fn give(&self, list: &TopicPartitionList) {
        for element in list.elements() {
            self.partition(element.topic(), element.partition());
        }
        self.metrics.assigned.increment(1);
        self.changed();
    }

    /// Waits for the work of partitions that go, commits their marks, and forgets them.
    fn take(&self, consumer: &BaseConsumer<GroupContext>, list: &TopicPartitionList) {
        let going: Vec<Arc<Partition>> = {
            let mut partitions = lock(&self.partitions);
            let keys = list
                .elements()
                .into_iter()
                .map(|element| (element.topic().to_owned(), element.partition()));
            keys.filter_map(|key| partitions.remove(&key))
                .map(|held| held.partition)
                .collect()
        };
        if consumer.assignment_lost() {
            // Another member may have them already: nothing to wait for, and a commit would be refused.
            tracing::warn!(partitions = going.len(), "partitions lost without a hand-over");
            self.metrics.lost.increment(1);
        } else {
            self.hand_over(consumer, &going);
            self.metrics.revoked.increment(1);
        }
        for partition in going {
            partition.give_up();
            partition.lag.set(0.0);
        }
        self.changed();
    }

    fn hand_over(&self, consumer: &BaseConsumer<GroupContext>, going: &[Arc<Partition>]) {
        if !self.closing.load(Ordering::Acquire) {
            let deadline = Instant::now() + self.drain_timeout;
            let drained = self
                .in_flight
                .wait_until(deadline, || going.iter().all(|partition| partition.is_idle()));
            if !drained {
                tracing::warn!("partitions handed over with work unfinished; it will be repeated");
            }
        }
        let marks = commit_list(going);
        if marks.count() == 0 {
            return;
        }
        match consumer.commit(&marks, CommitMode::Sync) {
            Ok(()) => self.metrics.commits.increment(1),
            Err(error) => {
                self.metrics.commit_failures.increment(1);
                tracing::warn!(%error, "marks of partitions handed over were not committed; work will be repeated");
            }
        }
    }

    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.metrics
            .partitions
            .set(f64::from(u32::try_from(self.assigned()).unwrap_or(u32::MAX)));
    }
}

/// The marks that are newer than what was committed.
pub(super) fn commit_list<'a>(
    partitions: impl IntoIterator<Item = &'a Arc<Partition>>,
) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        if let Some(offset) = partition.take_commit() {
            // An offset out of range cannot come from Kafka; it would only not be committed.
            let _ = list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(offset));
        }
    }
    list
}

/// librdkafka's view of the group.
#[derive(Debug)]
pub(super) struct GroupContext(pub(super) Arc<Group>);

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        client::log(level, facility, text);
    }

    fn stats(&self, statistics: Statistics) {
        let group = &self.0;
        if let Some(rtt_us) = group.connection.observe(&statistics) {
            group.metrics.broker_rtt_seconds.set(precise(rtt_us) / 1e6);
        }
        let in_flight = i64::try_from(group.in_flight.records()).unwrap_or(i64::MAX);
        group.metrics.in_flight_records.set(precise(in_flight));
        for ((topic, number), held) in lock(&group.partitions).iter_mut() {
            let Some(seen) = statistics
                .topics
                .get(topic)
                .and_then(|topic| topic.partitions.get(number))
            else {
                continue;
            };
            let next = held
                .partition
                .mark()
                .unwrap_or(seen.committed_offset.max(seen.lo_offset));
            if seen.hi_offset >= 0 && next >= 0 {
                let lag = (seen.hi_offset - next).max(0);
                held.lag = Some(lag);
                held.partition.lag.set(precise(lag));
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.0.connection.set_down(reason);
        }
        self.0.note_error(format!("{error}: {reason}"));
    }
}

impl ConsumerContext for GroupContext {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => self.0.give(list),
            Rebalance::Revoke(list) => self.0.take(consumer, list),
            Rebalance::Error(error) => tracing::warn!(%error, "rebalance failed; librdkafka tries again"),
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let group = &self.0;
        let pending = &group.commits_pending;
        let _ = pending.fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| count.checked_sub(1));
        let failed = result.is_err() || offsets.elements().iter().any(|element| element.error().is_err());
        if !failed {
            group.metrics.commits.increment(1);
            return;
        }
        group.metrics.commit_failures.increment(1);
        tracing::warn!(?result, "offsets were not committed; the next commit tries again");
        let partitions = lock(&group.partitions);
        for element in offsets.elements() {
            if let Some(held) = partitions.get(&(element.topic().to_owned(), element.partition())) {
                held.partition.commit_failed();
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric")]
fn precise(number: i64) -> f64 {
    number as f64
}
