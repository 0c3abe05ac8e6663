//! How a transaction ends, step by step. Every step ends at a limit and can be taken again; what an error means is
//! decided in one place.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};

use super::transaction::{Back, Phase, Transaction};
use super::{Settled, TransformError};
use crate::consumer::context::GroupContext;
use crate::consumer::group::Group;
use crate::consumer::tracker::{Done, lock};
use crate::error::DeliveryError;
use crate::producer::{Delivery, Producer};

/// How long one call to Kafka may block.
const SLICE: Duration = Duration::from_secs(1);
/// Between two attempts that failed at once.
const PAUSE: Duration = Duration::from_millis(20);
/// How long reading again may fail before the process ends.
const REWIND: Duration = Duration::from_secs(30);
/// How long a change of the group is waited for, once it has undone a transaction.
const REGROUP: Duration = Duration::from_secs(3);
/// How much longer than Kafka's limit a transaction is waited for: by then Kafka has undone it, whatever librdkafka says.
const STUCK: Duration = Duration::from_secs(5);
/// How long a producer may take to get its transactions, before another one tries.
const MAKING: Duration = Duration::from_secs(30);

impl Transaction {
    /// Does what has to be done until nothing is left; `false` at the deadline.
    pub(in crate::consumer) fn settle(
        &mut self,
        consumer: &BaseConsumer<GroupContext>,
        group: &Group,
        deadline: Instant,
    ) -> Result<bool, TransformError> {
        while self.phase != Phase::Idle {
            if self.is_regrouping() {
                return Ok(false);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let limit = left.clamp(PAUSE, SLICE);
            let step = match self.phase {
                Phase::Idle => Ok(()),
                Phase::Unmade => self.make(limit)?,
                Phase::Open => self.seal(limit),
                Phase::Sealed => self.commit(group, limit),
                Phase::Doomed => self.abort(limit),
                Phase::Undone(back, since) => self.rewind((consumer, group), back, since, limit)?,
            };
            if let Err(error) = step {
                self.judge(&error)?;
                if left.is_zero() {
                    return Ok(false);
                }
                thread::sleep(PAUSE.min(left));
            }
        }
        Ok(true)
    }

    fn make(&mut self, limit: Duration) -> Result<Result<(), KafkaError>, TransformError> {
        let producer = if let Some(producer) = self.producer.take() {
            producer
        } else {
            self.made = Instant::now();
            self.producer()?
        };
        let step = producer.init_transactions(limit);
        let in_process = self.isolated && step.is_ok() && producer.is_in_process(limit);
        self.producer = Some(producer);
        if in_process {
            return Err(TransformError::EmbeddedLog);
        }
        if step.is_ok() {
            tracing::info!(transactional_id = self.id, "Kafka takes transactions of this process");
            self.phase = Phase::Undone(Back::Committed, Instant::now());
        }
        Ok(step)
    }

    fn producer(&self) -> Result<Producer<()>, TransformError> {
        let refused = Arc::clone(&self.refused);
        let outcome = move |delivery: Delivery<'_>, ()| {
            if let Err(error) = delivery.outcome
                && is_permanent(error)
            {
                lock(&refused).get_or_insert(error);
            }
        };
        Ok(Producer::transactional(&self.settings, &self.id, self.timeout, outcome)?)
    }

    fn made(&self) -> Result<&Producer<()>, KafkaError> {
        self.producer.as_ref().ok_or(KafkaError::Canceled)
    }

    /// Waits for what was sent, and adds the offsets.
    fn seal(&mut self, limit: Duration) -> Result<(), KafkaError> {
        self.made()?.flush_transaction(limit)?;
        let Some(member) = &self.member else {
            self.doom("this process is no member of the group");
            return Ok(());
        };
        let mut offsets = TopicPartitionList::new();
        for span in &self.spans {
            offsets.add_partition_offset(&span.topic, span.partition, Offset::Offset(span.next))?;
        }
        self.made()?.send_offsets(&offsets, member, limit)?;
        self.phase = Phase::Sealed;
        self.sealed = Instant::now();
        Ok(())
    }

    fn commit(&mut self, group: &Group, limit: Duration) -> Result<(), KafkaError> {
        self.made()?.commit_transaction(limit)?;
        self.tokens.drain(..).for_each(Done::complete);
        self.spans.clear();
        self.phase = Phase::Idle;
        self.settled = Some(Settled::Committed);
        self.metrics.committed(self.begun.elapsed(), self.sealed.elapsed());
        group.metrics.commits.increment(1);
        Ok(())
    }

    fn abort(&mut self, limit: Duration) -> Result<(), KafkaError> {
        self.made()?.abort_transaction(limit)?;
        self.metrics.undone.increment(1);
        self.incomplete = false;
        self.phase = Phase::Undone(Back::Begin, Instant::now());
        Ok(())
    }

    /// Goes back to where the transaction began, in the partitions that are still ours.
    fn rewind(
        &mut self,
        (consumer, group): (&BaseConsumer<GroupContext>, &Group),
        back: Back,
        since: Instant,
        limit: Duration,
    ) -> Result<Result<(), KafkaError>, TransformError> {
        let mut places = TopicPartitionList::new();
        for span in self.spans.iter().filter(|span| group.restart(&span.topic, span.partition)) {
            // An offset that came from Kafka is one.
            let _ = places.add_partition_offset(&span.topic, span.partition, Offset::Offset(span.first));
        }
        let step = match places.count() {
            0 => Ok(()),
            _ => seek(consumer, places, back, limit),
        };
        match step {
            Ok(()) => {
                if !self.spans.is_empty() {
                    self.settled = Some(Settled::Undone);
                }
                self.tokens.clear();
                self.spans.clear();
                self.phase = Phase::Idle;
                Ok(Ok(()))
            }
            Err(error) if since.elapsed() >= REWIND => Err(TransformError::Rewind(error.to_string())),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Gives up what librdkafka does not end although Kafka has. Who waits for it keeps its partitions from others.
    pub(super) fn give_up_if_stuck(&mut self) {
        match self.phase {
            Phase::Open | Phase::Sealed | Phase::Doomed if self.begun.elapsed() >= self.timeout + STUCK => {
                tracing::warn!(
                    phase = ?self.phase,
                    records = self.tokens.len(),
                    "a transaction does not end; another producer takes over, and what it does not hold comes again"
                );
                self.give_up();
            }
            Phase::Unmade if self.producer.is_some() && self.made.elapsed() >= MAKING => self.producer = None,
            _ => {}
        }
    }

    /// Leaves the transaction to Kafka, and its records to be read again from where they are committed.
    fn give_up(&mut self) {
        self.metrics.timed_out.increment(1);
        self.producer = None;
        self.incomplete = false;
        self.phase = Phase::Unmade;
    }

    /// What an error means for the transaction. One that only says that the time was over means nothing.
    fn judge(&mut self, error: &KafkaError) -> Result<(), TransformError> {
        let KafkaError::Transaction(found) = error else {
            tracing::debug!(%error, phase = ?self.phase, "a transaction waits for Kafka");
            return Ok(());
        };
        if found.is_fatal() {
            return self.fatal(found);
        }
        if found.txn_requires_abort() {
            if is_of_the_group(found.code()) {
                self.regroup_until = Some(Instant::now() + REGROUP);
            }
            self.undo(&found.to_string());
            return Ok(());
        }
        if found.is_retriable() {
            tracing::debug!(%error, phase = ?self.phase, "a transaction waits for Kafka");
            return Ok(());
        }
        Err(TransformError::Fatal(found.to_string()))
    }

    /// Kafka undoes a transaction that takes too long and shuts its producer out; that is no reason to end.
    fn fatal(&mut self, found: &RDKafkaError) -> Result<(), TransformError> {
        use RDKafkaErrorCode as Code;
        let late = self.begun.elapsed() >= self.timeout && !self.spans.is_empty();
        if late && self.phase != Phase::Unmade {
            tracing::warn!(
                reason = %found,
                records = self.tokens.len(),
                "a transaction took longer than Kafka allows; what it does not hold comes again"
            );
            self.give_up();
            return Ok(());
        }
        Err(match found.code() {
            Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => {
                TransformError::Fenced { id: self.id.clone() }
            }
            _ => TransformError::Fatal(found.to_string()),
        })
    }
}

/// Whether the group has changed, and we do not know yet how.
const fn is_of_the_group(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::IllegalGeneration | Code::RebalanceInProgress | Code::UnknownMemberId)
}

/// Whether writing the same record again can only fail again.
const fn is_permanent(error: DeliveryError) -> bool {
    matches!(error, DeliveryError::TooLarge | DeliveryError::UnknownTopic | DeliveryError::Auth)
}

fn seek(
    consumer: &BaseConsumer<GroupContext>,
    mut places: TopicPartitionList,
    back: Back,
    limit: Duration,
) -> Result<(), KafkaError> {
    if back == Back::Committed {
        let committed = consumer.committed_offsets(places.clone(), limit)?;
        for found in committed.elements() {
            found.error()?;
            // Without a commit the transaction was the first, and its begin is the place.
            if let Offset::Offset(offset) = found.offset() {
                places.set_partition_offset(found.topic(), found.partition(), Offset::Offset(offset))?;
            }
        }
    }
    let outcome = consumer.seek_partitions(places, limit)?;
    outcome.elements().iter().try_for_each(TopicPartitionListElem::error)
}
