//! Metrics of the sessions topic; docs/metrics.md lists them.

use fleetwire_service::metrics::CounterFamily;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Handles, made once.
#[derive(Debug)]
pub(super) struct PresenceMetrics {
    pub(super) records: CounterFamily,
    pub(super) failures: CounterFamily,
    pub(super) waiting: Gauge,
    pub(super) dropped: Counter,
    pub(super) takeovers: Counter,
    pub(super) repairs: Counter,
}

impl PresenceMetrics {
    pub(super) fn new() -> Self {
        let (records, failures) =
            ("fleetwire_frontend_presence_records_total", "fleetwire_frontend_presence_failures_total");
        describe_counter!(records, "Records of sessions that Kafka has, by kind.");
        describe_counter!(
            failures,
            "Records of sessions that Kafka did not take and that are written again."
        );
        describe_gauge!(
            "fleetwire_frontend_presence_waiting",
            "Devices whose newest session change is not in Kafka."
        );
        describe_counter!(
            "fleetwire_frontend_presence_dropped_total",
            "Ends of sessions that were not written: too many waited for Kafka, or the frontend stopped first."
        );
        describe_counter!(
            "fleetwire_frontend_presence_takeovers_total",
            "Sessions closed because their device has a newer one on another frontend."
        );
        describe_counter!(
            "fleetwire_frontend_presence_repairs_total",
            "Records written again because a late one of an older session had followed them."
        );
        Self {
            records: CounterFamily::new(records, "kind", &["connected", "disconnected", "removed", "alive"]),
            failures: CounterFamily::new(failures, "code", &["timed_out"]),
            waiting: gauge!("fleetwire_frontend_presence_waiting"),
            dropped: counter!("fleetwire_frontend_presence_dropped_total"),
            takeovers: counter!("fleetwire_frontend_presence_takeovers_total"),
            repairs: counter!("fleetwire_frontend_presence_repairs_total"),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    pub(super) fn waiting(&self, count: usize) {
        self.waiting.set(count as f64);
    }
}
