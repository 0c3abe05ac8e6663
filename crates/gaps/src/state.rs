//! The state topic: read back for one partition, and checked to be divided as the positions are.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fleetwire_kafka::{ClientSettings, Event, MissingTopic, Reader, ReaderError, ReaderOptions, Start};
use fleetwire_model::Topic;
use fleetwire_service::health::Condition;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::evict::let_go;
use crate::ledger::Ledger;
use crate::metrics::GapsMetrics;
use crate::rules::Rules;

/// How long one attempt to open a topic takes before the reason is told again.
const ATTEMPT: Duration = Duration::from_secs(5);
const OPTIONS: ReaderOptions =
    ReaderOptions { start: Start::Beginning, missing: MissingTopic::Wait, ready_timeout: ATTEMPT };

/// Reads states back.
#[derive(Debug)]
pub(crate) struct StateReader {
    pub(crate) client: ClientSettings,
    pub(crate) positions: String,
    pub(crate) states: String,
    pub(crate) max_devices: usize,
    pub(crate) condition: Condition,
    pub(crate) stop: CancellationToken,
}

impl StateReader {
    /// Fails if a device's state is not in the partition of the same number as its positions. Waits for Kafka and for
    /// the topics; false if it was stopped first.
    pub(crate) fn check_partitions(&self) -> Result<bool> {
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
                "{} has {positions} partitions and {} has {states}: they must have equally many, so that one ledger \
                 has a device's positions and its state. Delete {} while no ledger runs, and make it again with \
                 `fleetwire topics apply --partitions {}={positions}`; the ledger then begins anew",
                self.positions,
                self.states,
                self.states,
                Topic::GapState.suffix()
            );
        }
        Ok(true)
    }

    /// What was written of a partition's devices. None if it was stopped first.
    pub(crate) fn read(
        &self,
        partition: i32,
        rules: &Rules,
        metrics: &GapsMetrics,
    ) -> Result<Option<Ledger>> {
        let started = Instant::now();
        let opened = self.patiently(|| {
            Reader::of_partition(&self.client, (&self.states, partition), OPTIONS, &self.stop)
        })?;
        let Some(reader) = opened else { return Ok(None) };
        let mut ledger = Ledger::default();
        let mut complete = false;
        reader.run(&self.stop, |event| {
            match event {
                Event::Record(record) => {
                    let key = std::str::from_utf8(record.key().unwrap_or_default());
                    let restored = key.map(|key| ledger.restore(key, record.payload(), rules));
                    if !matches!(restored, Ok(Ok(()))) {
                        metrics.unusable_states.increment(1);
                        warn!(
                            partition,
                            offset = record.offset(),
                            "a record of the state topic is not usable"
                        );
                    }
                    metrics.evicted(let_go(&mut [&mut ledger], self.max_devices));
                }
                Event::CaughtUp => {
                    complete = true;
                    return ControlFlow::Break(());
                }
                Event::Idle => {}
            }
            ControlFlow::Continue(())
        })?;
        if !complete {
            return Ok(None);
        }
        metrics.rebuild.record(started.elapsed());
        info!(partition, devices = ledger.devices(), "the ledger of a partition is read back");
        Ok(Some(ledger))
    }

    /// Asks until there is an answer; none if it was stopped first.
    fn patiently<T>(&self, mut ask: impl FnMut() -> Result<T, ReaderError>) -> Result<Option<T>> {
        loop {
            match ask() {
                Ok(answer) => return Ok(Some(answer)),
                Err(ReaderError::Stopped) => return Ok(None),
                Err(err @ (ReaderError::Unreachable(_) | ReaderError::NoSuchTopic(_))) => {
                    warn!(%err, "the gap ledger waits");
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
