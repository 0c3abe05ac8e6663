//! Reading the whole registry once, for tools.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use fleetwire_kafka::{ClientSettings, Event, MissingTopic, Reader, ReaderError, ReaderOptions, Start};
use fleetwire_model::pb::Device;
use fleetwire_model::{Topic, Topics};
use prost::Message as _;
use tokio_util::sync::CancellationToken;

/// Why the registry could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The topic cannot be read.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// A record is none of ours.
    #[error("the registry's record of {key} is no Device: {source}")]
    Record {
        /// Its key.
        key: String,
        /// Why.
        source: prost::DecodeError,
    },
    /// It took too long.
    #[error("the device registry was not read within {0:?}")]
    TooSlow(Duration),
}

/// Every device of the registry, by id, as it is now. Waits for Kafka at most `limit`.
pub fn all(
    client: &ClientSettings,
    topics: &Topics,
    limit: Duration,
) -> Result<BTreeMap<String, Device>, ReadError> {
    let (stop, deadline) = (CancellationToken::new(), Instant::now() + limit);
    let options =
        ReaderOptions { start: Start::Beginning, missing: MissingTopic::Fail, ready_timeout: limit };
    let reader = Reader::new(client, &topics.name(Topic::Devices), options, &stop)?;
    let mut devices = BTreeMap::new();
    let mut result = Err(ReadError::TooSlow(limit));
    reader.run(&stop, |event| {
        match event {
            Event::Record(record) => {
                let key = String::from_utf8_lossy(record.key().unwrap_or_default()).into_owned();
                if key.starts_with(fleetwire_trace::KEY_PREFIX) {
                    return ControlFlow::Continue(());
                }
                match record.payload().map(Device::decode) {
                    Some(Ok(device)) => devices.insert(key, device),
                    Some(Err(source)) => {
                        result = Err(ReadError::Record { key, source });
                        return ControlFlow::Break(());
                    }
                    None => devices.remove(&key),
                };
            }
            Event::CaughtUp => {
                result = Ok(());
                return ControlFlow::Break(());
            }
            Event::Idle => {}
        }
        if Instant::now() < deadline { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    result.map(|()| devices)
}
