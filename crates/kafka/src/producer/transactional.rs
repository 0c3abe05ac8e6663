//! Transactions of a producer, as librdkafka has them. Each call ends at its limit; one that ran out of time is called
//! again, and goes on where it was.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaResult;
use rdkafka::producer::Producer as _;

use super::{Delivery, Producer};
use crate::error::ClientError;
use crate::settings::ClientSettings;

/// How often a flush is looked at.
const LOOK: Duration = Duration::from_millis(1);

/// What ids of librdkafka's in-process clusters begin with.
const IN_PROCESS: &str = "mockCluster";

impl<O: Send + 'static> Producer<O> {
    /// A producer whose records become visible by transactions; begin with [`Self::init_transactions`].
    pub(crate) fn transactional(
        settings: &ClientSettings,
        transactional_id: &str,
        timeout: Duration,
        handler: impl Fn(Delivery<'_>, O) + Send + Sync + 'static,
    ) -> Result<Self, ClientError> {
        let config = settings.transactional_config(transactional_id, timeout)?;
        Self::start(&config, &settings.producer, handler)
    }

    /// A producer whose owner makes another when it has failed.
    pub(crate) fn replaceable(self) -> Self {
        self.shared.is_replaceable.store(true, Ordering::Relaxed);
        self
    }

    /// Waits until a broker has answered; whether one did in time is for the next call to find. Without this,
    /// librdkafka begins [`Self::init_transactions`] without a broker to ask, and tries again only half a second later.
    pub(crate) fn wait_for_broker(&self, limit: Duration) {
        let _ = self.inner.client().fetch_cluster_id(limit);
    }

    /// Makes itself known, and ends what an earlier producer of the same id left open.
    pub(crate) fn init_transactions(&self, limit: Duration) -> KafkaResult<()> {
        self.inner.init_transactions(limit)
    }

    /// From here on records belong to a new transaction. Does not ask Kafka.
    pub(crate) fn begin_transaction(&self) -> KafkaResult<()> {
        self.inner.begin_transaction()
    }

    /// Waits until every record of the transaction has its outcome. Looks often: rdkafka's own wait has steps of a
    /// tenth of a second, in which nothing would be decoded.
    pub(crate) fn flush_transaction(&self, limit: Duration) -> KafkaResult<()> {
        let deadline = Instant::now() + limit;
        loop {
            match self.inner.flush(Duration::ZERO) {
                Err(_) if Instant::now() < deadline => thread::park_timeout(LOOK),
                outcome => return outcome,
            }
        }
    }

    /// Adds offsets of a group to the transaction, in the name of one of its members: Kafka refuses those of a member
    /// that is none any more.
    pub(crate) fn send_offsets(
        &self,
        offsets: &TopicPartitionList,
        member: &ConsumerGroupMetadata,
        limit: Duration,
    ) -> KafkaResult<()> {
        self.inner.send_offsets_to_transaction(offsets, member, limit)
    }

    /// Makes the transaction visible.
    pub(crate) fn commit_transaction(&self, limit: Duration) -> KafkaResult<()> {
        self.inner.commit_transaction(limit)
    }

    /// Undoes the transaction.
    pub(crate) fn abort_transaction(&self, limit: Duration) -> KafkaResult<()> {
        self.inner.abort_transaction(limit)
    }

    /// Whether the broker is librdkafka's in-process cluster, where transactions are neither isolated nor fenced.
    pub(crate) fn is_in_process(&self, limit: Duration) -> bool {
        self.inner.client().fetch_cluster_id(limit).is_some_and(|id| id.starts_with(IN_PROCESS))
    }
}
