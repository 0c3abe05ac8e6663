//! Metrics of commands; docs/metrics.md lists them.

use fleetwire_service::metrics::{CounterFamily, Label, Metric};
use metrics::Gauge;
const COMMANDS_SENT: Metric =
    Metric::counter("fleetwire_api_commands_sent_total", "Commands that Kafka acknowledged.")
        .from_start(&[Label::words("action", &["output", "raw", "cancel", "approve"])]);
const COMMANDS_FAILED: Metric = Metric::counter(
    "fleetwire_api_commands_failed_total",
    "Commands that Kafka did not take within `send_timeout`; each was answered 503.",
)
.labels(&[Label::words(
    "code",
    &[
        "timed_out",
        "too_large",
        "unknown_topic",
        "auth",
        "not_enough_replicas",
        "ended",
        "fatal",
        "other",
        "full",
    ],
)
.note(
    "as `outcome` of `fleetwire_kafka_deliveries_total` without `delivered`, and `reason` of \
     `fleetwire_kafka_refusals_total`; `timed_out` from the start",
)])
.worry("Any growth: Kafka is away.");
const COMMAND_STATUSES: Metric = Metric::counter(
    "fleetwire_api_command_statuses_total",
    "Statuses that were read. `repeated`: one with this sequence was there; `too_old`: of a command \
     that is older than all that are remembered.",
)
.from_start(&[Label::words("outcome", &["taken", "repeated", "too_old", "unusable"])])
.worry("`unusable` grows: something else writes to the topic.");
const COMMANDS_REMEMBERED: Metric = Metric::gauge("fleetwire_api_commands_remembered", "Commands in memory.")
    .worry("At `max_commands`, and older ones are looked for.");
const COMMAND_STREAMS: Metric = Metric::gauge("fleetwire_api_command_streams", "Open streams of events.")
    .worry("Near `max_streams`: further ones are answered 503, which `refused_total` counts as `busy`.");
const COMMAND_STREAMS_ENDED: Metric = Metric::counter(
    "fleetwire_api_command_streams_ended_total",
    "Streams of events that were ended by the API.",
)
.from_start(&[Label::words("reason", &["terminal", "stopping", "time", "forgotten"])])
.worry("`forgotten` grows: raise `max_commands`.");

/// What is counted here.
pub(crate) const METRICS: &[Metric] = &[
    COMMANDS_SENT,
    COMMANDS_FAILED,
    COMMAND_STATUSES,
    COMMANDS_REMEMBERED,
    COMMAND_STREAMS,
    COMMAND_STREAMS_ENDED,
];

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
        Self {
            sent: COMMANDS_SENT.family(),
            failed: COMMANDS_FAILED.family_with(&["timed_out"]),
            statuses: COMMAND_STATUSES.family(),
            remembered: COMMANDS_REMEMBERED.to_gauge(),
            streams: COMMAND_STREAMS.to_gauge(),
            streams_ended: COMMAND_STREAMS_ENDED.family(),
        }
    }
}
