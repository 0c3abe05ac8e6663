//! Consume, transform, produce as one: what is made of records, and the offsets of those records, become visible
//! together in one Kafka transaction, or not at all.
//!
//! A reader with `isolation.level=read_committed` therefore sees everything once, whatever dies in between. Who may
//! commit is decided by the group (KIP-447): Kafka refuses the offsets of a member that the group has replaced.

mod cycle;
mod due;
mod steps;
pub(super) mod transaction;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::{Consumer, ConsumerOptions, Monitor, RunError, close};
use crate::error::{ClientError, DeliveryError, SendError};
use crate::heart;
use crate::message::Message;
use crate::producer::{Producer, Record};
use crate::settings::ClientSettings;
use transaction::Transaction;

/// How long a wait for room takes before the stop is looked at.
const ROOM: Duration = Duration::from_millis(100);

/// What a transformer needs beside what a consumer needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformerOptions {
    /// Name of this process for Kafka's transactions. The next process with the name ends what this one left open; two
    /// at once fence each other off.
    pub transactional_id: String,
    /// After how long Kafka undoes a transaction that nobody ends. For so long may a dead process hold readers back.
    pub timeout: Duration,
}

/// What records are turned into.
pub trait Transform {
    /// Turns one record into others. What it sends belongs to the transaction; an error undoes the transaction, and its
    /// records come again, unless it is one that cannot pass.
    fn record(&mut self, message: &Message<'_>, outputs: &Outputs<'_>) -> Result<(), SendError>;

    /// A transaction has ended: it holds everything since the last one.
    fn settled(&mut self, how: Settled);

    /// Asked between records, and about every tenth of a second when none comes: whether there is something to send
    /// that no record is the cause of. Names the partition in whose name it is sent; it becomes visible only if the
    /// partition is still this member's. What takes a while, such as reading state back, is done here.
    fn due(&mut self) -> Option<TopicPartition> {
        None
    }

    /// Sends what was due, as part of the transaction; not called if the partition went meanwhile. A transaction may
    /// have been undone since [`Self::due`]. `position` is the offset of the partition's next record. Errors are as
    /// those of [`Self::record`].
    fn send_due(
        &mut self,
        _partition: &TopicPartition,
        _position: i64,
        _outputs: &Outputs<'_>,
    ) -> Result<(), SendError> {
        Ok(())
    }

    /// How long the next record may be waited for before [`Self::due`] is asked again; a tenth of a second at most. For
    /// what comes from other threads, which cannot end the wait.
    fn patience(&self) -> Duration {
        Duration::MAX
    }

    /// Whether a transaction ends as soon as no record is waiting, and not only when its interval is over: what it holds
    /// is waited for.
    fn is_urgent(&self) -> bool {
        false
    }

    /// How long after a transaction the next one begins at the earliest. Kafka may still be busy with the last one then,
    /// and refuse the first request of the next; librdkafka repeats that 20 ms later.
    fn rest(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether something is still to be sent before the transaction may be committed: [`Self::complete`] will. One
    /// whose partitions are taken away before that is undone.
    fn is_incomplete(&self) -> bool {
        false
    }

    /// Sends the rest of a transaction that is about to be committed. Errors are as those of [`Self::record`].
    fn complete(&mut self, _outputs: &Outputs<'_>) -> Result<(), SendError> {
        Ok(())
    }
}

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopicPartition {
    /// Name of the topic.
    pub topic: Arc<str>,
    /// Number of the partition.
    pub number: i32,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Everything is visible, and the offsets are committed.
    Committed,
    /// Nothing is visible; the records come again, to this member or another.
    Undone,
}

/// Where a [`Transform`] sends what it made.
#[derive(Debug)]
pub struct Outputs<'a> {
    producer: &'a Producer<()>,
    stop: &'a CancellationToken,
    deadline: Instant,
}

/// Why a transformer cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransformError {
    /// A client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Reading ended.
    #[error(transparent)]
    Read(#[from] RunError),
    /// Somebody else has the transactional id.
    #[error(
        "another process uses the transactional id \"{id}\": give each process its own (by [process] replica, or by [decoder] transactional_id)"
    )]
    Fenced {
        /// The id.
        id: String,
    },
    /// librdkafka, or Kafka, cannot go on.
    #[error("Kafka's transactions have failed for good: {0}")]
    Fatal(String),
    /// The embedded log takes transactions for show only.
    #[error(
        "the embedded log has no transactions: what is not committed is visible there, and nobody is fenced off; exactly_once needs Apache Kafka (kafka.brokers)"
    )]
    EmbeddedLog,
    /// A record cannot be handed over, ever.
    #[error("a record could not be handed to Kafka's client: {0}")]
    Output(SendError),
    /// A record cannot be written, ever.
    #[error("a record could not be written: {0}")]
    Delivery(DeliveryError),
    /// Records of a transaction that was undone cannot be read again.
    #[error("what was undone could not be read again: {0}")]
    Rewind(String),
}

/// A member of a consumer group that commits by transactions.
#[derive(Debug)]
pub struct Transformer(Consumer);

impl Outputs<'_> {
    /// Sends a record as part of the transaction. Blocks while the producer is full.
    pub fn send(&self, record: Record<'_>) -> Result<(), SendError> {
        self.send_into(None, record)
    }

    /// As [`Self::send`], to a partition that is named, whatever the record's key says.
    pub fn send_to(&self, partition: i32, record: Record<'_>) -> Result<(), SendError> {
        self.send_into(Some(partition), record)
    }

    fn send_into(&self, partition: Option<i32>, record: Record<'_>) -> Result<(), SendError> {
        loop {
            match self.producer.send_to(partition, record, ()) {
                Err((SendError::Full, ())) => {
                    // At a stop the transaction is undone rather than waited for: nothing is lost by that.
                    if self.stop.is_cancelled() || Instant::now() >= self.deadline {
                        return Err(SendError::Full);
                    }
                    heart::beat();
                    // Its result is the next attempt's.
                    let _ = self.producer.flush_transaction(ROOM);
                }
                outcome => return outcome.map_err(|(error, ())| error),
            }
        }
    }
}

impl Transformer {
    /// Makes a member of `group` that reads `topics`. Of the options, `commit_interval` is how long a transaction
    /// gathers records, and `max_in_flight_records` how many at most.
    pub fn new(
        settings: &ClientSettings,
        group: &str,
        topics: &[&str],
        options: ConsumerOptions,
        transactions: TransformerOptions,
    ) -> Result<Self, ClientError> {
        let TransformerOptions { transactional_id, timeout } = transactions;
        // Mistakes in them are told now, not with the first record.
        settings.transactional_config(&transactional_id, timeout)?;
        let transaction = Transaction::new(settings.clone(), transactional_id, timeout);
        Consumer::join(settings, group, topics, options, Some(transaction)).map(Self)
    }

    /// Runs on the embedded log too, where transactions are for show: nothing is isolated and nobody is fenced off.
    /// For one process that is alone there.
    #[must_use]
    pub fn without_isolation(self) -> Self {
        if let Some(mut transaction) = self.0.group.transaction() {
            transaction.isolated = false;
        }
        self
    }

    /// A view of this member for readiness and metrics, from any thread.
    pub fn monitor(&self) -> Monitor {
        self.0.monitor()
    }

    /// Transforms until `stop`; blocks the thread. While Kafka is away it waits, and is no good member of its group:
    /// after `max.poll.interval.ms` (5 minutes) its partitions go to others. At the stop the open transaction is
    /// committed, or, if Kafka does not answer within the drain timeout, left to be undone.
    pub fn run(self, stop: &CancellationToken, transform: &mut impl Transform) -> Result<(), TransformError> {
        let outcome = cycle::run(&self.0, stop, transform);
        close(self.0.inner);
        outcome
    }
}
