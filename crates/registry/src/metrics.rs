//! Metrics of the registry; docs/metrics.md lists them.

use std::time::Duration;

use crate::devices::Devices;
use fleetwire_service::metrics::{Metric, Section};
use metrics::{Counter, Gauge, Histogram};

const DEVICES: Metric = Metric::gauge(
    "fleetwire_registry_devices",
    "Devices in the registry, active or disabled. Set once the first read is done.",
)
.worry("Differs between processes for longer than a moment.");
const TABLE_BYTES: Metric = Metric::gauge(
    "fleetwire_registry_table_bytes",
    "Memory of the tables of devices, with the free places in them.",
);
const LOAD_SECONDS: Metric = Metric::gauge(
    "fleetwire_registry_load_seconds",
    "Time from the start of the process until the registry was read, with the wait for Kafka. 0 until \
     then.",
)
.worry("Much more than the number of devices explains ([operations.md](operations.md#registry)).");
const UPDATES: Metric = Metric::counter(
    "fleetwire_registry_updates_total",
    "Records of the registry topic that were read, usable or not.",
);
const UNUSABLE_RECORDS: Metric = Metric::counter(
    "fleetwire_registry_unusable_records_total",
    "Records of the registry topic that could not be used; the device of such a record is not served.",
)
.worry("Any growth: see the log. A model that this version does not know is one reason.");
const LAG_SECONDS: Metric = Metric::histogram(
    "fleetwire_registry_lag_seconds",
    "Time from the writing of a change (its record's time) until it counts in this process, for \
     changes after the first read.",
)
.worry(
    "More than a second: Kafka or this process does not keep up, or the clocks of two machines \
     differ.",
);
const LAST_UPDATE_SECONDS: Metric = Metric::gauge(
    "fleetwire_registry_last_update_seconds",
    "When the last change after the first read came, unix time in seconds; 0 if none came yet.",
)
.worry("Much older than in other processes.");

/// Metrics of the registry.
pub const SECTION: Section = Section {
    title: "Registry",
    intro: "",
    metrics: &[
        &[DEVICES, TABLE_BYTES, LOAD_SECONDS, UPDATES, UNUSABLE_RECORDS, LAG_SECONDS, LAST_UPDATE_SECONDS],
        crate::registrar::METRICS,
    ],
    words: &[],
};

/// Handles, made once.
#[derive(Debug)]
pub(crate) struct RegistryMetrics {
    devices: Gauge,
    bytes: Gauge,
    pub(crate) updates: Counter,
    pub(crate) unusable: Counter,
    load: Gauge,
    lag: Histogram,
    last_update: Gauge,
}

impl RegistryMetrics {
    pub(crate) fn new() -> Self {
        Self {
            devices: DEVICES.to_gauge(),
            bytes: TABLE_BYTES.to_gauge(),
            updates: UPDATES.to_counter(),
            unusable: UNUSABLE_RECORDS.to_counter(),
            load: LOAD_SECONDS.to_gauge(),
            lag: LAG_SECONDS.to_histogram(),
            last_update: LAST_UPDATE_SECONDS.to_gauge(),
        }
    }

    /// Everything that was there at the start is read.
    pub(crate) fn loaded(&self, devices: &Devices, took: Duration) {
        self.load.set(took.as_secs_f64());
        self.size(devices);
    }

    /// A record that was written at `written_ms` is applied at `now_ms`, Unix milliseconds.
    pub(crate) fn applied(&self, devices: &Devices, written_ms: Option<i64>, now_ms: i64) {
        if let Some(written_ms) = written_ms {
            // Clocks of two machines may differ; nothing comes before it was sent.
            let lag = u64::try_from(now_ms.saturating_sub(written_ms)).unwrap_or(0);
            self.lag.record(Duration::from_millis(lag));
        }
        self.last_update.set(seconds(now_ms));
        self.size(devices);
    }

    fn size(&self, devices: &Devices) {
        self.devices.set(number(devices.len()));
        self.bytes.set(number(devices.table_bytes()));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge")]
const fn number(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "a time of day in milliseconds is far below 2^52")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_listed_and_has_a_handle() {
        let make = || {
            drop(RegistryMetrics::new());
            crate::registrar::make_metrics();
        };
        assert_eq!(fleetwire_service::metrics::undeclared(&[SECTION], make), [""; 0]);
    }
}
