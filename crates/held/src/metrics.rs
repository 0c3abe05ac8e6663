//! Metrics of held publishes; docs/metrics.md lists them.

use fleetwire_service::metrics::{Label, Metric, Section};
use metrics::{Counter, Gauge, Histogram};
const PUBLISHES: Metric = Metric::counter(
    "fleetwire_held_publishes_total",
    "Publishes of the held topic, by what became of them, counted when committed. `held`: its device \
     is not active, or older ones of it are held. `forwarded`: nothing older of its active device was \
     held. `repeated`: the group read it a second time. `unusable`: no device id, or no publish.",
)
.from_start(&[Label::words("fate", &["held", "forwarded", "released", "repeated", "unusable"])])
.worry(
    "`held` grows: devices send that nobody activated. `repeated`: the group lost its offsets. \
     `unusable`: something else writes the topic.",
);
const LOST_PUBLISHES: Metric = Metric::counter(
    "fleetwire_held_lost_publishes_total",
    "Held publishes that the held topic no longer had when their device was activated.",
)
.worry("It grows: activate sooner, or keep the topic longer.");
const KNOCKS_ENDED: Metric = Metric::counter(
    "fleetwire_held_knocks_ended_total",
    "Devices that are no longer listed. `expired`: the topic has nothing of it any more. `forgotten`: \
     `max_knocks` was reached.",
)
.from_start(&[Label::words("end", &["released", "expired", "forgotten"])])
.worry(
    "`forgotten`: what is held of them is not released. Raise `max_knocks`, or lower the frontends' \
     limits.",
);
const KNOCKING_DEVICES: Metric = Metric::gauge(
    "fleetwire_held_knocking_devices",
    "Devices in the list, of this keeper's partitions; those whose release is ending too.",
)
.worry("It grows without activations: the shared password is out.");
const RELEASING_DEVICES: Metric = Metric::gauge(
    "fleetwire_held_releasing_devices",
    "Activated devices whose publishes still come through the held topic.",
)
.worry("It stays above 0 for minutes.");
const REBUILD_SECONDS: Metric = Metric::histogram(
    "fleetwire_held_rebuild_seconds",
    "Time to read the knocks of newly assigned partitions back.",
)
.worry("Held publishes wait meanwhile.");
const UNUSABLE_KNOCKS: Metric = Metric::counter(
    "fleetwire_held_unusable_knocks_total",
    "Records of the topic of knocks that could not be used.",
)
.worry("Any.");

/// Metrics of held publishes.
pub const SECTION: Section = Section {
    title: "Held",
    intro: "",
    metrics: &[&[
        PUBLISHES,
        LOST_PUBLISHES,
        KNOCKS_ENDED,
        KNOCKING_DEVICES,
        RELEASING_DEVICES,
        REBUILD_SECONDS,
        UNUSABLE_KNOCKS,
        crate::knocks::UNLISTED_KNOCKS,
    ]],
    words: &[],
};

/// Handles, made once.
#[derive(Debug)]
pub(crate) struct HeldMetrics {
    held: Counter,
    released: Counter,
    forwarded: Counter,
    repeated: Counter,
    unusable: Counter,
    lost: Counter,
    pub(crate) unusable_knocks: Counter,
    forgotten: Counter,
    expired: Counter,
    completed: Counter,
    knocking: Gauge,
    releasing: Gauge,
    pub(crate) rebuild: Histogram,
}

/// What one transaction did, counted when it is committed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) held: u64,
    pub(crate) released: u64,
    pub(crate) forwarded: u64,
    pub(crate) repeated: u64,
    pub(crate) unusable: u64,
    pub(crate) lost: u64,
    pub(crate) forgotten: u64,
    pub(crate) expired: u64,
    pub(crate) completed: u64,
}

impl HeldMetrics {
    pub(crate) fn new() -> Self {
        let publish = |fate: &'static str| PUBLISHES.counter_of([fate]);
        let knock = |end: &'static str| KNOCKS_ENDED.counter_of([end]);
        Self {
            held: publish("held"),
            released: publish("released"),
            forwarded: publish("forwarded"),
            repeated: publish("repeated"),
            unusable: publish("unusable"),
            lost: LOST_PUBLISHES.to_counter(),
            unusable_knocks: UNUSABLE_KNOCKS.to_counter(),
            forgotten: knock("forgotten"),
            expired: knock("expired"),
            completed: knock("released"),
            knocking: KNOCKING_DEVICES.to_gauge(),
            releasing: RELEASING_DEVICES.to_gauge(),
            rebuild: REBUILD_SECONDS.to_histogram(),
        }
    }

    /// A transaction is committed.
    pub(crate) fn committed(&self, tally: Tally) {
        self.held.increment(tally.held);
        self.released.increment(tally.released);
        self.forwarded.increment(tally.forwarded);
        self.repeated.increment(tally.repeated);
        self.unusable.increment(tally.unusable);
        self.lost.increment(tally.lost);
        self.forgotten.increment(tally.forgotten);
        self.expired.increment(tally.expired);
        self.completed.increment(tally.completed);
    }

    /// How many knocks there are, and of how many devices what is held goes out now.
    #[expect(clippy::cast_precision_loss, reason = "gauges")]
    pub(crate) fn size(&self, knocking: usize, releasing: usize) {
        self.knocking.set(knocking as f64);
        self.releasing.set(releasing as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_listed_and_has_a_handle() {
        let make = || {
            drop((HeldMetrics::new(), crate::knocks::Knocks::new(1)));
        };
        assert_eq!(fleetwire_service::metrics::undeclared(&[SECTION], make), [""; 0]);
    }
}
