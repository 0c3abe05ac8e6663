//! Metrics of the registry; docs/metrics.md lists them.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Handles, made once.
#[derive(Debug)]
pub(crate) struct RegistryMetrics {
    pub(crate) devices: Gauge,
    pub(crate) updates: Counter,
    pub(crate) unusable: Counter,
}

impl RegistryMetrics {
    pub(crate) fn new() -> Self {
        describe_gauge!("fleetwire_registry_devices", "Devices in the registry, active or disabled.");
        describe_counter!(
            "fleetwire_registry_updates_total",
            "Records of the registry topic that were applied."
        );
        describe_counter!(
            "fleetwire_registry_unusable_records_total",
            "Records of the registry topic that could not be used; the device of such a record is not served."
        );
        Self {
            devices: gauge!("fleetwire_registry_devices"),
            updates: counter!("fleetwire_registry_updates_total"),
            unusable: counter!("fleetwire_registry_unusable_records_total"),
        }
    }
}
