//! Metrics of the command gateway; docs/metrics.md lists them.

use std::collections::HashMap;
use std::time::Duration;

use fleetwire_model::pb::CommandStatus;
use fleetwire_service::metrics::{Label, Metric, Section};
use metrics::{Counter, Gauge, Histogram};

use crate::machine::{Delivered, Step};

const COMMANDS: Metric = Metric::counter(
    "fleetwire_gateway_commands_total",
    "Commands taken in, by the form in which they came; one that came as JSON counts in both. Counted \
     when committed, as all that follows.",
)
.from_start(&[Label::words("form", &["protobuf", "json"])]);
const STATUSES: Metric = Metric::counter("fleetwire_gateway_statuses_total", "Statuses of commands.")
    .labels(&[
        Label::words(
            "state",
            &[
                "accepted",
                "queued",
                "published",
                "acknowledged",
                "confirmed",
                "contradicted",
                "rejected",
                "expired",
                "failed",
                "superseded",
                "cancelled",
                "unspecified",
            ],
        ),
        Label::text(
            "code",
            "that of the status, may be empty ([commands.md](commands.md)); at most 256 pairs are \
             told apart",
        ),
    ])
    .worry(
        "`failed` or `contradicted` grows: devices may have done what nobody knows of. `rejected` by \
         `code`: who sends such commands? `expired` jumps: devices are away, or frontends are not \
         reached.",
    );
const ATTEMPTS: Metric =
    Metric::counter("fleetwire_gateway_attempts_total", "Attempts to deliver, by what came of them.")
        .from_start(&[Label::words(
            "outcome",
            &[
                "acknowledged",
                "not_connected",
                "stale_epoch",
                "not_subscribed",
                "busy",
                "unacknowledged",
                "expired",
                "stale_gateway",
                "refused",
                "unreachable",
                "unknown",
            ],
        )])
        .worry(
            "`unreachable` grows: frontends are gone, or token or certificates do not fit (the log \
             tells). `stale_gateway`: another gateway works the same partitions; once after a pause \
             is normal. `unacknowledged` grows: devices do not answer.",
        );
const PENDING_COMMANDS: Metric = Metric::gauge(
    "fleetwire_gateway_pending_commands",
    "Commands without a terminal state, of this gateway's partitions.",
)
.worry("It grows and `attempts_total` stands still.");
const STEP_SECONDS: Metric = Metric::histogram(
    "fleetwire_gateway_step_seconds",
    "How long steps of commands took. `sent_to_acknowledged`: from the first publish that may have reached \
     the device to its PUBACK, all attempts together. `acknowledged_to_confirmed`: from the PUBACK to the \
     telemetry that confirms it, where the model has such. Counted when committed.",
)
.worry("`acknowledged_to_confirmed` comes near `confirm_within`: devices report their outputs too seldom.")
.labels(&[Label::words("step", &["sent_to_acknowledged", "acknowledged_to_confirmed"])]);
const OLDEST_PENDING_SECONDS: Metric = Metric::gauge(
    "fleetwire_gateway_oldest_pending_seconds",
    "For how long the oldest command of this gateway's partitions has been without a terminal state; 0 if \
     there is none. Of a command that another gateway took in, by the sender's clock. Refreshed every five \
     seconds.",
)
.worry("Grows past the expiry of commands: the gateway stands still. Below it, a device is away.");
const DEVICES: Metric = Metric::gauge(
    "fleetwire_gateway_devices",
    "Devices that commands were ever sent to, of this gateway's partitions.",
);
const SESSIONS: Metric =
    Metric::gauge("fleetwire_gateway_sessions", "Devices that are connected, of this gateway's partitions.")
        .worry("Far from the frontends' `fleetwire_frontend_sessions`, summed over all.");
const HANDOVER_SECONDS: Metric = Metric::histogram(
    "fleetwire_gateway_handover_seconds",
    "From a command's arrival in the gateway to the call to its device's frontend, where nothing had \
     to be waited for: the transaction that notes the attempt lies in between.",
)
.worry("Near the longest buckets: Kafka's transactions are slow.");
const ACKNOWLEDGEMENT_SECONDS: Metric = Metric::histogram(
    "fleetwire_gateway_acknowledgement_seconds",
    "From the call to a frontend to the device's PUBACK.",
);
const REBUILD_SECONDS: Metric = Metric::histogram(
    "fleetwire_gateway_rebuild_seconds",
    "Time to read newly assigned partitions back: commands and sessions. Commands wait meanwhile.",
)
.worry("More than some seconds: more gateways.");
const DEAD_LETTERS: Metric = Metric::counter(
    "fleetwire_gateway_dead_letters_total",
    "Records that are no command; each is in the dead letters with its bytes.",
)
.labels(&[
    Label::words("form", &["protobuf", "json"]),
    Label::words(
        "code",
        &[
            "bad_key",
            "no_value",
            "not_protobuf",
            "key_mismatch",
            "bad_command_id",
            "misplaced",
            "too_large",
            "not_json",
            "bad_form",
            "no_device",
            "bad_device_id",
            "no_expiry",
            "no_action",
            "bad_time",
            "bad_duration",
            "bad_payload",
        ],
    )
    .note(
        "those from `too_large` on are of JSON; `misplaced`: the number of partitions changed under a \
     running gateway",
    ),
])
.worry("Any: a producer has a fault.");
const MISPLACED_COMMANDS: Metric = Metric::counter(
    "fleetwire_gateway_misplaced_commands_total",
    "Commands in another partition than their device's; they are written again to the right one.",
)
.worry(
    "Any: a producer counts partitions in its own way, and its commands come later than they could. \
     Set its partitioner to `murmur2_random`.",
);
const IGNORED_OUTCOMES: Metric = Metric::counter(
    "fleetwire_gateway_ignored_outcomes_total",
    "Outcomes of attempts whose partition had gone, or had been read back since; the attempt is \
     repeated.",
)
.worry("It grows without rebalances.");
const UNUSABLE_STATES: Metric = Metric::counter(
    "fleetwire_gateway_unusable_states_total",
    "Records of `command-state.v1` that could not be used.",
)
.worry("Any: something else writes the topic.");
const UNUSABLE_RECORDS: Metric = Metric::counter(
    "fleetwire_gateway_unusable_records_total",
    "Records of sessions, positions and device states that could not be used.",
)
.worry("Any.");

/// Metrics of the command gateway.
pub const SECTION: Section = Section {
    title: "Command gateway",
    intro: "",
    metrics: &[&[
        COMMANDS,
        STATUSES,
        ATTEMPTS,
        PENDING_COMMANDS,
        OLDEST_PENDING_SECONDS,
        DEVICES,
        SESSIONS,
        HANDOVER_SECONDS,
        ACKNOWLEDGEMENT_SECONDS,
        STEP_SECONDS,
        REBUILD_SECONDS,
        DEAD_LETTERS,
        MISPLACED_COMMANDS,
        IGNORED_OUTCOMES,
        UNUSABLE_STATES,
        UNUSABLE_RECORDS,
    ]],
    words: &[],
};

/// Handles of the worker, made once.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    statuses: HashMap<(&'static str, String), Counter>,
    pub(crate) misplaced: Counter,
    pub(crate) ignored_outcomes: Counter,
    pub(crate) unusable_states: Counter,
    pub(crate) pending: Gauge,
    oldest: Gauge,
    acknowledged: Histogram,
    confirmed: Histogram,
    pub(crate) devices: Gauge,
    pub(crate) sessions: Gauge,
    pub(crate) rebuild: Histogram,
}

/// Handles of attempts.
#[derive(Debug)]
pub(crate) struct AttemptMetrics {
    ended: [Counter; 11],
    pub(crate) handed_over: Histogram,
    pub(crate) acknowledged: Histogram,
}

/// Handles of the follower.
#[derive(Debug)]
pub(crate) struct FollowerMetrics {
    pub(crate) unusable: Counter,
}

/// Handles of what takes commands in: as protobuf, or as JSON.
#[derive(Debug)]
pub(crate) struct IntakeMetrics {
    form: &'static str,
    pub(crate) taken: Counter,
}

/// How many codes of one state are told apart; the machine has far fewer.
const CODES: usize = 256;

impl WorkerMetrics {
    pub(crate) fn new() -> Self {
        STATUSES.describe();
        Self {
            statuses: HashMap::new(),
            misplaced: MISPLACED_COMMANDS.to_counter(),
            ignored_outcomes: IGNORED_OUTCOMES.to_counter(),
            unusable_states: UNUSABLE_STATES.to_counter(),
            pending: PENDING_COMMANDS.to_gauge(),
            oldest: OLDEST_PENDING_SECONDS.to_gauge(),
            acknowledged: STEP_SECONDS.histogram_of(["sent_to_acknowledged"]),
            confirmed: STEP_SECONDS.histogram_of(["acknowledged_to_confirmed"]),
            devices: DEVICES.to_gauge(),
            sessions: SESSIONS.to_gauge(),
            rebuild: REBUILD_SECONDS.to_histogram(),
        }
    }

    /// A step is over, and committed.
    pub(crate) fn step(&self, step: Step, took_ms: i64) {
        match step {
            Step::SentToAcknowledged => &self.acknowledged,
            Step::AcknowledgedToConfirmed => &self.confirmed,
        }
        .record(Duration::from_millis(u64::try_from(took_ms).unwrap_or(0)));
    }

    /// The oldest command is so old.
    pub(crate) fn oldest(&self, age_ms: i64) {
        let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
        self.oldest.set(age.as_secs_f64());
    }

    /// A status is committed.
    pub(crate) fn status(&mut self, state: &'static str, code: String, count: u64) {
        if self.statuses.len() >= CODES && !self.statuses.contains_key(&(state, code.clone())) {
            return;
        }
        let made = self
            .statuses
            .entry((state, code))
            .or_insert_with_key(|(state, code)| STATUSES.counter_of([(*state).to_owned(), code.clone()]));
        made.increment(count);
    }
}

impl AttemptMetrics {
    pub(crate) fn new() -> Self {
        let ended = OUTCOMES.map(|(_, word)| ATTEMPTS.counter_of([word]));
        Self {
            ended,
            handed_over: HANDOVER_SECONDS.to_histogram(),
            acknowledged: ACKNOWLEDGEMENT_SECONDS.to_histogram(),
        }
    }

    /// An attempt has ended.
    pub(crate) fn ended(&self, how: Delivered) {
        for ((outcome, _), counter) in OUTCOMES.iter().zip(&self.ended) {
            if *outcome == how {
                counter.increment(1);
            }
        }
    }
}

const OUTCOMES: [(Delivered, &str); 11] = [
    (Delivered::Acknowledged, "acknowledged"),
    (Delivered::NotConnected, "not_connected"),
    (Delivered::StaleEpoch, "stale_epoch"),
    (Delivered::NotSubscribed, "not_subscribed"),
    (Delivered::Busy, "busy"),
    (Delivered::Unacknowledged, "unacknowledged"),
    (Delivered::Expired, "expired"),
    (Delivered::StaleGateway, "stale_gateway"),
    (Delivered::Refused, "refused"),
    (Delivered::Unreachable, "unreachable"),
    (Delivered::Unknown, "unknown"),
];

impl FollowerMetrics {
    pub(crate) fn new() -> Self {
        Self { unusable: UNUSABLE_RECORDS.to_counter() }
    }
}

impl IntakeMetrics {
    /// `form` is "protobuf" or "json".
    pub(crate) fn new(form: &'static str) -> Self {
        DEAD_LETTERS.describe();
        Self { form, taken: COMMANDS.counter_of([form]) }
    }

    /// A dead letter is committed.
    pub(crate) fn dead_letter(&self, code: &'static str, count: u64) {
        DEAD_LETTERS.counter_of([self.form, code]).increment(count);
    }
}

/// The word of a status' state.
pub(crate) fn word(status: &CommandStatus) -> &'static str {
    use fleetwire_model::pb::CommandState as State;
    match status.state() {
        State::Unspecified => "unspecified",
        State::Accepted => "accepted",
        State::Queued => "queued",
        State::Published => "published",
        State::Acknowledged => "acknowledged",
        State::Confirmed => "confirmed",
        State::Contradicted => "contradicted",
        State::Rejected => "rejected",
        State::Expired => "expired",
        State::Failed => "failed",
        State::Superseded => "superseded",
        State::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_listed_and_has_a_handle() {
        let make = || {
            drop((
                WorkerMetrics::new(),
                AttemptMetrics::new(),
                FollowerMetrics::new(),
                IntakeMetrics::new("json"),
            ));
        };
        assert_eq!(fleetwire_service::metrics::undeclared(&[SECTION], make), [""; 0]);
    }
}
