//! Settings of the command gateway.

use std::collections::BTreeMap;
use std::time::Duration;

use fleetwire_downlink::DownlinkClientSettings;
use fleetwire_model::Topics;
use fleetwire_registry::Catalogue;
use serde::Deserialize;

use crate::guards::GuardSettings;
use crate::machine::Rules;

/// Settings of the command gateway; the sample with every key is `deploy/config/command-gateway.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandGatewaySettings {
    /// Consumer group that the gateways of a deployment share; empty takes the topic prefix and "-command-gateway".
    pub group: String,
    /// How long one transaction gathers commands and outcomes, and so what it adds to the time to the device.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// After how long Kafka undoes a transaction that nobody ends. For so long may the partitions of a dead gateway
    /// have to wait.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// How long the device's PUBACK is waited for.
    #[serde(with = "humantime_serde")]
    pub puback_timeout: Duration,
    /// Calls to frontends at a time; further ones wait.
    pub max_deliveries: usize,
    /// How long telemetry may take to confirm a command after the acknowledgement.
    #[serde(with = "humantime_serde")]
    pub confirm_within: Duration,
    /// Telemetry contradicts a command only from so long after the acknowledgement.
    #[serde(with = "humantime_serde")]
    pub contradict_after: Duration,
    /// The longest time from now to a command's expiry; later expiries are brought forward.
    #[serde(with = "humantime_serde")]
    pub max_ttl: Duration,
    /// Commands of one device that may wait.
    pub max_pending: usize,
    /// Pause after the first attempt that failed; each further one doubles it.
    #[serde(with = "humantime_serde")]
    pub retry_min: Duration,
    /// The longest pause between attempts.
    #[serde(with = "humantime_serde")]
    pub retry_max: Duration,
    /// Topics to which raw downlink may be published, by model; %c stands for the device's id.
    pub raw_topics: BTreeMap<String, Vec<String>>,
    /// When commands are refused; without any, never.
    pub guards: Vec<GuardSettings>,
    /// How frontends are called.
    pub downlink: DownlinkClientSettings,
}

impl Default for CommandGatewaySettings {
    fn default() -> Self {
        let rules = Rules::default();
        Self {
            group: String::new(),
            interval: Duration::from_millis(2),
            timeout: Duration::from_secs(10),
            puback_timeout: Duration::from_secs(10),
            max_deliveries: 2000,
            confirm_within: rules.confirm_within,
            contradict_after: rules.contradict_after,
            max_ttl: rules.max_ttl,
            max_pending: rules.max_pending,
            retry_min: rules.retry_min,
            retry_max: rules.retry_max,
            raw_topics: BTreeMap::new(),
            guards: Vec::new(),
            downlink: DownlinkClientSettings::default(),
        }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandGatewaySettingsError {
    /// A value out of range.
    #[error("command_gateway.{key} must be {range}")]
    Range {
        /// Its key below `[command_gateway]`.
        key: &'static str,
        /// What is possible.
        range: &'static str,
    },
    /// A model that the catalogue has not.
    #[error("command_gateway.{key} names the model {model}, which is neither built in nor in [models]")]
    Model {
        /// The key.
        key: String,
        /// The model.
        model: String,
    },
    /// A topic to which nothing may be published.
    #[error("command_gateway.raw_topics.{model} has the topic {topic:?}: {reason}")]
    Topic {
        /// The model.
        model: String,
        /// The topic.
        topic: String,
        /// Why not.
        reason: &'static str,
    },
    /// A guard that guards nothing, or cannot be kept.
    #[error("command_gateway.guards[{index}]{key} {reason}")]
    Guard {
        /// Its place in the list, from 0.
        index: usize,
        /// A dot and the key; empty if it is about the whole guard.
        key: &'static str,
        /// Why not.
        reason: &'static str,
    },
}

impl CommandGatewaySettings {
    /// Finds what cannot be used.
    pub fn check(&self, catalogue: Catalogue) -> Result<(), CommandGatewaySettingsError> {
        self.check_times()?;
        for (model, topics) in &self.raw_topics {
            is_known(catalogue, model, || "raw_topics".to_owned())?;
            for topic in topics {
                if let Some(reason) = unusable(topic) {
                    let (model, topic) = (model.clone(), topic.clone());
                    return Err(CommandGatewaySettingsError::Topic { model, topic, reason });
                }
            }
        }
        for (index, guard) in self.guards.iter().enumerate() {
            if let Some((key, reason)) = guard.problem() {
                return Err(CommandGatewaySettingsError::Guard { index, key, reason });
            }
            for model in &guard.models {
                is_known(catalogue, model, || format!("guards[{index}].models"))?;
            }
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), CommandGatewaySettingsError> {
        const SECOND: Duration = Duration::from_secs(1);
        const DAY: Duration = Duration::from_hours(24);
        let Self { interval, timeout, puback_timeout, max_deliveries, confirm_within, .. } = self;
        let Self { contradict_after, max_ttl, max_pending, retry_min, retry_max, guards, .. } = self;
        let checks = [
            (*interval <= SECOND, "interval", "at most 1s"),
            (
                *timeout >= SECOND && *timeout >= *interval * 2 && *timeout <= SECOND * 900,
                "timeout",
                "1s to 15min, and at least twice the interval",
            ),
            ((SECOND..=SECOND * 300).contains(puback_timeout), "puback_timeout", "1s to 5min"),
            ((1..=100_000).contains(max_deliveries), "max_deliveries", "1 to 100000"),
            (*confirm_within <= DAY, "confirm_within", "at most 1 day"),
            (contradict_after <= confirm_within, "contradict_after", "at most confirm_within"),
            ((SECOND..=DAY * 365).contains(max_ttl), "max_ttl", "1s to 365 days"),
            // What is remembered of a device has to fit into one Kafka record.
            ((1..=48).contains(max_pending), "max_pending", "1 to 48"),
            (*retry_min >= SECOND / 100 && *retry_min <= SECOND * 60, "retry_min", "10ms to 1min"),
            (
                retry_max >= retry_min && *retry_max <= SECOND * 3600,
                "retry_max",
                "as long as retry_min to 1h",
            ),
            (guards.len() <= 64, "guards", "at most 64"),
        ];
        match checks.into_iter().find(|(holds, ..)| !holds) {
            Some((_, key, range)) => Err(CommandGatewaySettingsError::Range { key, range }),
            None => Ok(()),
        }
    }

    /// How long things may take.
    pub fn rules(&self) -> Rules {
        Rules {
            confirm_within: self.confirm_within,
            contradict_after: self.contradict_after,
            max_ttl: self.max_ttl,
            max_pending: self.max_pending,
            retry_min: self.retry_min,
            retry_max: self.retry_max,
        }
    }

    /// The consumer group.
    pub fn group(&self, topics: &Topics) -> String {
        if self.group.is_empty() {
            format!("{}-command-gateway", topics.prefix())
        } else {
            self.group.clone()
        }
    }
}

fn is_known(
    catalogue: Catalogue,
    model: &str,
    key: impl FnOnce() -> String,
) -> Result<(), CommandGatewaySettingsError> {
    match catalogue.get(model) {
        Some(_) => Ok(()),
        None => Err(CommandGatewaySettingsError::Model { key: key(), model: model.to_owned() }),
    }
}

/// Why nothing may be published to a topic.
fn unusable(topic: &str) -> Option<&'static str> {
    let ours = topic.split('/').any(|level| level == "%c");
    let checks = [
        ((1..=256).contains(&topic.len()), "a topic has 1 to 256 bytes"),
        (!topic.contains(['+', '#', '\0']), "a topic to publish to has no wildcards"),
        (!topic.starts_with('$'), "topics that begin with $ are the broker's own"),
        (ours, "one level has to be %c, the device's own id: it is what keeps devices apart"),
        (topic.matches('%').count() == 1, "% stands only in %c"),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map(|(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> String {
        let settings: CommandGatewaySettings = toml::from_str(text).unwrap();
        settings.check(Catalogue::built_in()).map_or_else(|err| err.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn what_cannot_be_used_is_named_with_what_is_possible() {
        assert_eq!(check(""), "fine");
        assert_eq!(check("max_pending = 49"), "command_gateway.max_pending must be 1 to 48");
        assert_eq!(check("retry_min = '1m'"), "command_gateway.retry_max must be as long as retry_min to 1h");
        assert_eq!(check("[raw_topics]\nxirgo-lx41 = ['%c/OUTC']"), "fine");
        let error = check("[raw_topics]\nxirgo-lx41 = ['all/OUTC']");
        assert!(error.contains("raw_topics.xirgo-lx41") && error.contains("%c"), "{error}");
        assert!(check("[raw_topics]\nxirgo-lx41 = ['%c/#']").contains("wildcards"));
        assert!(check("[raw_topics]\ntoaster = ['%c/x']").contains("raw_topics names the model toaster"));
    }

    #[test]
    fn a_guard_that_guards_nothing_is_a_mistake() {
        assert!(check("[[guards]]\nmodels = ['xirgo-lx41']").contains("guards[0]"));
        assert!(check("[[guards]]\nmodels = ['toaster']\nfour_eyes = true").contains("guards[0].models"));
        assert!(check("[[guards]]\nrate = { count = 0, per = '1m' }").contains("guards[0].rate"));
        assert_eq!(check("[[guards]]\nlabels = { vehicle = 'truck' }\nmax_speed_kmh = 5.0"), "fine");
    }

    #[test]
    fn the_group_is_the_prefix_unless_it_is_set() {
        let settings = CommandGatewaySettings::default();
        assert_eq!(settings.group(&Topics::default()), "fleetwire-command-gateway");
        let own = CommandGatewaySettings { group: "g".into(), ..settings };
        assert_eq!(own.group(&Topics::default()), "g");
    }
}
