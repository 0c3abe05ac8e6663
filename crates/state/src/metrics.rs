//! Metrics of the device state; docs/metrics.md lists them.

use fleetwire_service::metrics::CounterFamily;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use crate::last::Kind;

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
        let (records, unusable, refused) = (
            "fleetwire_state_records_total",
            "fleetwire_state_unusable_records_total",
            "fleetwire_state_refused_records_total",
        );
        describe_counter!(records, "Records that were read into the view, by topic.");
        describe_counter!(unusable, "Records of the topics that could not be used, by topic.");
        describe_counter!(
            refused,
            "Records of devices that are not kept because max_devices is reached, by topic."
        );
        describe_gauge!("fleetwire_state_devices", "Devices in the view.");
        describe_gauge!(
            "fleetwire_state_connected",
            "Devices that are connected, on frontends that are alive."
        );
        describe_gauge!("fleetwire_state_frontends", "Frontends that are alive.");
        let family = |name| CounterFamily::new(name, "topic", &["sessions", "device_state"]);
        Self {
            records: family(records),
            unusable: family(unusable),
            refused: family(refused),
            devices: gauge!("fleetwire_state_devices"),
            connected: gauge!("fleetwire_state_connected"),
            frontends: gauge!("fleetwire_state_frontends"),
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
        describe_counter!(
            "fleetwire_state_positions_total",
            "Positions taken in, by what they were to the device's state."
        );
        describe_counter!("fleetwire_state_written_total", "Device states that Kafka has.");
        describe_gauge!("fleetwire_state_waiting", "Devices with positions that are not in a written state.");
        let positions = |kind: &'static str| counter!("fleetwire_state_positions_total", "kind" => kind);
        Self {
            newest: positions("newest"),
            late: positions("late"),
            unusable: positions("unusable"),
            written: counter!("fleetwire_state_written_total"),
            waiting: gauge!("fleetwire_state_waiting"),
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
