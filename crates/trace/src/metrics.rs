//! Metrics of following; docs/metrics.md lists them.

use fleetwire_service::metrics::{CounterFamily, Label, Metric, Section};
use metrics::{Counter, Gauge};

const DEVICES: Metric = Metric::gauge("fleetwire_trace_devices", "Devices that this process follows.")
    .worry("Above 0 for hours: somebody follows a device all the time.");
const STEPS: Metric = Metric::counter(
    "fleetwire_trace_steps_total",
    "Steps of followed devices that were handed to Kafka's client.",
);
const DROPPED: Metric = Metric::counter(
    "fleetwire_trace_dropped_total",
    "Steps of followed devices, and requests to follow one, that were left out.",
)
.from_start(&[Label::words(
    "reason",
    &["rate", "queue_full", "not_delivered", "no_producer", "too_many_devices", "unusable"],
)])
.worry("`not_delivered` grows: the topic is missing or may not be written; `fleetwire topics check` tells.");
const SPANS: Metric = Metric::counter(
    "fleetwire_trace_spans_total",
    "Spans that the OpenTelemetry collector took. Only with `otlp_endpoint`.",
);
const SPANS_DROPPED: Metric = Metric::counter(
    "fleetwire_trace_spans_dropped_total",
    "Spans that did not reach the OpenTelemetry collector. Only with `otlp_endpoint`.",
)
.from_start(&[Label::words("reason", &["queue_full", "export_failed", "rejected", "stopping"])])
.worry("`export_failed` grows: the collector is away. `queue_full`: it is too slow for `sample_ratio`.");

/// Metrics of following.
pub const SECTION: Section = Section {
    title: "Following",
    intro: "Every process has these; [tracing.md](tracing.md) says what following is.",
    metrics: &[&[DEVICES, STEPS, DROPPED, SPANS, SPANS_DROPPED]],
    words: &[],
};

/// Handles of steps, made once.
#[derive(Debug)]
pub(crate) struct TraceMetrics {
    pub(crate) steps: Counter,
    pub(crate) dropped: CounterFamily,
    pub(crate) devices: Gauge,
}

impl TraceMetrics {
    pub(crate) fn new() -> Self {
        Self { steps: STEPS.to_counter(), dropped: DROPPED.family(), devices: DEVICES.to_gauge() }
    }
}

/// Handles of spans, made once.
#[derive(Debug)]
pub(crate) struct SpanMetrics {
    pub(crate) exported: Counter,
    pub(crate) dropped: CounterFamily,
}

impl SpanMetrics {
    pub(crate) fn new() -> Self {
        Self { exported: SPANS.to_counter(), dropped: SPANS_DROPPED.family() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_in_the_reference() {
        let make = || {
            TraceMetrics::new();
            SpanMetrics::new();
        };
        assert_eq!(fleetwire_service::metrics::undeclared(&[SECTION], make), [""; 0]);
    }
}
