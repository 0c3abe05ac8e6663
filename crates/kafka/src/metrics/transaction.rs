//! Metrics of transactions.

use std::time::Duration;

use fleetwire_metrics::{Label, Metric};
use metrics::{Counter, Histogram};

const TRANSACTIONS: Metric = Metric::counter(
    "fleetwire_kafka_transactions_total",
    "Transactions that ended. `undone`: nothing of it is visible and its raw records are decoded \
     again. `timed_out`: it took longer than `[decoder.transactions] timeout`, so Kafka undid it; the \
     decoder went on with a new producer.",
)
.from_start(&[Label::words("outcome", &["committed", "undone", "timed_out"])])
.worry(
    "`undone` now and then belongs to rebalances; steadily it is work for nothing. `timed_out`: Kafka \
     was away, or the process stood still.",
);
const TRANSACTION_SECONDS: Metric = Metric::histogram(
    "fleetwire_kafka_transaction_seconds",
    "From the first raw record of a transaction to its commit.",
)
.worry("Far above `[decoder.transactions] interval`.");
const TRANSACTION_COMMIT_SECONDS: Metric = Metric::histogram(
    "fleetwire_kafka_transaction_commit_seconds",
    "How long a commit took, once the offsets were in. Nothing is decoded meanwhile.",
)
.worry("Grows: the transaction coordinator is slow.");

/// What is counted here.
pub(super) const METRICS: &[Metric] = &[TRANSACTIONS, TRANSACTION_SECONDS, TRANSACTION_COMMIT_SECONDS];

/// Of the transactions of one process.
#[derive(Debug, Clone)]
pub(crate) struct TransactionMetrics {
    pub(crate) undone: Counter,
    pub(crate) timed_out: Counter,
    committed: Counter,
    open_seconds: Histogram,
    commit_seconds: Histogram,
}

impl TransactionMetrics {
    pub(crate) fn register() -> Self {
        let ended = |outcome: &'static str| TRANSACTIONS.counter_of([outcome]);
        Self {
            undone: ended("undone"),
            timed_out: ended("timed_out"),
            committed: ended("committed"),
            open_seconds: TRANSACTION_SECONDS.to_histogram(),
            commit_seconds: TRANSACTION_COMMIT_SECONDS.to_histogram(),
        }
    }

    /// One was committed: how long it was open, and how long the commit of it took.
    pub(crate) fn committed(&self, open: Duration, commit: Duration) {
        self.committed.increment(1);
        self.open_seconds.record(open);
        self.commit_seconds.record(commit);
    }
}
