//! Where a partition begins and ends, for whoever has to know how far it is.

use std::fmt;

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::QuietContext;
use crate::error::ClientError;
use crate::reader::{ASK, ReaderError, classify, watermarks};
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

    /// The offset of the first record of that time or a later one, Unix milliseconds. None if there is none, or if the
    /// log cannot tell, as the embedded one.
    pub fn at(&self, topic: &str, partition: i32, time_ms: i64) -> Result<Option<i64>, ReaderError> {
        let away = |error: KafkaError| classify(topic, &error);
        let mut asked = TopicPartitionList::with_capacity(1);
        asked.add_partition_offset(topic, partition, Offset::Offset(time_ms.max(0))).map_err(away)?;
        let answer = self.0.offsets_for_times(asked, ASK).map_err(away)?;
        let mut found = None;
        for element in answer.elements() {
            element.error().map_err(away)?;
            if let Offset::Offset(offset) = element.offset() {
                found = Some(offset);
            }
        }
        Ok(found)
    }
}

impl fmt::Debug for Watermarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watermarks").finish_non_exhaustive()
    }
}
