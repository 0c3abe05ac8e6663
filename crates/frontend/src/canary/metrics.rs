//! Metrics of the canary; docs/metrics.md lists them.

use std::time::Duration;

use fleetwire_service::metrics::CounterFamily;
use metrics::{Histogram, Unit, describe_counter, describe_histogram, histogram};

use super::client::Fault;

/// Rounds of the canary.
#[derive(Debug)]
pub(super) struct CanaryMetrics {
    rounds: CounterFamily,
    took: Histogram,
}

impl CanaryMetrics {
    pub(super) fn new() -> Self {
        let (rounds, took) = ("fleetwire_frontend_canary_total", "fleetwire_frontend_canary_seconds");
        describe_counter!(
            rounds,
            "Rounds in which the frontend connected to itself and published, by outcome; acknowledged is the good one."
        );
        describe_histogram!(
            took,
            Unit::Seconds,
            "Time of a round that succeeded, from the connect to the PUBACK."
        );
        let words: Vec<_> = std::iter::once("acknowledged").chain(Fault::ALL.map(Fault::code)).collect();
        Self { rounds: CounterFamily::new(rounds, "outcome", &words), took: histogram!(took) }
    }

    pub(super) fn acknowledged(&self, took: Duration) {
        self.rounds.increment("acknowledged");
        self.took.record(took);
    }

    pub(super) fn failed(&self, fault: Fault) {
        self.rounds.increment(fault.code());
    }
}
