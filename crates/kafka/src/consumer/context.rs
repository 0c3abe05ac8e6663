//! What librdkafka calls back on the thread that polls: partitions given and taken, statistics, errors.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rdkafka::Statistics;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Partition as Seen;

use super::group::{Group, Held};
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
        let rtt_us = group.connection.observe(&statistics);
        group.metrics.observe(&statistics, rtt_us, group.in_flight.records());
        let now_ms = unix_ms();
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
                let lag = if is_done(held, seen) { 0 } else { (seen.hi_offset - next).max(0) };
                held.lag = Some(lag);
                held.partition.metrics.behind(lag, if lag > 0 { age_ms(held, now, now_ms) } else { 0 });
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

/// Whether everything up to the end was handed over and completed. The end may lie behind the mark all the same: what
/// ends a transaction has an offset, and is no record.
fn is_done(held: &Held, seen: &Seen) -> bool {
    seen.fetchq_cnt == 0 && seen.next_offset >= seen.hi_offset && held.partition.is_idle()
}

/// Age of the oldest record that is not done. Before the first record, the time since the partition was given: its
/// oldest record has waited for as long at least.
fn age_ms(held: &Held, now: Instant, now_ms: i64) -> i64 {
    let given = || i64::try_from(now.duration_since(held.given).as_millis()).unwrap_or(i64::MAX);
    held.partition.oldest_ms().map_or_else(given, |oldest_ms| now_ms.saturating_sub(oldest_ms).max(0))
}

#[expect(clippy::disallowed_methods, reason = "librdkafka calls back with a time of whole seconds only")]
fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
