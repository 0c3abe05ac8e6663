//! Metrics of following; docs/metrics.md lists them.

use fleetwire_service::metrics::CounterFamily;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Handles, made once.
#[derive(Debug)]
pub(crate) struct TraceMetrics {
    pub(crate) steps: Counter,
    pub(crate) dropped: CounterFamily,
    pub(crate) devices: Gauge,
}

impl TraceMetrics {
    pub(crate) fn new() -> Self {
        let (steps, dropped, devices) =
            ("fleetwire_trace_steps_total", "fleetwire_trace_dropped_total", "fleetwire_trace_devices");
        describe_counter!(steps, "Steps of followed devices that were handed to Kafka's client.");
        describe_counter!(
            dropped,
            "Steps of followed devices, and requests to follow one, that were left out, by reason."
        );
        describe_gauge!(devices, "Devices that this process follows.");
        Self {
            steps: counter!(steps),
            dropped: CounterFamily::new(
                dropped,
                "reason",
                &["rate", "queue_full", "not_delivered", "no_producer", "too_many_devices", "unusable"],
            ),
            devices: gauge!(devices),
        }
    }
}
