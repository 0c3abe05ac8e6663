//! A reader without a group that follows partitions of several topics, which come and go while it runs: for what lies
//! beside the partitions of a group's member.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use crate::client::QuietContext;
use crate::consumer::TopicPartition;
use crate::error::ClientError;
use crate::message::Message;
use crate::reader::ReaderError;
use crate::settings::ClientSettings;

/// Follows partitions from offsets that are known. For one thread.
pub struct PartitionFollower {
    inner: BaseConsumer<QuietContext>,
    followed: RefCell<HashSet<TopicPartition>>,
}

impl PartitionFollower {
    /// A follower of nothing yet; connects by itself.
    pub fn new(settings: &ClientSettings) -> Result<Self, ReaderError> {
        // librdkafka wants a group for any consumer; this one joins none and commits nothing.
        let mut config = settings.consumer_config("fleetwire-follower").map_err(ClientError::from)?;
        // Where an offset is gone, what is kept begins later.
        config.set("auto.offset.reset", "earliest");
        let inner =
            BaseConsumer::from_config_and_context(&config, QuietContext).map_err(ClientError::from)?;
        Ok(Self { inner, followed: RefCell::default() })
    }

    /// Follows one partition more, from this offset on. One that is followed already starts anew.
    pub fn add(&self, place: &TopicPartition, from: i64) -> Result<(), ReaderError> {
        self.remove(place)?;
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&place.topic, place.number, Offset::Offset(from))
            .and_then(|()| self.inner.incremental_assign(&list))
            .map_err(|error| fatal(&error))?;
        self.followed.borrow_mut().insert(place.clone());
        Ok(())
    }

    /// Follows a partition no more.
    pub fn remove(&self, place: &TopicPartition) -> Result<(), ReaderError> {
        if self.followed.borrow_mut().remove(place) {
            self.inner.incremental_unassign(&list(place)).map_err(|error| fatal(&error))?;
        }
        Ok(())
    }

    /// Reads no more of a partition until [`Self::resume`]; what came of it and was not handed out comes again then.
    pub fn pause(&self, place: &TopicPartition) -> Result<(), ReaderError> {
        self.inner.pause(&list(place)).map_err(|error| fatal(&error))
    }

    /// Goes on with a partition.
    pub fn resume(&self, place: &TopicPartition) -> Result<(), ReaderError> {
        self.inner.resume(&list(place)).map_err(|error| fatal(&error))
    }

    /// The next record, waited for at most `wait`; order holds within a partition. Kafka being down is none: it is
    /// tried again for ever.
    pub fn next(&self, wait: Duration) -> Result<Option<Message<'_>>, ReaderError> {
        let deadline = Instant::now() + wait;
        loop {
            match self.inner.poll(deadline.saturating_duration_since(Instant::now())) {
                Some(Ok(message)) => {
                    let place = TopicPartition { topic: message.topic().into(), number: message.partition() };
                    // What had come of a partition that has gone is nobody's.
                    if self.followed.borrow().contains(&place) {
                        return Ok(Some(Message::new(message)));
                    }
                }
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    return Err(ReaderError::Fatal(code.to_string()));
                }
                Some(Err(error)) => tracing::debug!(%error, "following failed; tried again"),
                None => {}
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }
}

impl fmt::Debug for PartitionFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionFollower")
            .field("followed", &self.followed.borrow().len())
            .finish_non_exhaustive()
    }
}

fn list(place: &TopicPartition) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(&place.topic, place.number);
    list
}

fn fatal(error: &KafkaError) -> ReaderError {
    ReaderError::Fatal(error.to_string())
}
