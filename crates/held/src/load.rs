//! Reads the knocks of partitions back, once nothing of them is undecided any more.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fleetwire_kafka::{
    Assigned, ClientSettings, MissingTopic, Range, RangeEvent, RangeReader, Reader, ReaderError,
    ReaderOptions, Start,
};
use fleetwire_model::pb::Knock;
use fleetwire_model::{DeviceId, Topic};
use fleetwire_service::health::Condition;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::metrics::HeldMetrics;
use crate::page::Page;

/// How long one attempt takes before the reason is told again.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How late a stop is noticed.
const SLICE: Duration = Duration::from_millis(100);

/// Where knocks are read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) client: ClientSettings,
    pub(crate) held: String,
    pub(crate) knocks: String,
    pub(crate) condition: Condition,
    pub(crate) stop: CancellationToken,
}

impl Source {
    /// The number of partitions; fails if a device's knock is not in the partition of the same number as what is held
    /// of it. Waits for Kafka and for the topics; none if it was stopped first.
    pub(crate) fn partitions(&self) -> Result<Option<usize>> {
        let options =
            ReaderOptions { start: Start::Beginning, missing: MissingTopic::Wait, ready_timeout: ATTEMPT };
        let mut counts = [0; 2];
        for (topic, count) in [&self.held, &self.knocks].into_iter().zip(&mut counts) {
            let asked =
                self.patiently(|| Reader::partition_count(&self.client, topic, options, &self.stop))?;
            let Some(found) = asked else { return Ok(None) };
            *count = found;
        }
        let [held, knocks] = counts;
        if held != knocks {
            bail!(
                "{} has {held} partitions and {} has {knocks}: they must have equally many, so that one keeper has \
                 what is held of a device and its knock. Mend it with `fleetwire topics apply --partitions {}={held}` \
                 after deleting {} while no keeper runs; what is held by then is not released",
                self.held,
                self.knocks,
                Topic::Knocks.suffix(),
                self.knocks,
            );
        }
        Ok(Some(held))
    }

    /// The knocks of partitions. None if it was stopped first.
    pub(crate) fn read(
        &self,
        assigned: &[Assigned],
        limit: usize,
        metrics: &HeldMetrics,
    ) -> Result<Option<Vec<(i32, Page)>>> {
        let started = Instant::now();
        loop {
            let range = Range {
                offsets: Some(assigned.iter().map(|assigned| (assigned.partition, 0)).collect()),
                ready_timeout: ATTEMPT,
                stall_timeout: ATTEMPT,
                ..Range::default()
            };
            let opened = self
                .patiently(|| RangeReader::decided(&self.client, &self.knocks, range.clone(), &self.stop))?;
            let Some(reader) = opened else { return Ok(None) };
            let mut pages: BTreeMap<i32, Page> =
                assigned.iter().map(|found| (found.partition, Page::new(found.since, limit))).collect();
            match self.fill(&reader, &mut pages, metrics) {
                Ok(true) => {
                    let knocks: usize = pages.values().map(Page::len).sum();
                    info!(partitions = pages.len(), knocks, "knocks are read back");
                    metrics.rebuild.record(started.elapsed());
                    return Ok(Some(pages.into_iter().collect()));
                }
                Ok(false) => return Ok(None),
                Err(ReaderError::Unreachable(reason)) => self.wait(&reason),
                Err(err) => return Err(err.into()),
            }
        }
    }

    /// Reads to the end; false if it was stopped first.
    fn fill(
        &self,
        reader: &RangeReader,
        pages: &mut BTreeMap<i32, Page>,
        metrics: &HeldMetrics,
    ) -> Result<bool, ReaderError> {
        while !self.stop.is_cancelled() {
            let record = match reader.next(SLICE)? {
                RangeEvent::Record(record) => record,
                RangeEvent::Idle => continue,
                RangeEvent::End => return Ok(true),
            };
            let Some(page) = pages.get_mut(&record.partition()) else { continue };
            let key = std::str::from_utf8(record.key().unwrap_or_default()).unwrap_or_default();
            let device = key.parse::<DeviceId>();
            let knock = record.payload().map(Knock::decode).transpose();
            if let (Ok(device), Ok(knock)) = (device, knock) {
                page.restore(device, knock);
            } else {
                metrics.unusable_knocks.increment(1);
                warn!(offset = record.offset(), "a record of the topic of knocks is not usable");
            }
        }
        Ok(false)
    }

    /// Asks until there is an answer; none if it was stopped first.
    fn patiently<T>(&self, mut ask: impl FnMut() -> Result<T, ReaderError>) -> Result<Option<T>> {
        loop {
            match ask() {
                Ok(answer) => return Ok(Some(answer)),
                Err(ReaderError::Stopped) => return Ok(None),
                Err(err @ (ReaderError::Unreachable(_) | ReaderError::NoSuchTopic(_))) => {
                    self.wait(&err.to_string());
                }
                Err(err) => return Err(err.into()),
            }
            if self.stop.is_cancelled() {
                return Ok(None);
            }
        }
    }

    fn wait(&self, reason: &str) {
        warn!(reason, "the keeper of held publishes waits");
        self.condition.away(reason);
    }
}
