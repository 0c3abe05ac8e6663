//! Metrics of held publishes; docs/metrics.md lists them.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
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
        describe();
        let publish = |fate: &'static str| counter!("fleetwire_held_publishes_total", "fate" => fate);
        let knock = |end: &'static str| counter!("fleetwire_held_knocks_ended_total", "end" => end);
        Self {
            held: publish("held"),
            released: publish("released"),
            forwarded: publish("forwarded"),
            repeated: publish("repeated"),
            unusable: publish("unusable"),
            lost: counter!("fleetwire_held_lost_publishes_total"),
            unusable_knocks: counter!("fleetwire_held_unusable_knocks_total"),
            forgotten: knock("forgotten"),
            expired: knock("expired"),
            completed: knock("released"),
            knocking: gauge!("fleetwire_held_knocking_devices"),
            releasing: gauge!("fleetwire_held_releasing_devices"),
            rebuild: histogram!("fleetwire_held_rebuild_seconds"),
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

fn describe() {
    describe_counter!(
        "fleetwire_held_publishes_total",
        "Publishes of the held topic, by what became of them."
    );
    describe_counter!(
        "fleetwire_held_lost_publishes_total",
        "Held publishes that the held topic no longer had when their device was activated."
    );
    describe_counter!(
        "fleetwire_held_unusable_knocks_total",
        "Records of the topic of knocks that could not be used."
    );
    describe_counter!("fleetwire_held_knocks_ended_total", "Knocks that ended, by how.");
    describe_gauge!(
        "fleetwire_held_knocking_devices",
        "Devices of which something is held, of this keeper's partitions."
    );
    describe_gauge!(
        "fleetwire_held_releasing_devices",
        "Activated devices of which something is held still."
    );
    describe_histogram!(
        "fleetwire_held_rebuild_seconds",
        Unit::Seconds,
        "Time to read the knocks of newly assigned partitions back."
    );
}
