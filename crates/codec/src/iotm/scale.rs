//! Scales of sensors whose unit is not public, as a model or a profile sets them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// Id of a sensor, written as `0x2007`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SensorId(pub u16);

impl fmt::Display for SensorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06X}", self.0)
    }
}

impl FromStr for SensorId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_hex = |rest: &&str| rest.len() == 4 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digits = text.strip_prefix("0x").filter(is_hex);
        let id = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        id.map(Self)
            .ok_or_else(|| format!("a sensor id is 0x and 4 hexadecimal digits, as 0x2007; {text:?} is not"))
    }
}

impl<'de> Deserialize<'de> for SensorId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// How the raw number of a sensor becomes a value: `raw * scale + offset`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// Where the value goes.
    pub to: Target,
    /// Factor; 1 if left out.
    #[serde(default = "one")]
    pub scale: f64,
    /// Summand; 0 if left out.
    #[serde(default)]
    pub offset: f64,
}

const fn one() -> f64 {
    1.0
}

/// Where a scaled value goes: a field of the contract (`fuel.level_pct`), or an attribute by a name of
/// lower-case letters, digits and `_` that begins with a letter (`axle_weight_kg`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `power.supply_v`
    SupplyV,
    /// `power.battery_v`
    BatteryV,
    /// `power.battery_level_pct`
    BatteryLevelPct,
    /// `engine.speed_rpm`
    EngineSpeedRpm,
    /// `engine.hours`
    EngineHours,
    /// `engine.coolant_c`
    CoolantC,
    /// `engine.load_pct`
    EngineLoadPct,
    /// `engine.accelerator_pct`
    AcceleratorPct,
    /// `fuel.level_pct`
    FuelLevelPct,
    /// `fuel.used_l`
    FuelUsedL,
    /// `fuel.rate_lph`
    FuelRateLph,
    /// `fuel.level_2_pct`
    FuelLevel2Pct,
    /// `cell.signal_dbm`, rounded
    SignalDbm,
    /// An attribute of this name.
    Attribute(Cow<'static, str>),
}

/// Fields that a scale can fill, by the name that settings give them.
const FIELDS: &[(&str, Target)] = &[
    ("power.supply_v", Target::SupplyV),
    ("power.battery_v", Target::BatteryV),
    ("power.battery_level_pct", Target::BatteryLevelPct),
    ("engine.speed_rpm", Target::EngineSpeedRpm),
    ("engine.hours", Target::EngineHours),
    ("engine.coolant_c", Target::CoolantC),
    ("engine.load_pct", Target::EngineLoadPct),
    ("engine.accelerator_pct", Target::AcceleratorPct),
    ("fuel.level_pct", Target::FuelLevelPct),
    ("fuel.used_l", Target::FuelUsedL),
    ("fuel.rate_lph", Target::FuelRateLph),
    ("fuel.level_2_pct", Target::FuelLevel2Pct),
    ("cell.signal_dbm", Target::SignalDbm),
];

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((_, field)) = FIELDS.iter().find(|(name, _)| *name == text) {
            return Ok(field.clone());
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(allowed) && text.len() <= 64
        {
            return Ok(Self::Attribute(text.to_owned().into()));
        }
        let fields: Vec<_> = FIELDS.iter().map(|(name, _)| *name).collect();
        Err(format!(
            "{text:?} is neither a field ({}) nor the name of an attribute (a-z, 0-9 and _, up to 64)",
            fields.join(", ")
        ))
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A set of scales that comes with the program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Numbers without a verified scale stay raw.
    #[default]
    None,
    /// Numbers of the vehicle bus are taken to be scaled as SAE J1939-71 scales them.
    J1939,
}

impl Profile {
    /// The scale that the profile gives a sensor.
    pub(crate) fn scale(self, id: u16) -> Option<&'static Scale> {
        match self {
            Self::None => None,
            Self::J1939 => J1939.iter().find(|(sensor, _)| *sensor == id).map(|(_, scale)| scale),
        }
    }
}

/// The scales of SAE J1939-71 for the sensors that carry its signals.
const J1939: &[(u16, Scale)] = &[
    (0x2006, scale(Target::AcceleratorPct, 0.4, 0.0)),
    (0x2007, scale(Target::FuelLevelPct, 0.4, 0.0)),
    (0x2008, scale(Target::CoolantC, 1.0, -40.0)),
    (0x2009, scale(Target::FuelLevel2Pct, 0.4, 0.0)),
    (0x300C, scale(Target::EngineSpeedRpm, 0.125, 0.0)),
    (0x301D, scale(Target::Attribute(Cow::Borrowed("wheel_speed_kmh")), 1.0 / 256.0, 0.0)),
    (0x4001, scale(Target::FuelUsedL, 0.5, 0.0)),
    (0x4002, scale(Target::EngineHours, 0.05, 0.0)),
];

const fn scale(to: Target, scale: f64, offset: f64) -> Scale {
    Scale { to, scale, offset }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensor_id_is_read_as_it_is_printed() {
        let id: SensorId = "0xA01B".parse().unwrap();
        assert_eq!(id, SensorId(0xA01B));
        assert_eq!(id.to_string(), "0xA01B");
        for bad in ["8199", "0x207", "0x20071", "2007", "0xGGGG", "0x+123"] {
            assert!(bad.parse::<SensorId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_target_is_a_field_or_a_plain_name() {
        assert_eq!("fuel.level_pct".parse(), Ok(Target::FuelLevelPct));
        assert_eq!("axle_kg".parse(), Ok(Target::Attribute("axle_kg".into())));
        for bad in ["", "fuel.lvl", "Axle", "1st", "a b"] {
            let error = bad.parse::<Target>().unwrap_err();
            assert!(error.contains("fuel.level_pct"), "{error}");
        }
    }
}
