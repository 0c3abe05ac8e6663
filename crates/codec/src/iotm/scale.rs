//! The ids of sensors as settings write them, and the scales that a profile gives to those whose unit is not public.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::{Scale, Target};

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
    (0x2006, Scale::new(Target::AcceleratorPct, 0.4, 0.0)),
    (0x2007, Scale::new(Target::FuelLevelPct, 0.4, 0.0)),
    (0x2008, Scale::new(Target::CoolantC, 1.0, -40.0)),
    (0x2009, Scale::new(Target::FuelLevel2Pct, 0.4, 0.0)),
    (0x300C, Scale::new(Target::EngineSpeedRpm, 0.125, 0.0)),
    (0x301D, Scale::new(Target::Attribute(Cow::Borrowed("wheel_speed_kmh")), 1.0 / 256.0, 0.0)),
    (0x4001, Scale::new(Target::FuelUsedL, 0.5, 0.0)),
    (0x4002, Scale::new(Target::EngineHours, 0.05, 0.0)),
];

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
}
