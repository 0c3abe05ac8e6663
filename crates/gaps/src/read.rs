//! Reading the ledger once, for tools.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use fleetwire_kafka::{
    ClientSettings, Event, Message, MissingTopic, Reader, ReaderError, ReaderOptions, Start, partition_of,
};
use fleetwire_model::pb::{DeviceLedger, Gap};
use fleetwire_model::time::to_unix_ms;
use fleetwire_model::{Topic, Topics};
use prost::Message as _;
use prost_types::Timestamp;
use tokio_util::sync::CancellationToken;

/// Why the ledger could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A topic cannot be read.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// A record is none of ours.
    #[error("a record of {topic} cannot be read: {source}")]
    Record {
        /// The topic.
        topic: String,
        /// Why.
        source: prost::DecodeError,
    },
    /// Kafka stopped answering.
    #[error("nothing of {topic} came for {limit:?}")]
    TooSlow {
        /// The topic.
        topic: String,
        /// How long was waited.
        limit: Duration,
    },
}

/// Where the ledger is, and how long Kafka may take to answer.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// How Kafka is reached.
    pub client: &'a ClientSettings,
    /// Names of the topics.
    pub topics: &'a Topics,
    /// How long nothing may come.
    pub limit: Duration,
}

impl Source<'_> {
    /// What the ledger remembers of a device, if it does.
    pub fn device(&self, device: &str) -> Result<Option<DeviceLedger>, ReadError> {
        let mut found = None;
        self.each(Topic::GapState, Some(device), |record| {
            if record.key() == Some(device.as_bytes()) {
                found = record.payload().map(DeviceLedger::decode).transpose()?;
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The gaps of one device, or of all, as they are now; by device and beginning.
    pub fn gaps(&self, device: Option<&str>) -> Result<Vec<Gap>, ReadError> {
        let mut newest: HashMap<String, Gap> = HashMap::new();
        self.each(Topic::Gaps, device, |record| {
            if device.is_some_and(|device| record.key() != Some(device.as_bytes())) {
                return Ok(());
            }
            let gap = Gap::decode(record.payload().unwrap_or_default())?;
            if newest.get(&gap.gap_id).is_none_or(|known| order(known) <= order(&gap)) {
                newest.insert(gap.gap_id.clone(), gap);
            }
            Ok(())
        })?;
        let mut gaps: Vec<Gap> = newest.into_values().collect();
        gaps.sort_by(|one, other| {
            let begin = |gap: &Gap| unix_ms(gap.from_time.as_ref());
            (&one.device_id, begin(one)).cmp(&(&other.device_id, begin(other)))
        });
        Ok(gaps)
    }

    /// Every record of a topic, or of the partition that a device has.
    fn each(
        &self,
        topic: Topic,
        device: Option<&str>,
        mut handler: impl FnMut(&Message<'_>) -> Result<(), prost::DecodeError>,
    ) -> Result<(), ReadError> {
        let (topic, stop) = (self.topics.name(topic), CancellationToken::new());
        let options =
            ReaderOptions { start: Start::Beginning, missing: MissingTopic::Fail, ready_timeout: self.limit };
        let reader = match device {
            None => Reader::new(self.client, &topic, options, &stop)?,
            Some(device) => {
                let count = Reader::partition_count(self.client, &topic, options, &stop)?;
                let partition = partition_of(device.as_bytes(), count);
                Reader::of_partition(self.client, (&topic, partition), options, &stop)?
            }
        };
        let mut result = Err(ReadError::TooSlow { topic: topic.clone(), limit: self.limit });
        let mut deadline = Instant::now() + self.limit;
        reader.run(&stop, |event| {
            match event {
                Event::Record(record) => {
                    deadline = Instant::now() + self.limit;
                    if let Err(source) = handler(&record) {
                        result = Err(ReadError::Record { topic: topic.clone(), source });
                        return ControlFlow::Break(());
                    }
                }
                Event::CaughtUp => {
                    result = Ok(());
                    return ControlFlow::Break(());
                }
                Event::Idle => {}
            }
            if Instant::now() < deadline { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        result
    }
}

/// A device that the ledger forgot and met again may begin its revisions anew.
fn order(gap: &Gap) -> (i64, u32) {
    (unix_ms(gap.changed_time.as_ref()), gap.revision)
}

fn unix_ms(time: Option<&Timestamp>) -> i64 {
    time.map_or(0, to_unix_ms)
}
