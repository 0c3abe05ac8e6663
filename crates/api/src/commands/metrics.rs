//! Metrics of commands; docs/metrics.md lists them.

use fleetwire_service::metrics::CounterFamily;
use metrics::{Gauge, describe_counter, describe_gauge, gauge};

/// Handles, made once each.
#[derive(Debug)]
pub(crate) struct CommandMetrics {
    /// Commands that Kafka has, by what they are.
    pub(crate) sent: CounterFamily,
    /// Commands that Kafka did not take, by why.
    pub(crate) failed: CounterFamily,
    /// Statuses that were read, by what became of them.
    pub(crate) statuses: CounterFamily,
    /// Commands that are remembered.
    pub(crate) remembered: Gauge,
    /// Open streams of events.
    pub(crate) streams: Gauge,
    /// Streams of events that were ended here, by why.
    pub(crate) streams_ended: CounterFamily,
}

impl CommandMetrics {
    /// Makes the handles.
    pub(crate) fn new() -> Self {
        describe_counter!("fleetwire_api_commands_sent_total", "Commands that Kafka acknowledged.");
        describe_counter!("fleetwire_api_commands_failed_total", "Commands that Kafka did not take in time.");
        describe_counter!("fleetwire_api_command_statuses_total", "Statuses of commands that were read.");
        describe_gauge!("fleetwire_api_commands_remembered", "Commands in memory.");
        describe_gauge!("fleetwire_api_command_streams", "Open streams of events.");
        describe_counter!("fleetwire_api_command_streams_ended_total", "Streams of events that were ended.");
        Self {
            sent: CounterFamily::new(
                "fleetwire_api_commands_sent_total",
                "action",
                &["output", "raw", "cancel", "approve"],
            ),
            failed: CounterFamily::new("fleetwire_api_commands_failed_total", "code", &["timed_out"]),
            statuses: CounterFamily::new(
                "fleetwire_api_command_statuses_total",
                "outcome",
                &["taken", "repeated", "too_old", "unusable"],
            ),
            remembered: gauge!("fleetwire_api_commands_remembered"),
            streams: gauge!("fleetwire_api_command_streams"),
            streams_ended: CounterFamily::new(
                "fleetwire_api_command_streams_ended_total",
                "reason",
                &["terminal", "stopping", "time", "forgotten"],
            ),
        }
    }
}
