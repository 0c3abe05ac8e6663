//! Metrics of the Kafka clients: handles made once and passed down, so that a record costs an addition.

mod client;
mod consumer;
mod producer;
mod transaction;

use fleetwire_metrics::Section;
use metrics::Counter;

pub(crate) use consumer::{ConsumerMetrics, PartitionMetrics};
pub(crate) use producer::ProducerMetrics;
pub(crate) use transaction::TransactionMetrics;

/// Metrics of Kafka clients.
pub const SECTIONS: &[Section] = &[PRODUCERS, CONSUMERS, CLIENTS, TRANSACTIONS];

const PRODUCERS: Section = Section {
    title: "Kafka producers",
    intro: "A frontend has one producer for publishes and one for its sessions; a decoder, a gap ledger and a projector \
            of device states have one each. In one process they count into the same series; the gauges are their sum.",
    metrics: &[producer::METRICS],
    words: &[],
};

const CONSUMERS: Section = Section {
    title: "Kafka consumers",
    intro: "Of every member of a consumer group: decoder, command gateway, gap ledger, projector of device states, keeper \
            of held publishes; in the same series where one process has several, but for the lag. Readers of the \
            registry and of states are not counted here.",
    metrics: &[consumer::METRICS],
    words: &[],
};

const CLIENTS: Section = Section {
    title: "Kafka clients",
    intro: "What librdkafka says of the producers and group consumers above, refreshed once a second.",
    metrics: &[client::METRICS],
    words: &[],
};

const TRANSACTIONS: Section = Section {
    title: "Kafka transactions",
    intro: "Of a decoder with `exactly_once`, a command gateway, and the keeper of held publishes.",
    metrics: &[transaction::METRICS],
    words: &[],
};

fn increment(counters: &[(&'static str, Counter)], code: &str) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == code) {
        counter.increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_listed_and_has_a_handle() {
        let make = || {
            drop((
                ProducerMetrics::register(),
                ConsumerMetrics::register("g"),
                TransactionMetrics::register(),
            ));
            drop(PartitionMetrics::new("g", "t", 0));
        };
        assert_eq!(fleetwire_metrics::undeclared(SECTIONS, make), [""; 0]);
    }
}
