//! A reader of one partition: for state that lies beside the records of a group's partition, and for everything of
//! one key without reading what belongs to others.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::{Reader, ReaderError, ReaderOptions, partitions, retry, watermarks};
use crate::client::QuietContext;
use crate::consumer::Start;
use crate::error::ClientError;
use crate::settings::ClientSettings;

impl Reader {
    /// Starts reading one partition; otherwise as [`Reader::new`].
    pub fn of_partition(
        settings: &ClientSettings,
        (topic, number): (&str, i32),
        options: ReaderOptions,
        stop: &CancellationToken,
    ) -> Result<Self, ReaderError> {
        let reader = idle(settings, topic)?;
        let deadline = Instant::now() + options.ready_timeout;
        let count = retry(deadline, stop, options.missing, || partitions(&reader.inner, topic))?;
        if !usize::try_from(number).is_ok_and(|number| number < count) {
            return Err(ReaderError::NoSuchTopic(format!("{topic} with a partition {number}")));
        }
        let (low, high) =
            retry(deadline, stop, options.missing, || watermarks(&reader.inner, topic, number))?;
        let from = match options.start {
            Start::Beginning => Offset::Beginning,
            Start::End => Offset::Offset(high),
        };
        let mut assignment = TopicPartitionList::with_capacity(1);
        assignment
            .add_partition_offset(topic, number, from)
            .and_then(|()| reader.inner.assign(&assignment))
            .map_err(|error| ReaderError::Fatal(error.to_string()))?;
        if options.start == Start::Beginning && high > low {
            reader.behind.borrow_mut().insert(number, high);
        }
        Ok(reader)
    }

    /// How many partitions a topic has; waits for Kafka (and the topic, where the options say so) as a reader does.
    pub fn partition_count(
        settings: &ClientSettings,
        topic: &str,
        options: ReaderOptions,
        stop: &CancellationToken,
    ) -> Result<usize, ReaderError> {
        let reader = idle(settings, topic)?;
        retry(Instant::now() + options.ready_timeout, stop, options.missing, || {
            partitions(&reader.inner, topic)
        })
    }

    /// The offset of a partition's next record; waits as a reader does.
    pub fn end_of(
        settings: &ClientSettings,
        (topic, number): (&str, i32),
        options: ReaderOptions,
        stop: &CancellationToken,
    ) -> Result<i64, ReaderError> {
        let reader = idle(settings, topic)?;
        let deadline = Instant::now() + options.ready_timeout;
        retry(deadline, stop, options.missing, || watermarks(&reader.inner, topic, number))
            .map(|(_, high)| high)
    }
}

fn idle(settings: &ClientSettings, topic: &str) -> Result<Reader, ReaderError> {
    let mut config = settings.consumer_config("fleetwire-reader").map_err(ClientError::from)?;
    config.set("enable.partition.eof", "true").set("auto.offset.reset", "earliest");
    let inner = BaseConsumer::from_config_and_context(&config, QuietContext).map_err(ClientError::from)?;
    Ok(Reader { inner, topic: topic.to_owned(), behind: RefCell::default(), told: Cell::new(false) })
}
