//! Settings of the gap ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

/// Settings of the gap ledger; the sample with every key is `deploy/config/gaps.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GapsSettings {
    /// Whether `fleetwire run` keeps a ledger; `fleetwire gaps` always does.
    pub enabled: bool,
    /// Consumer group that the ledgers of a deployment share; empty takes the topic prefix and "-gaps".
    pub group: String,
    /// How a record's absence is judged.
    pub intervals: Intervals,
    /// Intervals of all devices of a model, by its id.
    pub models: BTreeMap<String, Intervals>,
    /// Intervals of single devices, by their ids.
    pub devices: BTreeMap<String, Intervals>,
    /// How many intervals may pass between two records, 1.5 to 100.
    pub tolerance: f64,
    /// No shorter stretch is a gap, whatever the interval.
    #[serde(with = "humantime_serde")]
    pub min_gap: Duration,
    /// A device that is silent for this many times as long as makes a gap has one that is not over, 1 to 100.
    pub overdue: f64,
    /// Whether silence of a parked device is a gap. Trackers sleep with the ignition off.
    pub judge_parked: bool,
    /// How long gaps, and devices that are silent, are followed.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
    /// Stretches without records that are followed for one device, 2 to 256.
    pub max_stretches: usize,
    /// Devices that one ledger remembers; beyond it, those that were silent longest are let go.
    pub max_devices: usize,
    /// Positions that one ledger may have in the works.
    pub max_in_flight: usize,
    /// How often changes are written.
    #[serde(with = "humantime_serde")]
    pub flush_interval: Duration,
    /// How often every device is looked at for silence.
    #[serde(with = "humantime_serde")]
    pub scan_interval: Duration,
}

/// Configured intervals; what is not given is learned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Intervals {
    /// Time between two records while the device is active.
    #[serde(with = "humantime_serde")]
    pub active: Option<Duration>,
    /// Time between two records while it is parked.
    #[serde(with = "humantime_serde")]
    pub parked: Option<Duration>,
}

impl Default for GapsSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            group: String::new(),
            intervals: Intervals::default(),
            models: BTreeMap::new(),
            devices: BTreeMap::new(),
            tolerance: 3.0,
            min_gap: Duration::from_mins(5),
            overdue: 2.0,
            judge_parked: false,
            keep: Duration::from_hours(24 * 30),
            max_stretches: 16,
            max_devices: 1_000_000,
            max_in_flight: 50_000,
            flush_interval: Duration::from_secs(2),
            scan_interval: Duration::from_secs(10),
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("gaps.{key} must be {range}")]
pub struct GapsSettingsError {
    /// Its key below `[gaps]`.
    pub key: String,
    /// What is possible.
    pub range: &'static str,
}

impl GapsSettings {
    /// Finds every value that is out of range.
    pub fn check(&self) -> Result<(), GapsSettingsError> {
        const SECOND: Duration = Duration::from_secs(1);
        let day = Duration::from_hours(24);
        let checks = [
            ((1.5..=100.0).contains(&self.tolerance), "tolerance", "1.5 to 100"),
            ((1.0..=100.0).contains(&self.overdue), "overdue", "1 to 100"),
            ((SECOND..=day * 30).contains(&self.min_gap), "min_gap", "1s to 30d"),
            ((Duration::from_mins(1)..=day * 365).contains(&self.keep), "keep", "1m to 1y"),
            (self.keep > self.min_gap, "keep", "longer than min_gap"),
            ((2..=256).contains(&self.max_stretches), "max_stretches", "2 to 256"),
            ((1000..=100_000_000).contains(&self.max_devices), "max_devices", "1000 to 100000000"),
            ((1..=1_000_000).contains(&self.max_in_flight), "max_in_flight", "1 to 1000000"),
            ((SECOND / 10..=SECOND * 30).contains(&self.flush_interval), "flush_interval", "100ms to 30s"),
            ((SECOND..=day).contains(&self.scan_interval), "scan_interval", "1s to 1d"),
        ];
        if let Some((_, key, range)) = checks.into_iter().find(|(holds, ..)| !holds) {
            return Err(GapsSettingsError { key: key.to_owned(), range });
        }
        let named = |table: &str, map: &BTreeMap<String, Intervals>| -> Vec<_> {
            map.iter().map(|(name, intervals)| (format!("{table}.\"{name}\""), *intervals)).collect()
        };
        let all = [("intervals".to_owned(), self.intervals)]
            .into_iter()
            .chain(named("models", &self.models))
            .chain(named("devices", &self.devices));
        for (table, intervals) in all {
            for (word, interval) in [("active", intervals.active), ("parked", intervals.parked)] {
                if interval.is_some_and(|interval| !(SECOND..=day * 30).contains(&interval)) {
                    return Err(GapsSettingsError { key: format!("{table}.{word}"), range: "1s to 30d" });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named() {
        assert_eq!(GapsSettings::default().check(), Ok(()));
        let settings: GapsSettings =
            toml::from_str("[models.\"x-1\"]\nactive = \"60s\"\nparked = \"0s\"").unwrap();
        let error = settings.check().unwrap_err();
        assert_eq!(error.to_string(), "gaps.models.\"x-1\".parked must be 1s to 30d");
        let settings = GapsSettings { tolerance: f64::NAN, ..GapsSettings::default() };
        assert_eq!(settings.check().unwrap_err().key, "tolerance");
    }
}
