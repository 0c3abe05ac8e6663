//! Metrics of the registrar; docs/metrics.md lists them.

use std::time::Duration;

use fleetwire_service::metrics::CounterFamily;
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

use super::change::{Applied, ChangeError};

/// Handles, made once.
#[derive(Debug)]
pub(super) struct RegistrarMetrics {
    changes: CounterFamily,
    transactions: CounterFamily,
    taken: Counter,
    written: Counter,
    seconds: Histogram,
}

impl RegistrarMetrics {
    pub(super) fn new() -> Self {
        describe_counter!("fleetwire_registrar_changes_total", "Changes that were asked for, by outcome.");
        describe_counter!(
            "fleetwire_registrar_transactions_total",
            "Transactions of the registry, by how they ended; unknown: Kafka did not say, and it was found out."
        );
        describe_counter!(
            "fleetwire_registrar_takeovers_total",
            "Times this process took the right to write from another one, or for the first time."
        );
        describe_counter!("fleetwire_registrar_records_total", "Records of devices that were written.");
        describe_histogram!(
            "fleetwire_registrar_transaction_seconds",
            Unit::Seconds,
            "How long a transaction took, from its first record to the commit."
        );
        Self {
            changes: CounterFamily::new(
                "fleetwire_registrar_changes_total",
                "outcome",
                &[
                    "created",
                    "changed",
                    "unchanged",
                    "removed",
                    "conflict",
                    "invalid",
                    "unavailable",
                    "contended",
                ],
            ),
            transactions: CounterFamily::new(
                "fleetwire_registrar_transactions_total",
                "outcome",
                &["committed", "fenced", "unknown"],
            ),
            taken: counter!("fleetwire_registrar_takeovers_total"),
            written: counter!("fleetwire_registrar_records_total"),
            seconds: histogram!("fleetwire_registrar_transaction_seconds"),
        }
    }

    pub(super) fn outcome(&self, outcome: &Result<Applied, ChangeError>) {
        self.changes.increment(match outcome {
            Ok(Applied::Created(_)) => "created",
            Ok(Applied::Changed(_)) => "changed",
            Ok(Applied::Unchanged(_)) => "unchanged",
            Ok(Applied::Removed(_)) => "removed",
            Err(error) => error.code(),
        });
    }

    pub(super) fn committed(&self, records: usize, took: Duration) {
        self.transactions.increment("committed");
        self.written.increment(records as u64);
        self.seconds.record(took);
    }

    pub(super) fn fenced(&self) {
        self.transactions.increment("fenced");
    }

    pub(super) fn unknown(&self) {
        self.transactions.increment("unknown");
    }

    pub(super) fn taken(&self) {
        self.taken.increment(1);
    }
}
