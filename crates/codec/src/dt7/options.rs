//! What a model may set about decoding. The defaults are what public evidence says; each setting is there because
//! that evidence is not complete.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use super::field;
use crate::Scale;

/// How the payloads of one model are read.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Scales of numbers of the vehicle bus.
    pub profile: Profile,
    /// Unit of the analogue inputs.
    pub adc: Adc,
    /// Input that tells the ignition; without one, no event tells it.
    pub ignition_input: Option<InputNumber>,
    /// When coordinates are a repeat of an earlier fix.
    pub no_fix_rule: NoFixRule,
    /// Scales that are known for this model, by the name of the raw number, which is kept beside each. They go
    /// before the profile and the unit of the analogue inputs.
    pub scales: BTreeMap<Reading, Scale>,
    /// Accept payloads with a wrong checksum, and mark their events with `QUALITY_CHECKSUM`.
    pub accept_bad_checksum: bool,
}

impl Options {
    /// The scale that was set for a reading.
    pub(super) fn scale(&self, name: &'static str) -> Option<&Scale> {
        if self.scales.is_empty() {
            return None;
        }
        self.scales.get(&Reading(name))
    }
}

/// How numbers of the vehicle bus are scaled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// As SAE J1939-71 scales them. The vendor's text names these scales, and captures agree with them as far as
    /// they hold values: wheel speed with the speed of the fix, distance with the way between fixes.
    #[default]
    J1939,
    /// They stay raw.
    None,
}

/// The unit of the analogue inputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adc {
    /// Millivolts, input 2 being the supply and input 6 the battery: so with newer firmware (inferred).
    #[default]
    Millivolts,
    /// Unknown, as with older firmware: they stay raw.
    Raw,
}

/// When coordinates are a repeat of an earlier fix rather than a fix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoFixRule {
    /// No satellites. (Inferred from how the same vendor's IOTM devices behave; no capture shows it.)
    #[default]
    ZeroSatellites,
    /// Coordinates in range are always a fix.
    Never,
}

/// Number of a digital input, 1 to 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct InputNumber(u32);

impl InputNumber {
    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for InputNumber {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        if (1..=16).contains(&number) {
            return Ok(Self(number));
        }
        Err(format!("an input has a number from 1 to 16, not {number}"))
    }
}

/// Name of a raw number that can be scaled, such as `fuel_level_raw`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading(&'static str);

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for Reading {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        field::scalable(name).map(|field| Self(field.name)).ok_or_else(|| {
            let names: Vec<_> = field::scalables().map(|field| field.name).collect();
            format!("no number is called {name:?}; those that can be scaled are {}", names.join(", "))
        })
    }
}

impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
