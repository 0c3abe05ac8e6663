//! What a model may set about decoding. The defaults are what public evidence says; each setting is there
//! because that evidence is not complete.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::scale::{Profile, SensorId};
use crate::Scale;

/// How the payloads of one model are read.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Sensors whose scale is known for this model, by id; they go before the profile and the built-in
    /// table. The raw number is kept beside each as `io_0x....`.
    pub scales: BTreeMap<SensorId, Scale>,
    /// A set of scales that comes with the program.
    pub profile: Profile,
    /// Boolean sensors that tell the ignition, in order of trust.
    pub ignition_sources: Vec<SensorId>,
    /// What to make of the sources.
    pub ignition_rule: IgnitionRule,
    /// When coordinates are a repeat of an earlier fix.
    pub no_fix_rule: NoFixRule,
    /// Accept payloads with a wrong checksum, and mark their events with `QUALITY_CHECKSUM`.
    pub accept_bad_checksum: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scales: BTreeMap::new(),
            profile: Profile::None,
            ignition_sources: vec![SensorId(0x006D), SensorId(0x0013)],
            ignition_rule: IgnitionRule::Any,
            no_fix_rule: NoFixRule::ZeroSatellitesAndHdop,
            accept_bad_checksum: false,
        }
    }
}

impl Options {
    /// The scale that was set for a sensor, by the model or by its profile.
    pub(crate) fn scale(&self, id: u16) -> Option<&Scale> {
        if self.scales.is_empty() {
            return self.profile.scale(id);
        }
        self.scales.get(&SensorId(id)).or_else(|| self.profile.scale(id))
    }
}

/// What to make of several ignition sources in one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IgnitionRule {
    /// On if any source that the record holds is on. Devices report the bus signal as off where only the
    /// wired input is connected.
    Any,
    /// The first source of the list that the record holds decides alone.
    FirstReported,
}

/// When coordinates are a repeat of an earlier fix rather than a fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoFixRule {
    /// Neither satellites nor a dilution of precision.
    ZeroSatellitesAndHdop,
    /// No satellites.
    ZeroSatellites,
    /// Coordinates in range are always a fix.
    Never,
}
