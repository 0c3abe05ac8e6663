//! Metrics of commands on this frontend; docs/metrics.md lists them.

use std::time::Instant;

use fleetwire_model::pb::DeliverOutcome;
use fleetwire_service::metrics::CounterFamily;
use metrics::{
    Gauge, Histogram, Unit, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

/// What becomes of calls.
#[derive(Debug)]
pub(super) struct CallMetrics {
    outcomes: CounterFamily,
    in_flight: Gauge,
    seconds: Histogram,
}

impl CallMetrics {
    /// Makes the handles.
    pub(super) fn new() -> Self {
        let (outcomes, in_flight, seconds) = (
            "fleetwire_frontend_downlinks_total",
            "fleetwire_frontend_downlinks_in_flight",
            "fleetwire_frontend_downlink_seconds",
        );
        describe_counter!(outcomes, "Calls of gateways to hand a command to a device, by outcome.");
        describe_gauge!(in_flight, Unit::Count, "Calls of gateways that wait for a device.");
        describe_histogram!(seconds, Unit::Seconds, "From a gateway's call to the device's PUBACK.");
        Self {
            outcomes: CounterFamily::new(outcomes, "outcome", &["acknowledged", "unacknowledged"]),
            in_flight: gauge!(in_flight),
            seconds: histogram!(seconds),
        }
    }

    /// A call that makes no sense.
    pub(super) fn invalid(&self) {
        self.outcomes.increment("invalid");
    }

    /// A call began.
    pub(super) fn begin(&self) -> Counted<'_> {
        self.in_flight.increment(1.0);
        Counted { metrics: self, began: Instant::now(), code: "caller_gone" }
    }
}

/// A call that is counted when it ends.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    metrics: &'a CallMetrics,
    began: Instant,
    code: &'static str,
}

impl Counted<'_> {
    /// It has an outcome.
    pub(super) fn end(mut self, outcome: DeliverOutcome) {
        self.code = code(outcome);
        if outcome == DeliverOutcome::Acknowledged {
            self.metrics.seconds.record(self.began.elapsed());
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.decrement(1.0);
        self.metrics.outcomes.increment(self.code);
    }
}

/// The metric label: a fixed word.
pub(super) const fn code(outcome: DeliverOutcome) -> &'static str {
    match outcome {
        DeliverOutcome::Unspecified => "unspecified",
        DeliverOutcome::Acknowledged => "acknowledged",
        DeliverOutcome::NotConnected => "not_connected",
        DeliverOutcome::StaleEpoch => "stale_epoch",
        DeliverOutcome::NotSubscribed => "not_subscribed",
        DeliverOutcome::Busy => "busy",
        DeliverOutcome::Unacknowledged => "unacknowledged",
        DeliverOutcome::Expired => "expired",
        DeliverOutcome::StaleGateway => "stale_gateway",
        DeliverOutcome::Refused => "refused",
    }
}
