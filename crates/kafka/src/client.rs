//! What all clients share: librdkafka's log as tracing events, and whether any broker answers.

use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::Statistics;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;

/// Connection state, told by librdkafka's errors and statistics.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    up: AtomicBool,
}

impl Connection {
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    pub(crate) fn set_up(&self) {
        if !self.up.swap(true, Ordering::Relaxed) {
            tracing::info!("connected to Kafka");
        }
    }

    pub(crate) fn set_down(&self, reason: &str) {
        if self.up.swap(false, Ordering::Relaxed) {
            tracing::warn!(reason, "no Kafka broker answers");
        }
    }

    /// Takes the brokers' states from the statistics; returns the largest mean round trip, in microseconds.
    pub(crate) fn observe(&self, statistics: &Statistics) -> Option<i64> {
        let up = statistics.brokers.values().any(|broker| broker.state == "UP");
        if up {
            self.set_up();
        } else if !statistics.brokers.is_empty() {
            self.set_down("all connections are down");
        }
        statistics
            .brokers
            .values()
            .filter_map(|broker| broker.rtt.as_ref())
            .filter(|rtt| rtt.cnt > 0)
            .map(|rtt| rtt.avg)
            .max()
    }
}

/// A connection that cannot be made is librdkafka's error and our warning: it tries again by itself.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{text}");
        }
        // A producer is told of consumer properties and the other way round; `properties` serves both.
        RDKafkaLogLevel::Warning if facility == "CONFWARN" => {
            tracing::debug!(target: "librdkafka", facility, "{text}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::warn!(target: "librdkafka", facility, "{text}");
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", facility, "{text}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", facility, "{text}"),
    }
}

/// Context of clients that only ask questions.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct QuietContext;

impl ClientContext for QuietContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }

    fn stats(&self, _: Statistics) {}

    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka client");
    }
}
