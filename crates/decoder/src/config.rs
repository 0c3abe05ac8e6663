//! Settings of the decoder.

use std::time::Duration;

use anyhow::{Result, ensure};
use fleetwire_codec::{dt7, iotm, ngp};
use fleetwire_model::Topics;
use fleetwire_registry::CodecSettings;
use serde::Deserialize;

/// Settings of the decoder; the sample with every key is `deploy/config/decoder.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecoderSettings {
    /// Consumer group that the workers share; empty takes the topic prefix and "-decoder".
    pub group: String,
    /// Raw publishes being worked on at most, per worker.
    pub max_in_flight: usize,
    /// Whether events and offsets become visible together, in Kafka's transactions.
    pub exactly_once: bool,
    /// Name of this worker for the transactions; empty takes the group and the replica.
    pub transactional_id: String,
    /// How transactions are made.
    pub transactions: TransactionSettings,
    /// Whether what a device sends again is dropped.
    pub repeats: RepeatSettings,
    /// What becomes of a record that names another device than its session.
    pub identity_mismatch: ForeignRule,
    /// When a device's clock is not believed.
    pub clock: ClockSettings,
    /// How IOTM payloads are read, of models without settings of their own.
    pub iotm: iotm::Options,
    /// How NGP messages are read, of models without settings of their own.
    pub ngp: ngp::Options,
    /// How DT7 payloads are read, of models without settings of their own.
    pub dt7: dt7::Options,
}

impl Default for DecoderSettings {
    fn default() -> Self {
        Self {
            group: String::new(),
            max_in_flight: 10_000,
            exactly_once: false,
            transactional_id: String::new(),
            transactions: TransactionSettings::default(),
            repeats: RepeatSettings::default(),
            identity_mismatch: ForeignRule::default(),
            clock: ClockSettings::default(),
            iotm: iotm::Options::default(),
            ngp: ngp::Options::default(),
            dt7: dt7::Options::default(),
        }
    }
}

/// Largest window for repeats.
const MOST_REPEATS: usize = 10_000_000;
/// Kafka's longest transaction, as brokers are set by default.
const LONGEST: Duration = Duration::from_mins(15);

impl DecoderSettings {
    /// Finds values that cannot be used.
    pub fn check(&self) -> Result<()> {
        let TransactionSettings { interval, timeout } = self.transactions;
        ensure!(
            (Duration::from_millis(1)..=Duration::from_secs(10)).contains(&interval),
            "decoder.transactions.interval must be 1ms to 10s"
        );
        ensure!(
            timeout >= Duration::from_secs(1) && timeout >= 2 * interval && timeout <= LONGEST,
            "decoder.transactions.timeout must be 1s to 15min, and at least twice the interval"
        );
        ensure!(self.max_in_flight > 0, "decoder.max_in_flight must be at least 1");
        ensure!(self.repeats.window <= MOST_REPEATS, "decoder.repeats.window must be 0 to {MOST_REPEATS}");
        Ok(())
    }

    /// How the payloads of models are read that have no settings of their own.
    pub fn codecs(&self) -> CodecSettings {
        CodecSettings { iotm: self.iotm.clone(), ngp: self.ngp.clone(), dt7: self.dt7.clone() }
    }

    /// The consumer group.
    pub(crate) fn group(&self, topics: &Topics) -> String {
        if self.group.is_empty() { format!("{}-decoder", topics.prefix()) } else { self.group.clone() }
    }

    /// The name for transactions: the next process of the replica must have the same, all others another.
    pub(crate) fn transactional_id(&self, group: &str, replica: &str) -> String {
        if self.transactional_id.is_empty() {
            format!("{group}-{replica}")
        } else {
            self.transactional_id.clone()
        }
    }
}

/// What becomes of a record that names another device than its session. It never becomes an event of that device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForeignRule {
    /// A dead letter.
    #[default]
    DeadLetter,
    /// An event of the session's device, flagged.
    Flag,
}

/// How transactions are made; they need `exactly_once`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransactionSettings {
    /// How long one gathers events before it is committed, and so what it adds to their age.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// After how long Kafka undoes one that nobody ends. For so long may a dead worker hold readers back.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Default for TransactionSettings {
    fn default() -> Self {
        Self { interval: Duration::from_millis(200), timeout: Duration::from_secs(15) }
    }
}

/// Whether what a device sends again is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepeatSettings {
    /// Events whose keys a worker remembers; 0 drops nothing.
    pub window: usize,
}

/// When a device's clock is not believed; the event is flagged, not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockSettings {
    /// How far a record's time may lie after its reception.
    #[serde(with = "humantime_serde")]
    pub future_tolerance: Duration,
    /// How far a record's time may lie before its reception. Devices keep records while they are offline.
    #[serde(with = "humantime_serde")]
    pub max_age: Duration,
}

impl Default for ClockSettings {
    fn default() -> Self {
        Self { future_tolerance: Duration::from_mins(5), max_age: Duration::from_hours(24 * 90) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_named() {
        assert!(DecoderSettings::default().check().is_ok());
        let told = |change: fn(&mut DecoderSettings)| {
            let mut settings = DecoderSettings::default();
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        assert!(told(|s| s.transactions.interval = Duration::ZERO).contains("transactions.interval"));
        assert!(
            told(|s| s.transactions.timeout = Duration::from_millis(300)).contains("transactions.timeout")
        );
        assert!(told(|s| s.repeats.window = usize::MAX).contains("repeats.window"));
    }

    #[test]
    fn the_transactional_id_names_the_replica_unless_it_is_set() {
        let mut settings = DecoderSettings::default();
        let group = settings.group(&Topics::default());
        assert_eq!(settings.transactional_id(&group, "decoder-0"), "fleetwire-decoder-decoder-0");
        "mine".clone_into(&mut settings.transactional_id);
        assert_eq!(settings.transactional_id(&group, "decoder-0"), "mine");
    }
}
