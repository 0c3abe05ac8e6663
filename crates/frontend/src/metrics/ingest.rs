//! Publishes on their way to Kafka.

use std::sync::Arc;

use fleetwire_mqtt::packet::QoS;
use fleetwire_service::metrics::{CounterFamily, Label, Metric};
use metrics::{Counter, Gauge};

use crate::session_metrics;

const PUBLISHES: Metric = Metric::counter(
    "fleetwire_frontend_publishes_total",
    "Publishes handed to Kafka's client; `held` for devices that are not active, and for those of \
     which something is still held and has to be released first; `raw` for all others.",
)
.from_start(&[Label::words("qos", &["0", "1", "2"]), Label::words("topic", &["raw", "held"])])
.worry("`held` grows: devices send that nobody activated.");
const PUBLISH_BYTES: Metric =
    Metric::counter("fleetwire_frontend_publish_bytes_total", "Payload bytes handed to Kafka's client.");
const PUBLISHES_IN_FLIGHT: Metric = Metric::gauge(
    "fleetwire_frontend_publishes_in_flight",
    "Publishes that wait for Kafka. Refreshed twice a second.",
)
.worry(
    "Grows: Kafka is slow or away. At `[kafka.producer] max_in_flight_records` sessions are not \
     read any more.",
);
const DELIVERY_FAILURES: Metric = Metric::counter(
    "fleetwire_frontend_delivery_failures_total",
    "Publishes that Kafka, or its client, did not take; each is counted.",
)
.labels(&[Label::words(
    "code",
    &["timed_out", "too_large", "unknown_topic", "auth", "not_enough_replicas", "ended", "fatal", "other"],
)
.note(
    "as `outcome` of `fleetwire_kafka_deliveries_total` without `delivered`, and `reason` of \
     `fleetwire_kafka_refusals_total` without `full`; `timed_out`, `not_enough_replicas`, \
     `unknown_topic`, `auth` and `too_large` from the start",
)])
.worry("Any growth; the code says why.");

/// What is counted here.
pub(super) const METRICS: &[Metric] = &[PUBLISHES, PUBLISH_BYTES, PUBLISHES_IN_FLIGHT, DELIVERY_FAILURES];

/// What becomes of publishes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct IngestMetrics(Arc<Handles>);

#[derive(Debug)]
struct Handles {
    /// By quality of service, for devices that go to the raw topic and for others.
    raw: [Counter; 3],
    held: [Counter; 3],
    bytes: Counter,
    in_flight: Gauge,
    failures: CounterFamily,
    not_mirrored: Counter,
}

impl IngestMetrics {
    /// Makes the handles.
    pub fn new() -> Self {
        let publishes = |topic: &'static str| ["0", "1", "2"].map(|qos| PUBLISHES.counter_of([qos, topic]));
        Self(Arc::new(Handles {
            raw: publishes("raw"),
            held: publishes("held"),
            bytes: PUBLISH_BYTES.to_counter(),
            in_flight: PUBLISHES_IN_FLIGHT.to_gauge(),
            failures: DELIVERY_FAILURES.family_with(&[
                "timed_out",
                "not_enough_replicas",
                "unknown_topic",
                "auth",
                "too_large",
            ]),
            not_mirrored: session_metrics::not_mirrored(),
        }))
    }

    /// A publish was not shown to the sessions that listen.
    pub(crate) fn not_mirrored(&self) {
        self.0.not_mirrored.increment(1);
    }

    /// A publish was handed to Kafka's client.
    pub(crate) fn taken(&self, qos: QoS, direct: bool, bytes: usize) {
        let [at_most_once, at_least_once, exactly_once] = if direct { &self.0.raw } else { &self.0.held };
        match qos {
            QoS::AtMostOnce => at_most_once,
            QoS::AtLeastOnce => at_least_once,
            QoS::ExactlyOnce => exactly_once,
        }
        .increment(1);
        self.0.bytes.increment(bytes as u64);
    }

    /// So many wait for Kafka.
    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    pub(crate) fn in_flight(&self, count: usize) {
        self.0.in_flight.set(count as f64);
    }

    /// Kafka did not take a publish.
    pub(crate) fn failed(&self, code: &'static str) {
        self.0.failures.increment(code);
    }
}

impl Default for IngestMetrics {
    fn default() -> Self {
        Self::new()
    }
}
