//! One transaction after another: begun with a record, ended with the offsets of all its records, or undone and its
//! records read again. How it ends is in `steps`; here is what it holds.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use tokio_util::sync::CancellationToken;

use super::{Outputs, Settled, TransformError};
use crate::consumer::context::GroupContext;
use crate::consumer::group::Group;
use crate::consumer::tracker::{Done, Partition, lock};
use crate::error::DeliveryError;
use crate::metrics::TransactionMetrics;
use crate::producer::Producer;
use crate::settings::ClientSettings;

/// What has to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Make a producer, which ends what the last one left open.
    Unmade,
    /// Nothing: the next record begins a transaction.
    Idle,
    /// More records, or the offsets.
    Open,
    /// The offsets are in it: commit. From here on only Kafka knows how it ends.
    Sealed,
    /// Something failed: undo it.
    Doomed,
    /// It is undone: read its records again.
    Undone(Back, Instant),
}

/// Where an undone transaction's records are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// With its first ones.
    Begin,
    /// With what Kafka has as committed: it may have been committed after all.
    Committed,
}

/// What the transaction holds of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
    pub(super) first: i64,
    pub(super) next: i64,
}

/// The transactions of one member.
pub(in crate::consumer) struct Transaction {
    pub(super) settings: ClientSettings,
    pub(super) id: String,
    pub(super) timeout: Duration,
    pub(super) producer: Option<Producer<()>>,
    /// Why a record can never be written, once one could not.
    pub(super) refused: Arc<Mutex<Option<DeliveryError>>>,
    /// Who we are in the group, as of the last change that we know of. Taken there and nowhere else: of a member that
    /// was expelled, librdkafka tells an identity that Kafka does not check.
    pub(super) member: Option<ConsumerGroupMetadata>,
    pub(super) phase: Phase,
    /// Until when the change of the group is waited for that undid the last transaction. Begun before we know of it, the
    /// next one would be undone as well.
    pub(super) regroup_until: Option<Instant>,
    /// When the producer was made.
    pub(super) made: Instant,
    pub(super) begun: Instant,
    pub(super) sealed: Instant,
    pub(super) spans: Vec<Span>,
    pub(super) tokens: Vec<Done>,
    pub(super) settled: Option<Settled>,
    /// Whether something is still to be sent before it may be committed.
    pub(super) incomplete: bool,
    /// Whether a log without real transactions is refused.
    pub(super) isolated: bool,
    pub(super) failed: Option<TransformError>,
    pub(super) metrics: TransactionMetrics,
}

impl Transaction {
    pub(super) fn new(settings: ClientSettings, id: String, timeout: Duration) -> Self {
        Self {
            settings,
            id,
            timeout,
            producer: None,
            refused: Arc::default(),
            member: None,
            phase: Phase::Unmade,
            regroup_until: None,
            made: Instant::now(),
            begun: Instant::now(),
            sealed: Instant::now(),
            spans: Vec::new(),
            tokens: Vec::new(),
            settled: None,
            incomplete: false,
            isolated: true,
            failed: None,
            metrics: TransactionMetrics::register(),
        }
    }

    /// Whether there is no producer yet, or none any more.
    pub(super) fn is_unmade(&self) -> bool {
        self.phase == Phase::Unmade
    }

    /// Whether it has to be seen to before more is read.
    pub(super) fn is_due(&self, interval: Duration, full: bool) -> bool {
        match self.phase {
            Phase::Idle => false,
            Phase::Open => full || self.begun.elapsed() >= interval,
            _ => true,
        }
    }

    /// Whether a change of the group is waited for, and nothing else is to be done before.
    pub(super) fn is_regrouping(&self) -> bool {
        matches!(self.phase, Phase::Undone(..))
            && self.regroup_until.is_some_and(|until| Instant::now() < until)
    }

    /// Notes a record that is to be read again with those of the undone transaction.
    pub(super) fn put_back(&mut self, topic: &str, partition: i32, offset: i64) {
        if self.span(topic, partition).is_none() {
            self.spans.push(Span { topic: topic.into(), partition, first: offset, next: offset });
        }
    }

    /// How long a wait for the next record may take.
    pub(super) fn patience(&self, interval: Duration, most: Duration) -> Duration {
        match self.phase {
            Phase::Open => interval.saturating_sub(self.begun.elapsed()).min(most),
            _ => most,
        }
    }

    /// How the last one ended, told once.
    pub(super) fn take_settled(&mut self) -> Option<Settled> {
        self.settled.take()
    }

    /// Why it cannot go on, if it cannot: found in a callback, or by the producer's thread.
    pub(super) fn check(&mut self) -> Result<(), TransformError> {
        if let Some(error) = *lock(&self.refused) {
            return Err(TransformError::Delivery(error));
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Takes a record in, and returns where what is made of it goes.
    pub(super) fn take<'a>(
        &'a mut self,
        partition: &Partition,
        offset: i64,
        done: Done,
        stop: &'a CancellationToken,
    ) -> Result<Outputs<'a>, TransformError> {
        self.begin()?;
        self.tokens.push(done);
        let next = offset.saturating_add(1);
        match self.span(&partition.topic, partition.number) {
            Some(span) => span.next = next,
            None => self.spans.push(Span {
                topic: Arc::clone(&partition.topic),
                partition: partition.number,
                first: offset,
                next,
            }),
        }
        self.outputs(stop)
    }

    /// Begins a transaction, unless one is open.
    pub(super) fn begin(&mut self) -> Result<(), TransformError> {
        if self.phase != Phase::Idle {
            return Ok(());
        }
        let Some(producer) = &self.producer else {
            return Err(no_producer());
        };
        producer.begin_transaction().map_err(|error| TransformError::Fatal(error.to_string()))?;
        self.phase = Phase::Open;
        self.begun = Instant::now();
        self.incomplete = false;
        Ok(())
    }

    /// What it holds of a partition. Records come in stretches of one partition, so the last one is the likely one.
    pub(super) fn span(&mut self, topic: &str, partition: i32) -> Option<&mut Span> {
        let same = |span: &&mut Span| span.partition == partition && *span.topic == *topic;
        self.spans.iter_mut().rev().find(same)
    }

    /// Where what belongs to the open transaction goes.
    pub(super) fn outputs<'a>(&'a self, stop: &'a CancellationToken) -> Result<Outputs<'a>, TransformError> {
        let producer = self.producer.as_ref().ok_or_else(no_producer)?;
        Ok(Outputs { producer, stop, deadline: self.begun + self.timeout })
    }

    /// What was made is not to be seen. Too late once the offsets are in.
    pub(super) fn doom(&mut self, reason: &str) {
        if self.phase == Phase::Open {
            self.undo(reason);
        }
    }

    pub(super) fn undo(&mut self, reason: &str) {
        tracing::warn!(
            reason,
            records = self.tokens.len(),
            "a transaction is undone; its records come again"
        );
        self.phase = Phase::Doomed;
    }

    /// The group has a new generation with us in it.
    pub(in crate::consumer) fn rebalanced(&mut self, consumer: &BaseConsumer<GroupContext>) {
        self.regroup_until = None;
        let member = consumer.group_metadata();
        // Asked in this order: an identity that was told before the loss is still one that Kafka checks.
        self.member = if consumer.assignment_lost() { None } else { member };
    }

    /// The group has gone on without us.
    pub(in crate::consumer) fn expelled(&mut self) {
        self.member = None;
        self.regroup_until = None;
        self.doom("the group has gone on without this member");
    }

    /// Ends the transaction before partitions go.
    pub(in crate::consumer) fn hand_over(
        &mut self,
        consumer: &BaseConsumer<GroupContext>,
        group: &Group,
        deadline: Instant,
    ) {
        if self.phase == Phase::Unmade {
            return;
        }
        if self.incomplete {
            self.doom("its partitions go before everything was sent");
        }
        match self.settle(consumer, group, deadline) {
            Ok(true) => {}
            // Whoever gets the partitions waits for a commit that is on its way; of others they know nothing.
            Ok(false) => self.doom("Kafka did not take it before its partitions had to go"),
            Err(error) => self.failed = Some(error),
        }
    }

    /// Drops the producer, and with it what is open: Kafka undoes it after its timeout, or when the next process of
    /// the name comes.
    pub(super) fn end(&mut self) {
        self.producer = None;
        self.tokens.clear();
        self.spans.clear();
        self.phase = Phase::Unmade;
    }
}

fn no_producer() -> TransformError {
    TransformError::Fatal("a record came without a producer".to_owned())
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("id", &self.id)
            .field("phase", &self.phase)
            .field("spans", &self.spans)
            .finish_non_exhaustive()
    }
}
