//! Settings of the keeper of held publishes.

use std::time::Duration;

use fleetwire_model::Topics;
use serde::Deserialize;

/// Settings of held publishes; the sample with every key is `deploy/config/api.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeldSettings {
    /// Consumer group that the keepers of a deployment share; empty takes the topic prefix and "-held".
    pub group: String,
    /// Devices that nobody activated that are remembered; beyond it, those that were silent longest are let go.
    pub max_knocks: usize,
    /// How long one transaction gathers records, and so what it adds to the age of what is forwarded.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// After how long Kafka undoes a transaction that nobody ends. For so long may a dead keeper hold decoders back.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// A device of which nothing is held any more publishes directly once nothing came of it for so long.
    #[serde(with = "humantime_serde")]
    pub quiet: Duration,
    /// A device that is never that quiet publishes directly after so long.
    #[serde(with = "humantime_serde")]
    pub patience: Duration,
}

impl Default for HeldSettings {
    fn default() -> Self {
        Self {
            group: String::new(),
            max_knocks: 100_000,
            interval: Duration::from_millis(100),
            timeout: Duration::from_secs(10),
            quiet: Duration::from_secs(1),
            patience: Duration::from_secs(10),
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("held.{key} must be {range}")]
pub struct HeldSettingsError {
    /// Its key below `[held]`.
    pub key: &'static str,
    /// What is possible.
    pub range: &'static str,
}

impl HeldSettings {
    /// Finds every value that is out of range.
    pub fn check(&self) -> Result<(), HeldSettingsError> {
        const SECOND: Duration = Duration::from_secs(1);
        let Self { max_knocks, interval, timeout, quiet, patience, .. } = self;
        let checks = [
            ((100..=10_000_000).contains(max_knocks), "max_knocks", "100 to 10000000"),
            ((SECOND / 100..=SECOND * 10).contains(interval), "interval", "10ms to 10s"),
            (
                *timeout >= SECOND && *timeout >= *interval * 2 && *timeout <= SECOND * 900,
                "timeout",
                "1s to 15min, and at least twice the interval",
            ),
            ((SECOND / 10..=SECOND * 60).contains(quiet), "quiet", "100ms to 1min"),
            // What was forwarded is visible before the device publishes directly.
            (*quiet >= *interval * 2, "quiet", "at least twice the interval"),
            (patience >= quiet && *patience <= SECOND * 3600, "patience", "as long as quiet to 1h"),
        ];
        match checks.into_iter().find(|(holds, ..)| !holds) {
            Some((_, key, range)) => Err(HeldSettingsError { key, range }),
            None => Ok(()),
        }
    }

    /// The consumer group.
    pub fn group(&self, topics: &Topics) -> String {
        if self.group.is_empty() { format!("{}-held", topics.prefix()) } else { self.group.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named() {
        assert_eq!(HeldSettings::default().check(), Ok(()));
        let settings: HeldSettings = toml::from_str("interval = \"8s\"").unwrap();
        assert_eq!(settings.check().unwrap_err().key, "timeout");
        let settings: HeldSettings = toml::from_str("interval = \"600ms\"").unwrap();
        assert_eq!(settings.check().unwrap_err().key, "quiet");
        let settings: HeldSettings = toml::from_str("patience = \"500ms\"").unwrap();
        assert_eq!(settings.check().unwrap_err().to_string(), "held.patience must be as long as quiet to 1h");
    }

    #[test]
    fn the_group_is_the_prefix_unless_it_is_set() {
        let settings = HeldSettings::default();
        assert_eq!(settings.group(&Topics::default()), "fleetwire-held");
        assert_eq!(HeldSettings { group: "g".into(), ..settings }.group(&Topics::default()), "g");
    }
}
