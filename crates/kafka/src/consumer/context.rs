//! What librdkafka calls back on the thread that polls: partitions given and taken, statistics, errors.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rdkafka::Statistics;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::group::Group;
use super::tracker::lock;
use crate::client;

/// librdkafka's view of the group.
#[derive(Debug)]
pub(super) struct GroupContext(pub(super) Arc<Group>);

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        client::log(level, facility, text);
    }

    fn stats(&self, statistics: Statistics) {
        let (group, now) = (&self.0, Instant::now());
        if let Some(rtt_us) = group.connection.observe(&statistics) {
            group.metrics.broker_rtt_seconds.set(precise(rtt_us) / 1e6);
        }
        let in_flight = i64::try_from(group.in_flight.records()).unwrap_or(i64::MAX);
        group.metrics.in_flight_records.set(precise(in_flight));
        for ((topic, number), held) in lock(&group.partitions).iter_mut() {
            let Some(seen) = statistics.topics.get(topic).and_then(|topic| topic.partitions.get(number))
            else {
                continue;
            };
            if held.partition.commit_is_missing(seen.committed_offset, now) {
                group.lost_commits.fetch_add(1, Ordering::Relaxed);
                group.metrics.commit_failures.increment(1);
                tracing::warn!(topic, partition = number, "an offset commit was lost; it is sent again");
            }
            let next = held.partition.mark().unwrap_or(seen.committed_offset.max(seen.lo_offset));
            if seen.hi_offset >= 0 && next >= 0 {
                let lag = (seen.hi_offset - next).max(0);
                held.lag = Some(lag);
                held.partition.lag.set(precise(lag));
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.0.connection.set_down(reason);
        }
        self.0.note_error(format!("{error}: {reason}"));
    }
}

impl ConsumerContext for GroupContext {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => {
                tracing::info!(group = &*self.0.name, partitions = list.count(), "partitions came");
                if let Some(mut transaction) = self.0.transaction() {
                    transaction.rebalanced(consumer);
                }
                self.0.give(list);
            }
            Rebalance::Revoke(list) => {
                tracing::info!(group = &*self.0.name, partitions = list.count(), "partitions go");
                self.0.take(consumer, list);
            }
            Rebalance::Error(error) => tracing::warn!(%error, "rebalance failed; librdkafka tries again"),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric")]
fn precise(number: i64) -> f64 {
    number as f64
}
