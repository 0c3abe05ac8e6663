//! Settings of the device state.

use std::time::Duration;

use serde::Deserialize;

/// Settings of the device state, the section `[state]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StateSettings {
    /// Consumer group that the projectors of a deployment share; empty takes the topic prefix and "-state".
    pub group: String,
    /// How often the state of one device is written at most.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// Devices that are kept in memory; what comes of further ones is not shown, and counted.
    pub max_devices: usize,
    /// Devices whose state may wait to be written; at the bound positions wait in Kafka.
    pub max_in_flight: usize,
}

impl Default for StateSettings {
    fn default() -> Self {
        Self {
            group: String::new(),
            interval: Duration::from_secs(10),
            max_devices: 10_000_000,
            max_in_flight: 1_000_000,
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("state.{key} must be {range}")]
pub struct StateSettingsError {
    /// Its key below `[state]`.
    pub key: &'static str,
    /// What is possible.
    pub range: &'static str,
}

impl StateSettings {
    /// Finds a value that is out of range.
    pub fn check(&self) -> Result<(), StateSettingsError> {
        let interval = Duration::from_millis(100)..=Duration::from_hours(1);
        let checks = [
            (interval.contains(&self.interval), "interval", "100ms to 1h"),
            ((1..=100_000_000).contains(&self.max_devices), "max_devices", "1 to 100000000"),
            ((1000..=10_000_000).contains(&self.max_in_flight), "max_in_flight", "1000 to 10000000"),
        ];
        match checks.into_iter().find(|(holds, ..)| !holds) {
            Some((_, key, range)) => Err(StateSettingsError { key, range }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_out_of_range_are_told() {
        assert_eq!(StateSettings::default().check(), Ok(()));
        let none = StateSettings { interval: Duration::ZERO, ..StateSettings::default() };
        assert_eq!(none.check().unwrap_err().to_string(), "state.interval must be 100ms to 1h");
        let text = "interval = \"2s\"\nmax_devices = 5";
        let read: StateSettings = toml::from_str(text).unwrap();
        assert_eq!((read.interval, read.max_devices), (Duration::from_secs(2), 5));
    }
}
