//! Metrics of the gap ledger; docs/metrics.md lists them.

use fleetwire_model::pb::{Gap, GapState};
use fleetwire_service::metrics::{Label, Metric, Section};
use metrics::{Counter, Gauge, Histogram};

use crate::ledger::{Forgotten, Kind};

const RECORDS: Metric = Metric::counter(
    "fleetwire_gaps_records_total",
    "Positions taken in. `newest`: later than all before it of its device. `late`: within a time that was missing. \
     `known`: repeated, or late where nothing was missing. `clock_suspect` and `no_time`: not judged. \
     `unusable`: no `PositionEvent`, or not keyed by its device.",
)
.from_start(&[Label::words("kind", &["newest", "late", "known", "clock_suspect", "no_time", "unusable"])])
.worry(
    "`late` jumps: many devices came back after an outage. `clock_suspect` grows steadily: devices with wrong clocks \
     are not judged. `unusable`: something else writes to the positions.",
);
const CHANGES: Metric = Metric::counter(
    "fleetwire_gaps_changes_total",
    "Changes of gaps that are to be written. A gap that was opened and closed between two writes counts as both.",
)
.from_start(&[Label::words("change", &["opened", "shrunk", "closed", "given_up"])])
.worry("`opened` jumps: an outage. It stays far above `closed` afterwards: data is lost.");
const OPEN: Metric =
    Metric::gauge("fleetwire_gaps_open", "Gaps that are open or partly open, of the devices in memory.")
        .worry("Grows over days.");
const DEVICES: Metric =
    Metric::gauge("fleetwire_gaps_devices", "Devices in memory.").worry("Near `max_devices`.");
const EVICTED: Metric = Metric::counter(
    "fleetwire_gaps_evicted_devices_total",
    "Devices let go because `max_devices` was reached; those that were silent longest.",
)
.worry("Any growth: start more ledgers, or raise the bound.");
const FORGOTTEN: Metric = Metric::counter(
    "fleetwire_gaps_forgotten_total",
    "What is no longer followed. `device`: silent for longer than `keep`. `gap`: older than `keep`, or one too many \
     of its device; its last record says `given_up`. `stretch`: a silence that was no gap, likewise. `detail`: two \
     missing times of one gap became one, because `max_stretches` was reached.",
)
.from_start(&[Label::words("what", &["device", "gap", "stretch", "detail"])])
.worry(
    "`gap` or `detail` grows steadily: devices with very many gaps; raise `max_stretches`, or look at their intervals.",
);
const UNUSABLE_STATES: Metric = Metric::counter(
    "fleetwire_gaps_unusable_states_total",
    "Records of the state topic that could not be used; the device begins anew.",
)
.worry("Any growth.");
const REBUILD: Metric = Metric::histogram(
    "fleetwire_gaps_rebuild_seconds",
    "Time to read back the state of one partition, after a start or a rebalance.",
)
.worry("Near the longest buckets: more ledgers, or fewer devices in each.");
const SCAN: Metric = Metric::histogram(
    "fleetwire_gaps_scan_seconds",
    "Time to look at the devices of one partition for silence. Positions wait meanwhile.",
)
.worry("More than a fraction of a second.");

/// Metrics of the gap ledger.
pub const SECTION: Section = Section {
    title: "Gap ledger",
    intro: "",
    metrics: &[&[RECORDS, CHANGES, OPEN, DEVICES, EVICTED, FORGOTTEN, UNUSABLE_STATES, REBUILD, SCAN]],
    words: &[],
};

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
        let record = |kind: &'static str| RECORDS.counter_of([kind]);
        let change = |change: &'static str| CHANGES.counter_of([change]);
        let forgotten = |what: &'static str| FORGOTTEN.counter_of([what]);
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
            open: OPEN.to_gauge(),
            devices: DEVICES.to_gauge(),
            evicted: EVICTED.to_counter(),
            forgotten_devices: forgotten("device"),
            forgotten_gaps: forgotten("gap"),
            forgotten_quiet: forgotten("stretch"),
            forgotten_merged: forgotten("detail"),
            unusable_states: UNUSABLE_STATES.to_counter(),
            rebuild: REBUILD.to_histogram(),
            scan: SCAN.to_histogram(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_listed_and_has_a_handle() {
        let make = || drop(GapsMetrics::new());
        assert_eq!(fleetwire_service::metrics::undeclared(&[SECTION], make), [""; 0]);
    }
}
