//! Where a partition begins and ends, for whoever has to know how far it is.

use std::fmt;

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::BaseConsumer;

use crate::client::QuietContext;
use crate::error::ClientError;
use crate::reader::{ReaderError, watermarks};
use crate::settings::ClientSettings;

/// Asks for the ends of partitions; each question blocks for at most two seconds.
pub struct Watermarks(BaseConsumer<QuietContext>);

impl Watermarks {
    /// A client for it; connects by itself.
    pub fn new(settings: &ClientSettings) -> Result<Self, ReaderError> {
        // librdkafka wants a group for any consumer; this one joins none.
        let config = settings.consumer_config("fleetwire-watermarks").map_err(ClientError::from)?;
        let client =
            BaseConsumer::from_config_and_context(&config, QuietContext).map_err(ClientError::from)?;
        Ok(Self(client))
    }

    /// The oldest offset that Kafka keeps, and the next one to be written, as a reader of committed records sees it.
    pub fn of(&self, topic: &str, partition: i32) -> Result<(i64, i64), ReaderError> {
        watermarks(&self.0, topic, partition)
    }
}

impl fmt::Debug for Watermarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watermarks").finish_non_exhaustive()
    }
}
