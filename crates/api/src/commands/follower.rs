//! The statuses' topic followed into the view, on a thread of its own.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fleetwire_kafka::{
    ClientSettings, Event, Message, MissingTopic, Reader, ReaderError, ReaderOptions, Start,
};
use fleetwire_model::pb;
use fleetwire_service::clock;
use fleetwire_service::health::Condition;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::metrics::CommandMetrics;
use super::view::{Taken, View};

/// How long one attempt to open the topic takes before the reason is told again.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Follows the topic.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(super) client: ClientSettings,
    pub(super) topic: String,
    pub(super) history: Duration,
    pub(super) view: Arc<View>,
    pub(super) metrics: Arc<CommandMetrics>,
    pub(super) condition: Condition,
}

impl Follower {
    /// Follows until told to stop; blocks. While Kafka or the topic is away it waits, and says so.
    pub(crate) fn follow(&self, stop: &CancellationToken) -> Result<()> {
        self.condition.not_ready("the statuses of commands are being read");
        let pulse = self.condition.pulse();
        let reader = loop {
            pulse.beat();
            match self.open(stop) {
                Ok(reader) => break reader,
                Err(ReaderError::Stopped) => return Ok(()),
                Err(err @ (ReaderError::Unreachable(_) | ReaderError::NoSuchTopic(_))) => {
                    warn!(%err, topic = self.topic, "the statuses of commands cannot be read yet");
                    self.condition.not_ready(err.to_string());
                }
                Err(err) => return Err(err.into()),
            }
        };
        reader.run(stop, |event| {
            pulse.beat();
            match event {
                Event::Record(record) => self.take(&record),
                Event::CaughtUp => {
                    info!(commands = self.view.len(), "the statuses of commands are read");
                    self.condition.ready();
                }
                Event::Idle => self.metrics.remembered.set(count(self.view.len())),
            }
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    fn open(&self, stop: &CancellationToken) -> Result<Reader, ReaderError> {
        let options =
            ReaderOptions { start: Start::End, missing: MissingTopic::Wait, ready_timeout: ATTEMPT };
        if self.history.is_zero() {
            return Reader::new(&self.client, &self.topic, options, stop);
        }
        let history = i64::try_from(self.history.as_millis()).unwrap_or(i64::MAX);
        let since = clock::unix_ms().saturating_sub(history).max(0);
        Reader::since(&self.client, &self.topic, since, options, stop)
    }

    fn take(&self, record: &Message<'_>) {
        let status = pb::CommandStatus::decode(record.payload().unwrap_or_default());
        let taken = status.map_or(Taken::Unusable, |status| self.view.take(status));
        self.metrics.statuses.increment(taken.word());
        self.metrics.remembered.set(count(self.view.len()));
        if taken == Taken::Unusable {
            let (partition, offset) = (record.partition(), record.offset());
            warn!(topic = self.topic, partition, offset, "a status of a command is not usable");
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric")]
fn count(number: usize) -> f64 {
    number as f64
}
