//! Metrics of producers.

use fleetwire_metrics::{Label, Metric};
use metrics::{Counter, Histogram};
use rdkafka::Statistics;

use super::client::{BrokerMetrics, Share};
use super::increment;
use crate::error::{DeliveryError, SendError};

const DELIVERIES: Metric = Metric::counter("fleetwire_kafka_deliveries_total", "Records with an outcome.")
    .from_start(&[Label::words(
        "outcome",
        &[
            "delivered",
            "timed_out",
            "too_large",
            "unknown_topic",
            "auth",
            "not_enough_replicas",
            "ended",
            "fatal",
            "other",
        ],
    )])
    .worry(
        "Anything but `delivered`. `timed_out`: Kafka is slow or away. `not_enough_replicas`: brokers \
     are down. `auth`: rights or credentials. `fatal` ends the process. `ended` belongs to a \
     stop, or to a transaction that was undone.",
    );
const REFUSALS: Metric =
    Metric::counter("fleetwire_kafka_refusals_total", "Records that the producer did not take.")
        .from_start(&[Label::words("reason", &["full", "too_large", "unknown_topic", "fatal", "other"])])
        .worry(
            "`full` is backpressure: the bound of `[kafka.producer]` is reached. The others should \
             not be.",
        );
const IN_FLIGHT_RECORDS: Metric = Metric::gauge(
    "fleetwire_kafka_in_flight_records",
    "Records that wait for their outcome. Refreshed once a second.",
)
.worry("Near `max_in_flight_records`.");
const IN_FLIGHT_BYTES: Metric = Metric::gauge(
    "fleetwire_kafka_in_flight_bytes",
    "Bytes that wait for their outcome. Refreshed once a second.",
)
.worry("Near `max_in_flight_bytes`.");
const DELIVERY_SECONDS: Metric = Metric::histogram(
    "fleetwire_kafka_delivery_seconds",
    "From handing a record over to its outcome, good or bad; one of 8 is timed.",
)
.worry("Near `delivery_timeout`.");

/// What is counted here.
pub(super) const METRICS: &[Metric] =
    &[DELIVERIES, REFUSALS, IN_FLIGHT_RECORDS, IN_FLIGHT_BYTES, DELIVERY_SECONDS];

/// Of one producer.
#[derive(Debug)]
pub(crate) struct ProducerMetrics {
    pub(crate) delivery_seconds: Histogram,
    in_flight_records: Share,
    in_flight_bytes: Share,
    brokers: BrokerMetrics,
    delivered: Counter,
    failed: [(&'static str, Counter); 8],
    refused: [(&'static str, Counter); 5],
}

impl ProducerMetrics {
    pub(crate) fn register() -> Self {
        let delivery = |code: &'static str| (code, DELIVERIES.counter_of([code]));
        let refusal = |code: &'static str| (code, REFUSALS.counter_of([code]));
        Self {
            delivery_seconds: DELIVERY_SECONDS.to_histogram(),
            in_flight_records: Share::new(IN_FLIGHT_RECORDS.to_gauge()),
            in_flight_bytes: Share::new(IN_FLIGHT_BYTES.to_gauge()),
            brokers: BrokerMetrics::new("producer"),
            delivered: DELIVERIES.counter_of(["delivered"]),
            failed: [
                delivery("timed_out"),
                delivery("too_large"),
                delivery("unknown_topic"),
                delivery("auth"),
                delivery("not_enough_replicas"),
                delivery("ended"),
                delivery("fatal"),
                delivery("other"),
            ],
            refused: [
                refusal("full"),
                refusal("too_large"),
                refusal("unknown_topic"),
                refusal("fatal"),
                refusal("other"),
            ],
        }
    }

    /// What librdkafka says of itself, and how much waits for its outcome.
    pub(crate) fn observe(
        &self,
        statistics: &Statistics,
        rtt_us: Option<i64>,
        (records, bytes): (usize, usize),
    ) {
        self.brokers.observe(statistics, rtt_us);
        self.in_flight_records.set(records);
        self.in_flight_bytes.set(bytes);
    }

    pub(crate) fn delivered(&self) {
        self.delivered.increment(1);
    }

    pub(crate) fn failed(&self, error: DeliveryError) {
        increment(&self.failed, error.code());
    }

    pub(crate) fn refused(&self, error: SendError) {
        increment(&self.refused, error.code());
    }
}
