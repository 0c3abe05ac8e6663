//! The topics that the projector stands between.

use std::time::Duration;

use anyhow::{Result, bail};
use fleetwire_kafka::{ClientSettings, MissingTopic, Reader, ReaderError, ReaderOptions, Start};
use fleetwire_model::Topic;
use fleetwire_service::health::Condition;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How long one attempt takes before the reason is told again.
const ATTEMPT: Duration = Duration::from_secs(5);
const OPTIONS: ReaderOptions =
    ReaderOptions { start: Start::Beginning, missing: MissingTopic::Wait, ready_timeout: ATTEMPT };

/// Where positions come from, and where states go.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) client: ClientSettings,
    pub(crate) positions: String,
    pub(crate) states: String,
    pub(crate) condition: Condition,
    pub(crate) stop: CancellationToken,
}

impl Source {
    /// Fails if a device's state is not in the partition of the same number as its positions. Waits for Kafka and for
    /// the topics; false if it was stopped first.
    pub(super) fn check_partitions(&self) -> Result<bool> {
        let mut counts = [0; 2];
        for (topic, count) in [&self.positions, &self.states].into_iter().zip(&mut counts) {
            let asked =
                self.patiently(|| Reader::partition_count(&self.client, topic, OPTIONS, &self.stop))?;
            let Some(found) = asked else { return Ok(false) };
            *count = found;
        }
        let [positions, states] = counts;
        if positions != states {
            bail!(
                "{} has {positions} partitions and {} has {states}: they must have equally many, so that one projector \
                 has a device's positions and its state. Delete {} while nothing writes it, and make it again with \
                 `fleetwire topics apply --partitions {}={positions}`; the states then begin anew",
                self.positions,
                self.states,
                self.states,
                Topic::DeviceState.suffix()
            );
        }
        Ok(true)
    }

    /// The offset of the next state of a partition; none if it was stopped first.
    pub(super) fn end(&self, partition: i32) -> Result<Option<i64>> {
        self.patiently(|| Reader::end_of(&self.client, (&self.states, partition), OPTIONS, &self.stop))
    }

    /// Asks until there is an answer; none if it was stopped first.
    fn patiently<T>(&self, mut ask: impl FnMut() -> Result<T, ReaderError>) -> Result<Option<T>> {
        loop {
            match ask() {
                Ok(answer) => return Ok(Some(answer)),
                Err(ReaderError::Stopped) => return Ok(None),
                Err(err @ (ReaderError::Unreachable(_) | ReaderError::NoSuchTopic(_))) => {
                    warn!(%err, "the projector of device states waits");
                    self.condition.away(err.to_string());
                }
                Err(err) => return Err(err.into()),
            }
            if self.stop.is_cancelled() {
                return Ok(None);
            }
        }
    }
}
