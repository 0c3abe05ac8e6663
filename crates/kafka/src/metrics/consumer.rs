//! Metrics of group consumers.

use fleetwire_metrics::{Label, Metric};
use metrics::{Counter, Gauge};
use rdkafka::Statistics;

use super::client::{BrokerMetrics, Share};
use super::increment;

const CONSUMED_RECORDS: Metric =
    Metric::counter("fleetwire_kafka_consumed_records_total", "Records handed to the decoder.");
const UNFINISHED_RECORDS: Metric = Metric::gauge(
    "fleetwire_kafka_unfinished_records",
    "Records handed over and not completed. Refreshed once a second.",
)
.worry("Near `max_in_flight` for long: Kafka does not take the events fast enough.");
const PAUSES: Metric =
    Metric::counter("fleetwire_kafka_pauses_total", "Times reading paused because too much was unfinished.")
        .worry("Grows steadily.");
const COMMITS: Metric = Metric::counter("fleetwire_kafka_commits_total", "Offset commits.")
    .from_start(&[Label::words("outcome", &["ok", "failed"])])
    .worry("`failed` grows: records will be decoded again.");
const REBALANCES: Metric = Metric::counter("fleetwire_kafka_rebalances_total", "Changes of the assignment.")
    .from_start(&[Label::words("kind", &["assigned", "revoked", "lost"])])
    .worry("`lost`: a decoder was away for too long. Many of any kind: decoders come and go.");
const ASSIGNED_PARTITIONS: Metric =
    Metric::gauge("fleetwire_kafka_assigned_partitions", "Partitions that this process reads.")
        .worry("The sum over all decoders is below the number of partitions.");
const LAG_RECORDS: Metric = Metric::gauge(
    "fleetwire_kafka_lag_records",
    "Records from the commit mark to the end of a partition, by the group that reads it; 0 once the \
     partition is given away. Refreshed once a second.",
)
.worry("Grows: too few decoders. One partition only: one device sends a lot, or a decoder hangs.")
.labels(&[
    Label::text("topic", ""),
    Label::text("partition", ""),
    Label::text("group", "the consumer group"),
]);
const LAG_SECONDS: Metric = Metric::gauge(
    "fleetwire_kafka_lag_seconds",
    "Age of the record at the commit mark, by its own time: for how long the oldest record that is \
     not done has waited. For records of the raw topic that is since the frontend received them. 0 \
     when nothing waits, and once the partition is given away. Refreshed once a second; rests on the \
     clocks of both machines.",
)
.worry(
    "Grows: what the group does comes late. All partitions: too few processes, or Kafka does not take \
     what they write. One partition only: one device sends a lot, or a process hangs.",
)
.labels(&[
    Label::text("topic", ""),
    Label::text("partition", ""),
    Label::text("group", "the consumer group"),
]);
const SKIPPED_OFFSETS: Metric = Metric::counter(
    "fleetwire_kafka_skipped_offsets_total",
    "Offsets without a record between two that were read.",
)
.labels(&[Label::text("topic", "")])
.worry(
    "Any growth on `raw.v1`: retention removed records before they were decoded. Gaps of compaction \
     and transactions count as well.",
);
const ABANDONED_RECORDS: Metric =
    Metric::counter("fleetwire_kafka_abandoned_records_total", "Records dropped without completion.")
        .worry("Any: it is a defect, and the decoder ends.");
const CONSUMER_ERRORS: Metric =
    Metric::counter("fleetwire_kafka_consumer_errors_total", "Errors while reading.")
        .from_start(&[Label::words(
            "kind",
            &["unreachable", "auth", "unknown_topic", "poll_exceeded", "offset_out_of_range", "other"],
        )])
        .worry(
            "`auth`, `unknown_topic`: rights or topics. `poll_exceeded`: the decoder was blocked for too \
     long. `offset_out_of_range`: retention overtook it.",
        );

/// What is counted here.
pub(super) const METRICS: &[Metric] = &[
    CONSUMED_RECORDS,
    UNFINISHED_RECORDS,
    PAUSES,
    COMMITS,
    REBALANCES,
    ASSIGNED_PARTITIONS,
    LAG_RECORDS,
    LAG_SECONDS,
    SKIPPED_OFFSETS,
    ABANDONED_RECORDS,
    CONSUMER_ERRORS,
];

/// Of one group consumer.
#[derive(Debug)]
pub(crate) struct ConsumerMetrics {
    /// Its group.
    pub(crate) group: String,
    pub(crate) records: Counter,
    pub(crate) commits: Counter,
    pub(crate) commit_failures: Counter,
    pub(crate) assigned: Counter,
    pub(crate) revoked: Counter,
    pub(crate) lost: Counter,
    pub(crate) partitions: Share,
    pub(crate) abandoned: Counter,
    pub(crate) pauses: Counter,
    in_flight_records: Share,
    brokers: BrokerMetrics,
    errors: [(&'static str, Counter); 6],
}

impl ConsumerMetrics {
    pub(crate) fn register(group: &str) -> Self {
        let error = |code: &'static str| (code, CONSUMER_ERRORS.counter_of([code]));
        let rebalance = |kind: &'static str| REBALANCES.counter_of([kind]);
        Self {
            group: group.to_owned(),
            records: CONSUMED_RECORDS.to_counter(),
            commits: COMMITS.counter_of(["ok"]),
            commit_failures: COMMITS.counter_of(["failed"]),
            assigned: rebalance("assigned"),
            revoked: rebalance("revoked"),
            lost: rebalance("lost"),
            partitions: Share::new(ASSIGNED_PARTITIONS.to_gauge()),
            abandoned: ABANDONED_RECORDS.to_counter(),
            pauses: PAUSES.to_counter(),
            in_flight_records: Share::new(UNFINISHED_RECORDS.to_gauge()),
            brokers: BrokerMetrics::new("consumer"),
            errors: [
                error("unreachable"),
                error("auth"),
                error("unknown_topic"),
                error("poll_exceeded"),
                error("offset_out_of_range"),
                error("other"),
            ],
        }
    }

    /// What librdkafka says of itself, and how many records are not completed.
    pub(crate) fn observe(&self, statistics: &Statistics, rtt_us: Option<i64>, in_flight: usize) {
        self.brokers.observe(statistics, rtt_us);
        self.in_flight_records.set(in_flight);
    }

    pub(crate) fn error(&self, code: &'static str) {
        increment(&self.errors, code);
    }
}

/// Of one partition; made when it is assigned.
#[derive(Debug)]
pub(crate) struct PartitionMetrics {
    /// Offsets that no record was handed over for.
    pub(crate) skipped: Counter,
    lag_records: Gauge,
    lag_seconds: Gauge,
}

impl PartitionMetrics {
    pub(crate) fn new(group: &str, topic: &str, partition: i32) -> Self {
        let labels = || [topic.to_owned(), partition.to_string(), group.to_owned()];
        Self {
            skipped: SKIPPED_OFFSETS.counter_of([topic.to_owned()]),
            lag_records: LAG_RECORDS.gauge_of(labels()),
            lag_seconds: LAG_SECONDS.gauge_of(labels()),
        }
    }

    /// So many records are behind the mark, and the oldest is this old.
    #[expect(clippy::cast_precision_loss, reason = "gauges")]
    pub(crate) fn behind(&self, records: i64, age_ms: i64) {
        self.lag_records.set(records as f64);
        self.lag_seconds.set(age_ms as f64 / 1e3);
    }
}
