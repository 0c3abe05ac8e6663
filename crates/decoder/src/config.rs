//! Settings of the decoder.

use std::time::Duration;

use fleetwire_codec::{dt7, iotm, ngp};
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
            clock: ClockSettings::default(),
            iotm: iotm::Options::default(),
            ngp: ngp::Options::default(),
            dt7: dt7::Options::default(),
        }
    }
}

impl DecoderSettings {
    /// How the payloads of models are read that have no settings of their own.
    pub fn codecs(&self) -> CodecSettings {
        CodecSettings { iotm: self.iotm.clone(), ngp: self.ngp.clone(), dt7: self.dt7.clone() }
    }
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
