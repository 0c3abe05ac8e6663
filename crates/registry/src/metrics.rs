//! Metrics of the registry; docs/metrics.md lists them.

use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::devices::Devices;

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
        describe();
        Self {
            devices: gauge!("fleetwire_registry_devices"),
            bytes: gauge!("fleetwire_registry_table_bytes"),
            updates: counter!("fleetwire_registry_updates_total"),
            unusable: counter!("fleetwire_registry_unusable_records_total"),
            load: gauge!("fleetwire_registry_load_seconds"),
            lag: histogram!("fleetwire_registry_lag_seconds"),
            last_update: gauge!("fleetwire_registry_last_update_seconds"),
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

fn describe() {
    describe_gauge!(
        "fleetwire_registry_devices",
        Unit::Count,
        "Devices in the registry, active or disabled."
    );
    describe_gauge!(
        "fleetwire_registry_table_bytes",
        Unit::Bytes,
        "Memory of the tables of devices, without texts that are longer than 24 bytes."
    );
    describe_counter!(
        "fleetwire_registry_updates_total",
        "Records of the registry topic that were read, usable or not."
    );
    describe_counter!(
        "fleetwire_registry_unusable_records_total",
        "Records of the registry topic that could not be used; the device of such a record is not served."
    );
    describe_gauge!(
        "fleetwire_registry_load_seconds",
        Unit::Seconds,
        "Time from the start until the registry was read, with the wait for Kafka."
    );
    describe_histogram!(
        "fleetwire_registry_lag_seconds",
        Unit::Seconds,
        "Time from the writing of a change until it counts in this process, after the first read."
    );
    describe_gauge!(
        "fleetwire_registry_last_update_seconds",
        Unit::Seconds,
        "When the last change after the first read came, unix time; 0 if none came yet."
    );
}
