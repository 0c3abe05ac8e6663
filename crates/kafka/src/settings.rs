//! How to reach Kafka. What has no field of its own is passed to librdkafka as it is, so that TLS, SASL and tuning
//! need no code; what the invariants rest on cannot be set otherwise.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use serde::Deserialize;

mod reserved;

/// The `[kafka]` section of a settings file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    /// Comma-separated `host:port` of some brokers; they name the others.
    pub brokers: String,
    /// librdkafka properties for every client, for example `security.protocol`.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// What only producers need.
    #[serde(default)]
    pub producer: ProducerSettings,
}

/// The `[kafka.producer]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProducerSettings {
    /// How long a record may wait for Kafka's acknowledgement, retries included.
    #[serde(with = "humantime_serde")]
    pub delivery_timeout: Duration,
    /// How long a record may wait for others before its batch is sent.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// How batches are compressed.
    pub compression: Compression,
    /// Bound of records without an outcome.
    pub max_in_flight_records: usize,
    /// Bound of bytes (keys and payloads) without an outcome.
    pub max_in_flight_bytes: usize,
}

impl Default for ProducerSettings {
    fn default() -> Self {
        Self {
            delivery_timeout: Duration::from_secs(30),
            linger: Duration::from_millis(5),
            compression: Compression::Lz4,
            max_in_flight_records: 100_000,
            max_in_flight_bytes: 64 * 1024 * 1024,
        }
    }
}

/// Codecs that every Kafka client reads. `lz4` is the default: it costs the least CPU here and in the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all.
    None,
    /// Least CPU.
    #[default]
    Lz4,
    /// Fewest bytes.
    Zstd,
}

impl Compression {
    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No broker is named.
    #[error("kafka.brokers is empty: set it to host:port")]
    NoBrokers,
    /// The key is one that fleetwire sets itself.
    #[error("kafka.properties.\"{key}\" cannot be set: {reason}")]
    Reserved {
        /// The key.
        key: String,
        /// Why, and what to use where there is something.
        reason: &'static str,
    },
    /// librdkafka does not know the key.
    #[error("kafka.properties.\"{key}\" is no property of librdkafka")]
    Unknown {
        /// The key.
        key: String,
    },
    /// librdkafka does not take the value.
    #[error("kafka.properties.\"{key}\" cannot have this value: {reason}")]
    Invalid {
        /// The key.
        key: String,
        /// librdkafka's words.
        reason: String,
    },
    /// A number of our own is out of range.
    #[error("kafka.producer.{key} must be {range}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// What is possible.
        range: &'static str,
    },
}

impl ClientSettings {
    /// Settings with nothing but the brokers.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self { brokers: brokers.into(), properties: BTreeMap::new(), producer: ProducerSettings::default() }
    }

    /// Finds every mistake that can be found without a broker.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.brokers.trim().is_empty() {
            return Err(SettingsError::NoBrokers);
        }
        reserved::check(&self.properties)?;
        self.producer.check()?;
        self.producer_config()?;
        self.base_config().create_native_config().map(drop).map_err(|error| setting_error(&error))
    }

    /// For clients that neither produce nor join a group.
    pub(crate) fn client_config(&self) -> Result<ClientConfig, SettingsError> {
        if self.brokers.trim().is_empty() {
            return Err(SettingsError::NoBrokers);
        }
        reserved::check(&self.properties)?;
        let config = self.base_config();
        config.create_native_config().map_err(|error| setting_error(&error))?;
        Ok(config)
    }

    pub(crate) fn producer_config(&self) -> Result<ClientConfig, SettingsError> {
        self.producer.check()?;
        let mut config = self.client_config()?;
        let producer = &self.producer;
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", producer.delivery_timeout.as_millis().to_string())
            .set("linger.ms", producer.linger.as_millis().to_string())
            .set("compression.codec", producer.compression.as_str())
            // Our own counters are the bounds; librdkafka gives its memory back a little later than we do.
            .set("queue.buffering.max.messages", doubled(producer.max_in_flight_records))
            .set("queue.buffering.max.kbytes", doubled(producer.max_in_flight_bytes / 1024));
        Ok(config)
    }

    /// For a producer whose records become visible by transactions. A record has as long as its transaction.
    pub(crate) fn transactional_config(
        &self,
        transactional_id: &str,
        timeout: Duration,
    ) -> Result<ClientConfig, SettingsError> {
        let mut settings = self.clone();
        settings.producer.delivery_timeout = timeout;
        let mut config = settings.producer_config()?;
        config
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", timeout.as_millis().to_string());
        Ok(config)
    }

    pub(crate) fn consumer_config(&self, group: &str) -> Result<ClientConfig, SettingsError> {
        let mut config = self.client_config()?;
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false");
        set_default(&mut config, "queued.max.messages.kbytes", "16384");
        Ok(config)
    }

    fn base_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        // rdkafka would ask the `log` crate, which nobody sets up here; tracing's own filter decides.
        let debug = self.properties.contains_key("debug");
        config.set_log_level(if debug { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Info });
        config
            .set("client.id", "fleetwire")
            .set("statistics.interval.ms", "1000")
            // An idle broker connection that closes is no event.
            .set("log.connection.close", "false")
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.max.ms", "2000");
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config.set("bootstrap.servers", self.brokers.trim()).set("allow.auto.create.topics", "false");
        config
    }
}

impl ProducerSettings {
    fn check(&self) -> Result<(), SettingsError> {
        let timeout = self.delivery_timeout;
        let checks = [
            (
                timeout > self.linger && timeout <= Duration::from_hours(1),
                "delivery_timeout",
                "longer than linger and at most 1h",
            ),
            (self.linger <= Duration::from_secs(10), "linger", "at most 10s"),
            ((1..=2_000_000).contains(&self.max_in_flight_records), "max_in_flight_records", "1 to 2000000"),
            (
                (1024..=1024 * 1024 * 1024).contains(&self.max_in_flight_bytes),
                "max_in_flight_bytes",
                "1024 to 1073741824",
            ),
        ];
        match checks.into_iter().find(|(holds, ..)| !holds) {
            Some((_, key, range)) => Err(SettingsError::OutOfRange { key, range }),
            None => Ok(()),
        }
    }
}

/// Sets what the user has not.
pub(crate) fn set_default(config: &mut ClientConfig, key: &str, value: &str) {
    if config.get(key).is_none() {
        config.set(key, value);
    }
}

fn doubled(number: usize) -> String {
    (number.max(1) * 2).to_string()
}

fn setting_error(error: &KafkaError) -> SettingsError {
    match error {
        KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, _, key, _) => {
            SettingsError::Unknown { key: key.clone() }
        }
        KafkaError::ClientConfig(_, reason, key, _) => {
            SettingsError::Invalid { key: key.clone(), reason: reason.clone() }
        }
        other => SettingsError::Invalid { key: String::new(), reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, value: &str) -> ClientSettings {
        let mut settings = ClientSettings::new("localhost:9092");
        settings.properties.insert(key.into(), value.into());
        settings
    }

    #[test]
    fn tls_and_sasl_pass_through() {
        let mut settings = with("security.protocol", "sasl_ssl");
        settings.properties.insert("sasl.mechanism".into(), "SCRAM-SHA-512".into());
        settings.properties.insert("sasl.username".into(), "fleetwire".into());
        settings.properties.insert("sasl.password".into(), "secret".into());
        assert_eq!(settings.check(), Ok(()));
        let config = settings.producer_config().unwrap();
        assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(config.get("acks"), Some("all"));
    }

    #[test]
    fn an_invariant_cannot_be_switched_off() {
        let error = with("acks", "1").check().unwrap_err();
        assert!(error.to_string().contains("\"acks\" cannot be set: "), "{error}");
        assert!(with("enable.idempotence", "false").check().is_err());
        assert!(with("enable.auto.commit", "true").check().is_err());
        // Saying what holds anyway is no mistake.
        assert_eq!(with("acks", "all").check(), Ok(()));
    }

    #[test]
    fn unknown_keys_and_bad_values_are_named() {
        assert_eq!(
            with("linger.msec", "5").check(),
            Err(SettingsError::Unknown { key: "linger.msec".into() })
        );
        let error = with("socket.timeout.ms", "soon").check().unwrap_err();
        assert!(
            matches!(&error, SettingsError::Invalid { key, .. } if key == "socket.timeout.ms"),
            "{error}"
        );
        assert_eq!(ClientSettings::new(" ").check(), Err(SettingsError::NoBrokers));
    }

    #[test]
    fn numbers_have_ranges() {
        let mut settings = ClientSettings::new("localhost:9092");
        settings.producer.max_in_flight_records = 0;
        assert!(settings.check().unwrap_err().to_string().contains("max_in_flight_records"));
    }
}
