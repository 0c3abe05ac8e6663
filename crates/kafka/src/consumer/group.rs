//! What happens to partitions: given, taken, lost, committed. All of it on the thread that polls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::context::GroupContext;
use super::run::RunError;
use super::tracker::{InFlight, Partition, lock};
use super::transform::transaction::Transaction;
use crate::client::Connection;
use crate::error::consumer_code;
use crate::heart::{self, Heart};
use crate::metrics::ConsumerMetrics;

/// What the answer to the last commit may take beyond the drain.
pub(super) const ANSWER: Duration = Duration::from_secs(2);
const LEAST_WAIT: Duration = Duration::from_millis(20);

/// State that the polling thread, the completing threads and monitors share.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: Box<str>,
    pub(super) in_flight: Arc<InFlight>,
    pub(super) connection: Connection,
    pub(super) heart: Arc<Heart>,
    pub(super) metrics: ConsumerMetrics,
    /// Grows with each change of the assignment.
    pub(super) generation: AtomicU64,
    /// Commits that Kafka never acknowledged.
    pub(super) lost_commits: AtomicU64,
    pub(super) last_error: Mutex<Option<String>>,
    pub(super) partitions: Mutex<HashMap<(String, i32), Held>>,
    closing: AtomicBool,
    drain_timeout: Duration,
    /// Where offsets are committed with what was made of the records.
    transaction: Option<Mutex<Transaction>>,
}

/// A partition of ours.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) partition: Arc<Partition>,
    /// Records behind the end, as far as is known.
    pub(super) lag: Option<i64>,
    /// The generation in which it was given to us.
    pub(super) since: u64,
    /// When that was.
    pub(super) given: Instant,
}

impl Group {
    pub(super) fn new(
        name: &str,
        drain_timeout: Duration,
        metrics: ConsumerMetrics,
        transaction: Option<Transaction>,
    ) -> Self {
        Self {
            name: name.into(),
            in_flight: Arc::default(),
            connection: Connection::default(),
            heart: Arc::default(),
            metrics,
            generation: AtomicU64::new(0),
            lost_commits: AtomicU64::new(0),
            last_error: Mutex::new(None),
            partitions: Mutex::default(),
            closing: AtomicBool::new(false),
            drain_timeout,
            transaction: transaction.map(Mutex::new),
        }
    }

    /// The transactions of a consumer that has them. Never held while polling: callbacks need it.
    pub(super) fn transaction(&self) -> Option<MutexGuard<'_, Transaction>> {
        self.transaction.as_ref().map(lock)
    }

    pub(super) fn held(&self) -> Vec<Held> {
        lock(&self.partitions).values().cloned().collect()
    }

    pub(super) fn assigned(&self) -> usize {
        lock(&self.partitions).len()
    }

    pub(super) fn partition(&self, topic: &str, number: i32) -> Arc<Partition> {
        let mut partitions = lock(&self.partitions);
        let held = partitions.entry((topic.to_owned(), number)).or_insert_with(|| Held {
            partition: Arc::new(Partition::new(
                &self.metrics.group,
                topic,
                number,
                Arc::clone(&self.in_flight),
            )),
            lag: None,
            since: self.generation.load(Ordering::Acquire),
            given: Instant::now(),
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

    /// An error while reading: librdkafka goes on by itself, unless it cannot.
    pub(super) fn note(&self, error: &KafkaError) -> Result<(), RunError> {
        if let KafkaError::MessageConsumptionFatal(code) = error {
            return Err(RunError::Fatal(code.to_string()));
        }
        self.metrics.error(consumer_code(error));
        tracing::warn!(%error, "reading from Kafka failed; librdkafka tries again");
        self.note_error(error.to_string());
        Ok(())
    }

    /// What was handed over of a partition of ours will be handed over again: it starts anew. `false` if it is not
    /// ours any more.
    pub(super) fn restart(&self, topic: &str, number: i32) -> bool {
        let mut partitions = lock(&self.partitions);
        let Some(held) = partitions.get_mut(&(topic.to_owned(), number)) else {
            return false;
        };
        let anew = Arc::new(Partition::new(&self.metrics.group, topic, number, Arc::clone(&self.in_flight)));
        std::mem::replace(&mut held.partition, anew).give_up();
        drop(partitions);
        self.generation.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// Partitions are ours from now on.
    pub(super) fn give(&self, list: &TopicPartitionList) {
        for element in list.elements() {
            self.partition(element.topic(), element.partition());
        }
        self.metrics.assigned.increment(1);
        self.changed();
    }

    /// Waits for the work of partitions that go, commits their marks, and forgets them.
    pub(super) fn take(&self, consumer: &BaseConsumer<GroupContext>, list: &TopicPartitionList) {
        let going: Vec<Arc<Partition>> = {
            let mut partitions = lock(&self.partitions);
            let keys =
                list.elements().into_iter().map(|element| (element.topic().to_owned(), element.partition()));
            keys.filter_map(|key| partitions.remove(&key)).map(|held| held.partition).collect()
        };
        if self.transaction.is_some() {
            // Their tokens end with the transaction, one way or the other.
            for partition in &going {
                partition.give_up();
            }
        }
        if consumer.assignment_lost() {
            if let Some(mut transaction) = self.transaction() {
                transaction.expelled();
            }
            // Another member may have them already: nothing to wait for, and a commit would be refused.
            tracing::warn!(partitions = going.len(), "partitions lost without a hand-over");
            self.metrics.lost.increment(1);
        } else {
            self.hand_over(consumer, &going);
            self.metrics.revoked.increment(1);
        }
        for partition in going {
            partition.give_up();
            partition.metrics.behind(0, 0);
        }
        self.changed();
    }

    fn hand_over(&self, consumer: &BaseConsumer<GroupContext>, going: &[Arc<Partition>]) {
        if self.closing.load(Ordering::Acquire) {
            // The stop has drained and committed already.
            return;
        }
        let deadline = Instant::now() + self.drain_timeout;
        if let Some(mut transaction) = self.transaction() {
            transaction.rebalanced(consumer);
            transaction.hand_over(consumer, self, deadline);
            return;
        }
        if !self.in_flight.wait_until(deadline, || going.iter().all(|partition| partition.is_idle())) {
            tracing::warn!("partitions handed over with work unfinished; it will be repeated");
        }
        if let Err(reason) = self.commit_and_confirm(consumer, going, deadline + ANSWER) {
            tracing::warn!(
                reason,
                "marks of partitions handed over were not committed; work will be repeated"
            );
        }
    }

    /// Commits the marks and looks until Kafka has them. librdkafka's synchronous commit may block for a minute when
    /// the coordinator is gone, and its asynchronous one has no answer here; asking for the offsets has a time limit.
    pub(super) fn commit_and_confirm(
        &self,
        consumer: &BaseConsumer<GroupContext>,
        partitions: &[Arc<Partition>],
        deadline: Instant,
    ) -> Result<(), String> {
        let marks = mark_list(partitions);
        if marks.count() == 0 {
            return Ok(());
        }
        loop {
            let limit = deadline.saturating_duration_since(Instant::now()).max(LEAST_WAIT);
            let sent = consumer.commit(&marks, CommitMode::Async);
            let found = sent.and_then(|()| consumer.committed_offsets(marks.clone(), limit));
            let reason = match found {
                Ok(found) if covers(&found, &marks) => {
                    self.metrics.commits.increment(1);
                    return Ok(());
                }
                Ok(_) => "Kafka did not take the offsets".to_owned(),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= deadline {
                self.metrics.commit_failures.increment(1);
                return Err(reason);
            }
            heart::beat();
            std::thread::sleep(LEAST_WAIT);
        }
    }

    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.metrics.partitions.set(self.assigned());
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

/// The mark of each partition that has one, whether it was committed or not.
fn mark_list(partitions: &[Arc<Partition>]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        if let Some(offset) = partition.mark() {
            let _ = list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(offset));
        }
    }
    list
}

fn covers(found: &TopicPartitionList, wanted: &TopicPartitionList) -> bool {
    let offset = |offset: Offset| offset.to_raw().unwrap_or(-1);
    wanted.elements().iter().all(|wanted| {
        found
            .find_partition(wanted.topic(), wanted.partition())
            .is_some_and(|found| offset(found.offset()) >= offset(wanted.offset()))
    })
}
