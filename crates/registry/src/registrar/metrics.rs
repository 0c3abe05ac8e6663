//! Metrics of the registrar; docs/metrics.md lists them.

use std::time::Duration;

use super::change::{Applied, ChangeError};
use fleetwire_service::metrics::{CounterFamily, Label, Metric};
use metrics::{Counter, Histogram};

const CHANGES: Metric = Metric::counter(
    "fleetwire_registrar_changes_total",
    "Changes of devices that were asked for, by outcome.",
)
.labels(&[Label::words(
    "outcome",
    &[
        "created",
        "changed",
        "unchanged",
        "removed",
        "not_found",
        "exists",
        "conflict",
        "invalid",
        "too_large",
        "unavailable",
        "contended",
    ],
)
.note("most from the start")])
.worry(
    "Growth of `unavailable`: Kafka does not take transactions. `contended`: several processes write \
     without a pause.",
);
const RECORDS: Metric = Metric::counter(
    "fleetwire_registrar_records_total",
    "Records of devices that were written; each has its audit event.",
);
const TRANSACTIONS: Metric = Metric::counter(
    "fleetwire_registrar_transactions_total",
    "Transactions of the registry. `fenced`: another process took the right to write; it was tried \
     again. `unknown`: Kafka did not say whether it had committed; it was found out.",
)
.from_start(&[Label::words("outcome", &["committed", "fenced", "unknown"])])
.worry("Steady `unknown`: Kafka answers too late.");
const TAKEOVERS: Metric = Metric::counter(
    "fleetwire_registrar_takeovers_total",
    "Times this process took the right to write, at first or from another.",
)
.worry("As many as changes, on several replicas: give changes to one of them, it is faster.");
const TRANSACTION_SECONDS: Metric = Metric::histogram(
    "fleetwire_registrar_transaction_seconds",
    "From the first record of a transaction to its commit.",
);

/// What is counted here.
pub(crate) const METRICS: &[Metric] = &[CHANGES, RECORDS, TRANSACTIONS, TAKEOVERS, TRANSACTION_SECONDS];

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
        Self {
            changes: CHANGES.family_with(&[
                "created",
                "changed",
                "unchanged",
                "removed",
                "conflict",
                "invalid",
                "unavailable",
                "contended",
            ]),
            transactions: TRANSACTIONS.family(),
            taken: TAKEOVERS.to_counter(),
            written: RECORDS.to_counter(),
            seconds: TRANSACTION_SECONDS.to_histogram(),
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
