//! Metrics of the device state; docs/metrics.md lists them.

use crate::last::Kind;
use fleetwire_service::metrics::{CounterFamily, Label, Metric, Section};
use metrics::{Counter, Gauge};

const RECORDS: Metric =
    Metric::counter("fleetwire_state_records_total", "Records that were read into the view, usable or not.")
        .from_start(&[Label::words("topic", &["sessions", "device_state"])]);
const UNUSABLE_RECORDS: Metric = Metric::counter(
    "fleetwire_state_unusable_records_total",
    "Records that could not be used; what was known stays.",
)
.from_start(&[Label::words("topic", &["sessions", "device_state"])])
.worry("Any growth: something else writes to the topic.");
const REFUSED_RECORDS: Metric = Metric::counter(
    "fleetwire_state_refused_records_total",
    "Records of devices that are not in the view because `max_devices` is reached.",
)
.from_start(&[Label::words("topic", &["sessions", "device_state"])])
.worry("Any growth: raise the bound.");
const DEVICES: Metric = Metric::gauge("fleetwire_state_devices", "Devices in the view, connected or not.")
    .worry("Near `max_devices`.");
const CONNECTED: Metric =
    Metric::gauge("fleetwire_state_connected", "Devices that are connected, on frontends that are alive.")
        .worry(
            "A sudden fall. Differs from the sum of `fleetwire_frontend_sessions` by more than relays \
             and subscribers: see `fleetwire_frontend_presence_waiting`.",
        );
const FRONTENDS: Metric = Metric::gauge("fleetwire_state_frontends", "Frontends that are alive.")
    .worry("Not the number that runs: one cannot write, or two have the same `replica`.");
const POSITIONS: Metric = Metric::counter(
    "fleetwire_state_positions_total",
    "Positions taken in. `late`: by the device's time before what was known. `unusable`: no \
     `PositionEvent`, or not keyed by its device.",
)
.from_start(&[Label::words("kind", &["newest", "late", "unusable"])])
.worry("`unusable`: something else writes to the positions.");
const WRITTEN: Metric = Metric::counter("fleetwire_state_written_total", "Device states that Kafka has.")
    .worry("Stands still while positions come.");
const WAITING: Metric =
    Metric::gauge("fleetwire_state_waiting", "Devices with positions that are not in a written state.")
        .worry("Near `max_in_flight`.");

/// Metrics of the device state.
pub const SECTION: Section = Section {
    title: "Device state",
    intro: "Of a process with the view of device states, and, for the last three, with the projector.",
    metrics: &[&[
        RECORDS,
        UNUSABLE_RECORDS,
        REFUSED_RECORDS,
        DEVICES,
        CONNECTED,
        FRONTENDS,
        POSITIONS,
        WRITTEN,
        WAITING,
    ]],
    words: &[],
};

/// Handles of the view, made once.
#[derive(Debug)]
pub(crate) struct ViewMetrics {
    pub(crate) records: CounterFamily,
    pub(crate) unusable: CounterFamily,
    pub(crate) refused: CounterFamily,
    devices: Gauge,
    connected: Gauge,
    frontends: Gauge,
}

impl ViewMetrics {
    pub(crate) fn new() -> Self {
        Self {
            records: RECORDS.family(),
            unusable: UNUSABLE_RECORDS.family(),
            refused: REFUSED_RECORDS.family(),
            devices: DEVICES.to_gauge(),
            connected: CONNECTED.to_gauge(),
            frontends: FRONTENDS.to_gauge(),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges")]
    pub(crate) fn size(&self, devices: usize, connected: usize, frontends: usize) {
        self.devices.set(devices as f64);
        self.connected.set(connected as f64);
        self.frontends.set(frontends as f64);
    }
}

/// Handles of the projector, made once.
#[derive(Debug)]
pub(crate) struct ProjectorMetrics {
    newest: Counter,
    late: Counter,
    unusable: Counter,
    pub(crate) written: Counter,
    waiting: Gauge,
}

impl ProjectorMetrics {
    pub(crate) fn new() -> Self {
        let positions = |kind: &'static str| POSITIONS.counter_of([kind]);
        Self {
            newest: positions("newest"),
            late: positions("late"),
            unusable: positions("unusable"),
            written: WRITTEN.to_counter(),
            waiting: WAITING.to_gauge(),
        }
    }

    /// A position was taken in; nothing says that its record was none.
    pub(crate) fn position(&self, kind: Option<Kind>) {
        match kind {
            Some(Kind::Newest) => &self.newest,
            Some(Kind::Late) => &self.late,
            None => &self.unusable,
        }
        .increment(1);
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
    pub(crate) fn waiting(&self, count: usize) {
        self.waiting.set(count as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_listed_and_has_a_handle() {
        let make = || {
            drop((ViewMetrics::new(), ProjectorMetrics::new()));
        };
        assert_eq!(fleetwire_service::metrics::undeclared(&[SECTION], make), [""; 0]);
    }
}
