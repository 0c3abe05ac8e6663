//! Metrics of the gap ledger; docs/metrics.md lists them.

use fleetwire_model::pb::{Gap, GapState};
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::ledger::{Forgotten, Kind};

/// Handles, made once.
#[derive(Debug)]
pub(crate) struct GapsMetrics {
    newest: Counter,
    late: Counter,
    known: Counter,
    clock_suspect: Counter,
    no_time: Counter,
    unusable: Counter,
    opened: Counter,
    shrunk: Counter,
    closed: Counter,
    given_up: Counter,
    open: Gauge,
    devices: Gauge,
    evicted: Counter,
    forgotten_devices: Counter,
    forgotten_gaps: Counter,
    forgotten_quiet: Counter,
    forgotten_merged: Counter,
    pub(crate) unusable_states: Counter,
    pub(crate) rebuild: Histogram,
    pub(crate) scan: Histogram,
}

impl GapsMetrics {
    /// Makes the handles.
    pub(crate) fn new() -> Self {
        describe();
        let record = |kind: &'static str| counter!("fleetwire_gaps_records_total", "kind" => kind);
        let change = |change: &'static str| counter!("fleetwire_gaps_changes_total", "change" => change);
        let forgotten = |what: &'static str| counter!("fleetwire_gaps_forgotten_total", "what" => what);
        Self {
            newest: record("newest"),
            late: record("late"),
            known: record("known"),
            clock_suspect: record("clock_suspect"),
            no_time: record("no_time"),
            unusable: record("unusable"),
            opened: change("opened"),
            shrunk: change("shrunk"),
            closed: change("closed"),
            given_up: change("given_up"),
            open: gauge!("fleetwire_gaps_open"),
            devices: gauge!("fleetwire_gaps_devices"),
            evicted: counter!("fleetwire_gaps_evicted_devices_total"),
            forgotten_devices: forgotten("device"),
            forgotten_gaps: forgotten("gap"),
            forgotten_quiet: forgotten("stretch"),
            forgotten_merged: forgotten("detail"),
            unusable_states: counter!("fleetwire_gaps_unusable_states_total"),
            rebuild: histogram!("fleetwire_gaps_rebuild_seconds"),
            scan: histogram!("fleetwire_gaps_scan_seconds"),
        }
    }

    /// A position was taken in; nothing says that its record was none.
    pub(crate) fn record(&self, kind: Option<Kind>) {
        let counter = match kind {
            Some(Kind::Newest) => &self.newest,
            Some(Kind::Late) => &self.late,
            Some(Kind::Known) => &self.known,
            Some(Kind::ClockSuspect) => &self.clock_suspect,
            Some(Kind::NoTime) => &self.no_time,
            None => &self.unusable,
        };
        counter.increment(1);
    }

    /// A gap's change is to be written. One that was opened and closed in between counts as both.
    pub(crate) fn change(&self, gap: &Gap) {
        if gap.revision == 1 {
            self.opened.increment(1);
        }
        match gap.state() {
            GapState::Closed => self.closed.increment(1),
            _ if gap.given_up => self.given_up.increment(1),
            _ if gap.revision > 1 => self.shrunk.increment(1),
            _ => {}
        }
    }

    /// Things were let go to stay within bounds.
    pub(crate) fn forgotten(&self, forgotten: Forgotten) {
        self.forgotten_devices.increment(forgotten.devices);
        self.forgotten_gaps.increment(forgotten.shed.given_up);
        self.forgotten_quiet.increment(forgotten.shed.quiet);
        self.forgotten_merged.increment(forgotten.shed.merged);
    }

    /// Devices were let go to stay within the bound of memory.
    pub(crate) fn evicted(&self, count: usize) {
        self.evicted.increment(count as u64);
    }

    /// How much is remembered.
    #[expect(clippy::cast_precision_loss, reason = "gauges")]
    pub(crate) fn size(&self, devices: usize, open: usize) {
        self.devices.set(devices as f64);
        self.open.set(open as f64);
    }
}

fn describe() {
    describe_counter!("fleetwire_gaps_records_total", "Positions taken in, by what they were to the ledger.");
    describe_counter!("fleetwire_gaps_changes_total", "Changes of gaps, by change.");
    describe_gauge!("fleetwire_gaps_open", "Gaps that are open or partly open, of the devices in memory.");
    describe_gauge!("fleetwire_gaps_devices", "Devices in memory.");
    describe_counter!(
        "fleetwire_gaps_evicted_devices_total",
        "Devices let go because max_devices was reached; those that were silent longest."
    );
    describe_counter!("fleetwire_gaps_forgotten_total", "What is no longer followed, by what it was.");
    describe_counter!(
        "fleetwire_gaps_unusable_states_total",
        "Records of the state topic that could not be used."
    );
    describe_histogram!(
        "fleetwire_gaps_rebuild_seconds",
        Unit::Seconds,
        "Time to read back the state of one partition."
    );
    describe_histogram!(
        "fleetwire_gaps_scan_seconds",
        Unit::Seconds,
        "Time to look at the devices of one partition for silence."
    );
}
