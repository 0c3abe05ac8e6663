//! What a group has committed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

/// How long Kafka may take to answer.
const LIMIT: Duration = Duration::from_secs(30);

/// Records of a topic up to these ends that a group has not committed.
pub(super) fn uncommitted(brokers: &str, group: &str, topic: &str, ends: &BTreeMap<i32, i64>) -> Result<i64> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", group);
    let client: BaseConsumer = config.create()?;
    let mut asked = TopicPartitionList::with_capacity(ends.len());
    for partition in ends.keys() {
        asked.add_partition(topic, *partition);
    }
    let mut lag = 0;
    for element in client.committed_offsets(asked, LIMIT)?.elements() {
        element.error()?;
        let end = ends.get(&element.partition()).copied().unwrap_or(0);
        lag += match element.offset() {
            Offset::Offset(next) => end - next,
            _ => end,
        };
    }
    Ok(lag)
}
