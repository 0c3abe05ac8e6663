//! A reader that begins at a time: for a view of what happened lately.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Instant;

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use super::{Reader, ReaderError, ReaderOptions, partitions, retry, watermarks};
use crate::client::QuietContext;
use crate::error::ClientError;
use crate::range::by_time;
use crate::settings::ClientSettings;

impl Reader {
    /// Starts reading with the first records of this time, Unix milliseconds, or a later one; otherwise as
    /// [`Reader::new`], and `start` of the options says nothing. A log that finds nothing by its time, such as the
    /// embedded one, is read from its beginning.
    pub fn since(
        settings: &ClientSettings,
        topic: &str,
        from_ms: i64,
        options: ReaderOptions,
        stop: &CancellationToken,
    ) -> Result<Self, ReaderError> {
        let mut config = settings.consumer_config("fleetwire-reader").map_err(ClientError::from)?;
        config.set("enable.partition.eof", "true").set("auto.offset.reset", "earliest");
        let inner =
            BaseConsumer::from_config_and_context(&config, QuietContext).map_err(ClientError::from)?;
        let deadline = Instant::now() + options.ready_timeout;
        let count = retry(deadline, stop, options.missing, || partitions(&inner, topic))?;
        let mut filled = HashMap::new();
        let mut starts = HashMap::new();
        for number in (0..).take(count) {
            let (low, high) = retry(deadline, stop, options.missing, || watermarks(&inner, topic, number))?;
            starts.insert(number, high);
            if high > low {
                filled.insert(number, (low, high));
            }
        }
        let numbers: Vec<i32> = filled.keys().copied().collect();
        let at = |time_ms: i64| {
            retry(deadline, stop, options.missing, || by_time(&inner, topic, time_ms, &numbers))
        };
        let (found, first) = (at(from_ms)?, at(0)?);
        let mut behind = HashMap::new();
        for (number, (low, high)) in filled {
            // Nothing that late, or a log that finds not even its first record by its time.
            let has_times = first.get(&number).copied().flatten().is_some();
            let nothing = if has_times { high } else { low };
            let start = found.get(&number).copied().flatten().unwrap_or(nothing).clamp(low, high);
            starts.insert(number, start);
            if high > start {
                behind.insert(number, high);
            }
        }
        let mut assignment = TopicPartitionList::with_capacity(count);
        for (number, start) in starts {
            assignment
                .add_partition_offset(topic, number, Offset::Offset(start))
                .map_err(|error| ReaderError::Fatal(error.to_string()))?;
        }
        inner.assign(&assignment).map_err(|error| ReaderError::Fatal(error.to_string()))?;
        Ok(Self { inner, topic: topic.to_owned(), behind: RefCell::new(behind), told: Cell::new(false) })
    }
}
