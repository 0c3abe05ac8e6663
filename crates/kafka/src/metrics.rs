//! Metrics of the Kafka clients: handles made once and passed down, so that a record costs an addition.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::error::{DeliveryError, SendError};

/// Of one producer.
#[derive(Debug, Clone)]
pub(crate) struct ProducerMetrics {
    pub(crate) in_flight_records: Gauge,
    pub(crate) in_flight_bytes: Gauge,
    pub(crate) delivery_seconds: Histogram,
    pub(crate) broker_rtt_seconds: Gauge,
    delivered: Counter,
    failed: [(&'static str, Counter); 8],
    refused: [(&'static str, Counter); 5],
}

impl ProducerMetrics {
    pub(crate) fn register() -> Self {
        describe_counter!("fleetwire_kafka_deliveries_total", "Records with an outcome, by outcome");
        describe_counter!("fleetwire_kafka_refusals_total", "Records the producer did not take, by reason");
        describe_gauge!("fleetwire_kafka_in_flight_records", "Records that wait for their outcome");
        describe_gauge!("fleetwire_kafka_in_flight_bytes", "Bytes that wait for their outcome");
        describe_histogram!(
            "fleetwire_kafka_delivery_seconds",
            "From handing a record over to its outcome; one record of 8 is timed"
        );
        describe_gauge!("fleetwire_kafka_broker_rtt_seconds", "Mean round trip to the slowest broker");
        let delivery =
            |code: &'static str| (code, counter!("fleetwire_kafka_deliveries_total", "outcome" => code));
        let refusal =
            |code: &'static str| (code, counter!("fleetwire_kafka_refusals_total", "reason" => code));
        Self {
            in_flight_records: gauge!("fleetwire_kafka_in_flight_records"),
            in_flight_bytes: gauge!("fleetwire_kafka_in_flight_bytes"),
            delivery_seconds: histogram!("fleetwire_kafka_delivery_seconds"),
            broker_rtt_seconds: gauge!("fleetwire_kafka_broker_rtt_seconds", "client" => "producer"),
            delivered: counter!("fleetwire_kafka_deliveries_total", "outcome" => "delivered"),
            failed: [
                delivery("timed_out"),
                delivery("too_large"),
                delivery("unknown_topic"),
                delivery("auth"),
                delivery("not_enough_replicas"),
                delivery("ended"),
                delivery("fatal"),
                delivery("other"),
            ],
            refused: [
                refusal("full"),
                refusal("too_large"),
                refusal("unknown_topic"),
                refusal("fatal"),
                refusal("other"),
            ],
        }
    }

    pub(crate) fn delivered(&self) {
        self.delivered.increment(1);
    }

    pub(crate) fn failed(&self, error: DeliveryError) {
        increment(&self.failed, error.code());
    }

    pub(crate) fn refused(&self, error: SendError) {
        increment(&self.refused, error.code());
    }
}

/// Of one group consumer.
#[derive(Debug, Clone)]
pub(crate) struct ConsumerMetrics {
    pub(crate) records: Counter,
    pub(crate) in_flight_records: Gauge,
    pub(crate) commits: Counter,
    pub(crate) commit_failures: Counter,
    pub(crate) assigned: Counter,
    pub(crate) revoked: Counter,
    pub(crate) lost: Counter,
    pub(crate) partitions: Gauge,
    pub(crate) abandoned: Counter,
    pub(crate) pauses: Counter,
    pub(crate) broker_rtt_seconds: Gauge,
    errors: [(&'static str, Counter); 6],
}

impl ConsumerMetrics {
    pub(crate) fn register() -> Self {
        Self::describe();
        let error =
            |code: &'static str| (code, counter!("fleetwire_kafka_consumer_errors_total", "kind" => code));
        let rebalance = |kind: &'static str| counter!("fleetwire_kafka_rebalances_total", "kind" => kind);
        Self {
            records: counter!("fleetwire_kafka_consumed_records_total"),
            in_flight_records: gauge!("fleetwire_kafka_unfinished_records"),
            commits: counter!("fleetwire_kafka_commits_total", "outcome" => "ok"),
            commit_failures: counter!("fleetwire_kafka_commits_total", "outcome" => "failed"),
            assigned: rebalance("assigned"),
            revoked: rebalance("revoked"),
            lost: rebalance("lost"),
            partitions: gauge!("fleetwire_kafka_assigned_partitions"),
            abandoned: counter!("fleetwire_kafka_abandoned_records_total"),
            pauses: counter!("fleetwire_kafka_pauses_total"),
            broker_rtt_seconds: gauge!("fleetwire_kafka_broker_rtt_seconds", "client" => "consumer"),
            errors: [
                error("unreachable"),
                error("auth"),
                error("unknown_topic"),
                error("poll_exceeded"),
                error("offset_out_of_range"),
                error("other"),
            ],
        }
    }

    fn describe() {
        describe_counter!("fleetwire_kafka_consumed_records_total", "Records handed to the service");
        describe_gauge!("fleetwire_kafka_unfinished_records", "Records handed over and not yet completed");
        describe_counter!("fleetwire_kafka_commits_total", "Offset commits, by outcome");
        describe_counter!("fleetwire_kafka_rebalances_total", "Changes of the assignment, by kind");
        describe_gauge!("fleetwire_kafka_assigned_partitions", "Partitions this process reads");
        describe_counter!(
            "fleetwire_kafka_abandoned_records_total",
            "Records dropped without completion: a defect"
        );
        describe_counter!(
            "fleetwire_kafka_pauses_total",
            "Times reading paused because too much was unfinished"
        );
        describe_counter!("fleetwire_kafka_consumer_errors_total", "Errors while reading, by kind");
        describe_gauge!(
            "fleetwire_kafka_lag_records",
            "Records behind the end of a partition, by commit mark"
        );
    }

    pub(crate) fn error(&self, code: &'static str) {
        increment(&self.errors, code);
    }
}

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
        describe_counter!("fleetwire_kafka_transactions_total", "Transactions that ended, by outcome");
        describe_histogram!(
            "fleetwire_kafka_transaction_seconds",
            "From the first record of a transaction to its commit"
        );
        describe_histogram!("fleetwire_kafka_transaction_commit_seconds", "How long a commit took");
        let ended =
            |outcome: &'static str| counter!("fleetwire_kafka_transactions_total", "outcome" => outcome);
        Self {
            undone: ended("undone"),
            timed_out: ended("timed_out"),
            committed: ended("committed"),
            open_seconds: histogram!("fleetwire_kafka_transaction_seconds"),
            commit_seconds: histogram!("fleetwire_kafka_transaction_commit_seconds"),
        }
    }

    /// One was committed: how long it was open, and how long the commit of it took.
    pub(crate) fn committed(&self, open: Duration, commit: Duration) {
        self.committed.increment(1);
        self.open_seconds.record(open);
        self.commit_seconds.record(commit);
    }
}

/// Offsets of a topic that no record was handed over for; made when a partition is assigned.
pub(crate) fn skipped_offsets(topic: &str) -> Counter {
    describe_counter!(
        "fleetwire_kafka_skipped_offsets_total",
        "Offsets without a record between two that were read: records that retention removed before they were read, or gaps of compaction and transactions"
    );
    counter!("fleetwire_kafka_skipped_offsets_total", "topic" => topic.to_owned())
}

/// The lag of one partition; made when it is assigned.
pub(crate) fn lag_gauge(topic: &str, partition: i32) -> Gauge {
    gauge!("fleetwire_kafka_lag_records", "topic" => topic.to_owned(), "partition" => partition.to_string())
}

fn increment(counters: &[(&'static str, Counter)], code: &str) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == code) {
        counter.increment(1);
    }
}
