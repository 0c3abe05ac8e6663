//! The group consumer: hands records over in order, lets them be completed in any order and from any thread, and
//! commits, for each partition, the mark below which all are complete. It commits nothing else.

mod context;
mod current;
mod group;
mod monitor;
mod run;
mod tracker;
mod transform;

use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::error::ClientError;
use crate::message::Message;
use crate::metrics::ConsumerMetrics;
use crate::settings::{ClientSettings, set_default};
use context::GroupContext;
use group::Group;
use transform::transaction::Transaction;

pub use monitor::{Assigned, Health, Monitor, PartitionLag};
pub use run::RunError;
pub use tracker::Done;
pub use transform::{
    Outputs, Settled, TopicPartition, Transform, TransformError, Transformer, TransformerOptions,
};

/// How long leaving the group may take at a stop.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How a group consumer behaves.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsumerOptions {
    /// Where a group without committed offsets starts.
    pub start: Start,
    /// Bound of records handed over and not completed.
    pub max_in_flight_records: usize,
    /// Bound of their bytes (keys and payloads).
    pub max_in_flight_bytes: usize,
    /// How often marks are committed.
    #[serde(with = "humantime_serde")]
    pub commit_interval: Duration,
    /// How long a partition that is taken away, or a stop, waits for what is in flight.
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            start: Start::Beginning,
            max_in_flight_records: 10_000,
            max_in_flight_bytes: 64 * 1024 * 1024,
            commit_interval: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// With the oldest record.
    #[default]
    Beginning,
    /// With the next record to come.
    End,
}

/// One member of a consumer group.
pub struct Consumer {
    inner: BaseConsumer<GroupContext>,
    group: Arc<Group>,
    options: ConsumerOptions,
}

impl Consumer {
    /// Makes a member of `group` that reads `topics`; Kafka may be down, it joins when it can.
    pub fn new(
        settings: &ClientSettings,
        group: &str,
        topics: &[&str],
        options: ConsumerOptions,
    ) -> Result<Self, ClientError> {
        Self::join(settings, group, topics, options, None)
    }

    fn join(
        settings: &ClientSettings,
        group: &str,
        topics: &[&str],
        options: ConsumerOptions,
        transaction: Option<Transaction>,
    ) -> Result<Self, ClientError> {
        let mut config = settings.consumer_config(group)?;
        // Of a group whose offsets are part of a transaction, those of an open one are waited for, not passed by.
        config.set("isolation.level", "read_committed");
        let start = match options.start {
            Start::Beginning => "earliest",
            Start::End => "latest",
        };
        config.set("auto.offset.reset", start);
        // Only partitions that change hands stop, so a rolling restart does not stop the group.
        set_default(&mut config, "partition.assignment.strategy", "cooperative-sticky");
        let metrics = ConsumerMetrics::register(group);
        let group = Arc::new(Group::new(group, options.drain_timeout, metrics, transaction));
        let context = GroupContext(Arc::clone(&group));
        let inner = BaseConsumer::from_config_and_context(&config, context)?;
        inner.subscribe(topics)?;
        Ok(Self { inner, group, options })
    }

    /// A view of this consumer for readiness and metrics, from any thread.
    pub fn monitor(&self) -> Monitor {
        Monitor::new(Arc::clone(&self.group))
    }

    /// Reads until `stop`; blocks the thread. `handler` gets each record and its [`Done`], which may be completed
    /// later, from any thread. It may block for a while (backpressure), but far less than `max.poll.interval.ms`
    /// (5 minutes). Broker failures never end it. At the stop, what is in flight is waited for and committed.
    pub fn run(
        self,
        stop: &CancellationToken,
        handler: impl FnMut(Message<'_>, Done),
    ) -> Result<(), RunError> {
        let outcome = run::run(&self, stop, handler);
        close(self.inner);
        outcome
    }
}

/// Leaves the group, at most for [`CLOSE_LIMIT`]. librdkafka leaves without a limit, minutes long when the coordinator
/// is silent, and cannot be interrupted; the thread that does it is then left to the end of the process, and the
/// group notices by the session timeout.
fn close(inner: BaseConsumer<GroupContext>) {
    let (closing, closed) = mpsc::channel::<()>();
    let leave = move || {
        drop(inner);
        drop(closing);
    };
    // Without a thread the closure, and with it the consumer, is dropped right here.
    let Ok(thread) = thread::Builder::new().name("kafka-close".to_owned()).spawn(leave) else {
        return;
    };
    match closed.recv_timeout(CLOSE_LIMIT) {
        Err(mpsc::RecvTimeoutError::Timeout) => {
            tracing::warn!("Kafka does not answer; the group is left without it");
        }
        _ => {
            if thread.join().is_err() {
                tracing::error!("leaving the group panicked");
            }
        }
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("options", &self.options).finish_non_exhaustive()
    }
}
