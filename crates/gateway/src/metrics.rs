//! Metrics of the command gateway; docs/metrics.md lists them.

use std::collections::HashMap;

use fleetwire_model::pb::CommandStatus;
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::machine::Delivered;

/// Handles of the worker, made once.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    statuses: HashMap<(&'static str, String), Counter>,
    pub(crate) misplaced: Counter,
    pub(crate) ignored_outcomes: Counter,
    pub(crate) unusable_states: Counter,
    pub(crate) pending: Gauge,
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
        describe();
        Self {
            statuses: HashMap::new(),
            misplaced: counter!("fleetwire_gateway_misplaced_commands_total"),
            ignored_outcomes: counter!("fleetwire_gateway_ignored_outcomes_total"),
            unusable_states: counter!("fleetwire_gateway_unusable_states_total"),
            pending: gauge!("fleetwire_gateway_pending_commands"),
            devices: gauge!("fleetwire_gateway_devices"),
            sessions: gauge!("fleetwire_gateway_sessions"),
            rebuild: histogram!("fleetwire_gateway_rebuild_seconds"),
        }
    }

    /// A status is committed.
    pub(crate) fn status(&mut self, state: &'static str, code: String, count: u64) {
        if self.statuses.len() >= CODES && !self.statuses.contains_key(&(state, code.clone())) {
            return;
        }
        let made = self.statuses.entry((state, code)).or_insert_with_key(|(state, code)| {
            counter!("fleetwire_gateway_statuses_total", "state" => *state, "code" => code.clone())
        });
        made.increment(count);
    }
}

impl AttemptMetrics {
    pub(crate) fn new() -> Self {
        describe();
        let ended = OUTCOMES.map(|(_, word)| counter!("fleetwire_gateway_attempts_total", "outcome" => word));
        Self {
            ended,
            handed_over: histogram!("fleetwire_gateway_handover_seconds"),
            acknowledged: histogram!("fleetwire_gateway_acknowledgement_seconds"),
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
        describe();
        Self { unusable: counter!("fleetwire_gateway_unusable_records_total") }
    }
}

impl IntakeMetrics {
    /// `form` is "protobuf" or "json".
    pub(crate) fn new(form: &'static str) -> Self {
        describe();
        Self { form, taken: counter!("fleetwire_gateway_commands_total", "form" => form) }
    }

    /// A dead letter is committed.
    pub(crate) fn dead_letter(&self, code: &'static str, count: u64) {
        counter!("fleetwire_gateway_dead_letters_total", "form" => self.form, "code" => code)
            .increment(count);
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

fn describe() {
    describe_counter!(
        "fleetwire_gateway_commands_total",
        "Commands taken in, by the form in which they came."
    );
    describe_counter!("fleetwire_gateway_statuses_total", "Statuses of commands, by state and code.");
    describe_counter!("fleetwire_gateway_attempts_total", "Attempts to deliver, by what came of them.");
    describe_counter!("fleetwire_gateway_dead_letters_total", "Commands that could not be read, by reason.");
    describe_counter!(
        "fleetwire_gateway_misplaced_commands_total",
        "Commands that lay in another partition than their device's, and were written again."
    );
    describe_counter!(
        "fleetwire_gateway_ignored_outcomes_total",
        "Outcomes of attempts whose partition had gone, or had been read back."
    );
    describe_counter!(
        "fleetwire_gateway_unusable_states_total",
        "Records of the topic of command states that could not be used."
    );
    describe_counter!(
        "fleetwire_gateway_unusable_records_total",
        "Records of sessions, positions and device states that could not be used."
    );
    describe_gauge!("fleetwire_gateway_pending_commands", "Commands without a terminal state.");
    describe_gauge!("fleetwire_gateway_devices", "Devices that commands were ever sent to.");
    describe_gauge!(
        "fleetwire_gateway_sessions",
        "Devices that are connected, of this gateway's partitions."
    );
    describe_histogram!(
        "fleetwire_gateway_rebuild_seconds",
        Unit::Seconds,
        "Time to read newly assigned partitions back."
    );
    describe_histogram!(
        "fleetwire_gateway_handover_seconds",
        Unit::Seconds,
        "Time from a command's arrival to the call to its device's frontend, where nothing had to be waited for."
    );
    describe_histogram!(
        "fleetwire_gateway_acknowledgement_seconds",
        Unit::Seconds,
        "Time from the call to a frontend to the device's PUBACK."
    );
}
