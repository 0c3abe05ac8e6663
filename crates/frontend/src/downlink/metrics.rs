//! Metrics of commands on this frontend; docs/metrics.md lists them.

use std::time::Instant;

use fleetwire_model::pb::DeliverOutcome;
use fleetwire_service::metrics::{CounterFamily, Label, Metric};
use metrics::{Gauge, Histogram};

const DOWNLINKS: Metric = Metric::counter(
    "fleetwire_frontend_downlinks_total",
    "Calls of gateways to hand a command to a device, by what became of it.",
)
.labels(&[Label::words(
    "outcome",
    &[
        "acknowledged",
        "unacknowledged",
        "not_connected",
        "stale_epoch",
        "not_subscribed",
        "busy",
        "expired",
        "stale_gateway",
        "refused",
        "caller_gone",
        "invalid",
        "unspecified",
    ],
)
.note("the first two from the start; `caller_gone`: the gateway hung up first")])
.worry(
    "`unacknowledged`: devices take commands and do not acknowledge them. `busy`: `max_in_flight` is \
     too low, or a device acknowledges nothing. `invalid`: somebody else than a gateway calls.",
);
const DOWNLINKS_IN_FLIGHT: Metric =
    Metric::gauge("fleetwire_frontend_downlinks_in_flight", "Calls of gateways that wait for a device.")
        .worry("Near `max_in_flight` of `[downlink]`.");
const DOWNLINK_SECONDS: Metric =
    Metric::histogram("fleetwire_frontend_downlink_seconds", "From a gateway's call to the device's PUBACK.")
        .worry("Its rise is that of the devices' networks.");

/// What is counted here.
pub(crate) const METRICS: &[Metric] = &[DOWNLINKS, DOWNLINKS_IN_FLIGHT, DOWNLINK_SECONDS];

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
        Self {
            outcomes: DOWNLINKS.family_with(&["acknowledged", "unacknowledged"]),
            in_flight: DOWNLINKS_IN_FLIGHT.to_gauge(),
            seconds: DOWNLINK_SECONDS.to_histogram(),
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
