//! Metrics of the canary.

use std::time::Duration;

use fleetwire_service::metrics::{CounterFamily, Label, Metric};
use metrics::Histogram;

use super::client::Fault;

const ROUNDS: Metric = Metric::counter(
    "fleetwire_frontend_canary_total",
    "Rounds in which the frontend connected to itself as an MQTT client and published. `acknowledged` is the good \
     outcome. `no_socket`: the process could open none. `unreachable`: nobody listens. `closed`: the connection was \
     closed in the middle. `refused`: another answer than there should be. `timed_out`: none in time.",
)
.from_start(&[Label::words(
    "outcome",
    &["acknowledged", "no_socket", "unreachable", "closed", "refused", "timed_out"],
)])
.worry("Anything but `acknowledged` grows: the frontend does not serve, or is so busy that it seems so.");
const TOOK: Metric = Metric::histogram(
    "fleetwire_frontend_canary_seconds",
    "Time of a round that was acknowledged, from the connect to the PUBACK. Kafka has no part in it.",
)
.worry("Rises: devices wait as long before they are let in; a reconnect storm, or too little CPU.");

/// Metrics of the canary.
pub(crate) const METRICS: &[Metric] = &[ROUNDS, TOOK];

/// Rounds of the canary.
#[derive(Debug)]
pub(super) struct CanaryMetrics {
    rounds: CounterFamily,
    took: Histogram,
}

impl CanaryMetrics {
    pub(super) fn new() -> Self {
        Self { rounds: ROUNDS.family(), took: TOOK.to_histogram() }
    }

    pub(super) fn acknowledged(&self, took: Duration) {
        self.rounds.increment("acknowledged");
        self.took.record(took);
    }

    pub(super) fn failed(&self, fault: Fault) {
        self.rounds.increment(fault.code());
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_service::metrics::{Section, undeclared};

    use super::*;

    #[test]
    fn both_metrics_are_listed() {
        let section = Section { title: "", intro: "", metrics: &[METRICS], words: &[] };
        assert_eq!(undeclared(&[section], || drop(CanaryMetrics::new())), [""; 0]);
    }
}
