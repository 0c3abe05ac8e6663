//! A reader without a group that follows a topic from its beginning, and can tell how far it is: also past what
//! leaves no record behind, such as the markers of transactions and what they undid.

use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use crate::client::QuietContext;
use crate::error::ClientError;
use crate::message::Message;
use crate::reader::{MissingTopic, ReaderError, classify, partitions, retry, watermarks};
use crate::settings::ClientSettings;

/// Follows all partitions of one topic. One thread calls [`Self::next`]; others may ask for [`Self::ends`] meanwhile.
pub struct TailReader {
    inner: BaseConsumer<QuietContext>,
    /// Asks for the ends. On the reader's own connection the answer would come after that of a fetch, which waits for
    /// records for up to half a second.
    asker: BaseConsumer<QuietContext>,
    topic: String,
    /// Where each partition began at the start.
    first: Vec<i64>,
}

impl TailReader {
    /// Starts reading; waits for Kafka and the topic at most `limit`, or until the stop.
    pub fn new(
        settings: &ClientSettings,
        topic: &str,
        limit: Duration,
        stop: &CancellationToken,
    ) -> Result<Self, ReaderError> {
        // librdkafka wants a group for any consumer; this one joins none and commits nothing.
        let mut config = settings.consumer_config("fleetwire-reader").map_err(ClientError::from)?;
        config.set("auto.offset.reset", "earliest");
        let client =
            || BaseConsumer::from_config_and_context(&config, QuietContext).map_err(ClientError::from);
        let (inner, asker) = (client()?, client()?);
        let deadline = Instant::now() + limit;
        let count = retry(deadline, stop, MissingTopic::Wait, || partitions(&asker, topic))?;
        let (mut assignment, mut first) = (TopicPartitionList::with_capacity(count), Vec::new());
        for number in (0..).take(count) {
            let (low, _) = retry(deadline, stop, MissingTopic::Wait, || watermarks(&asker, topic, number))?;
            first.push(low);
            assignment
                .add_partition_offset(topic, number, Offset::Offset(low))
                .map_err(|error| fatal(&error))?;
        }
        inner.assign(&assignment).map_err(|error| fatal(&error))?;
        Ok(Self { inner, asker, topic: topic.to_owned(), first })
    }

    /// The next record, waited for at most `wait`. Kafka being away is no error: it is tried again for ever.
    pub fn next(&self, wait: Duration) -> Result<Option<Message<'_>>, ReaderError> {
        match self.inner.poll(wait) {
            Some(Ok(message)) => Ok(Some(Message::new(message))),
            Some(Err(KafkaError::MessageConsumptionFatal(code))) => Err(ReaderError::Fatal(code.to_string())),
            Some(Err(error)) => {
                tracing::debug!(%error, topic = self.topic, "reading failed; tried again");
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// The next offset of each partition: everything before it was returned by [`Self::next`], or is nothing to
    /// return.
    pub fn positions(&self) -> Result<Vec<i64>, ReaderError> {
        let positions = self.inner.position().map_err(|error| fatal(&error))?;
        Ok(self.by_partition(&positions, self.first.clone()))
    }

    /// The end of each partition as it is now; of transactions, only what is decided counts.
    pub fn ends(&self, limit: Duration) -> Result<Vec<i64>, ReaderError> {
        let mut asked = TopicPartitionList::with_capacity(self.first.len());
        for number in (0..).take(self.first.len()) {
            asked.add_partition_offset(&self.topic, number, Offset::End).map_err(|error| fatal(&error))?;
        }
        let away = |error: KafkaError| classify(&self.topic, &error);
        let ends = self.asker.offsets_for_times(asked, limit).map_err(away)?;
        for found in ends.elements() {
            found.error().map_err(away)?;
            if !matches!(found.offset(), Offset::Offset(_)) {
                return Err(ReaderError::Unreachable("the end of a partition is not known".to_owned()));
            }
        }
        Ok(self.by_partition(&ends, self.first.clone()))
    }

    /// Number of partitions.
    pub const fn partitions(&self) -> usize {
        self.first.len()
    }

    fn by_partition(&self, list: &TopicPartitionList, mut offsets: Vec<i64>) -> Vec<i64> {
        for found in list.elements_for_topic(&self.topic) {
            let slot = usize::try_from(found.partition()).ok().and_then(|number| offsets.get_mut(number));
            if let (Some(slot), Offset::Offset(offset)) = (slot, found.offset()) {
                *slot = offset;
            }
        }
        offsets
    }
}

impl fmt::Debug for TailReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TailReader").field("topic", &self.topic).finish_non_exhaustive()
    }
}

fn fatal(error: &KafkaError) -> ReaderError {
    ReaderError::Fatal(error.to_string())
}
