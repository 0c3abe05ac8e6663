//! Scales of numbers whose unit is not certain, and the fields that they may fill.

use std::borrow::Cow;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::{Attribute, Position};

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

impl Scale {
    /// A scale for a table of the program's own.
    pub(crate) const fn new(to: Target, scale: f64, offset: f64) -> Self {
        Self { to, scale, offset }
    }

    /// Scales a number and puts it where the scale says. A result that is not finite, or not within the range
    /// of its field, is left out: the raw number tells it.
    pub(crate) fn put(&self, position: &mut Position, raw: f64) {
        let value = raw * self.scale + self.offset;
        let range = match self.to {
            Target::Attribute(_) | Target::SupplyV | Target::BatteryV | Target::CoolantC => {
                f64::MIN..=f64::MAX
            }
            Target::BatteryLevelPct
            | Target::AcceleratorPct
            | Target::FuelLevelPct
            | Target::FuelLevel2Pct => 0.0..=100.0,
            Target::EngineLoadPct => 0.0..=125.0,
            Target::EngineSpeedRpm | Target::EngineHours | Target::FuelUsedL | Target::FuelRateLph => {
                0.0..=f64::MAX
            }
            Target::SignalDbm => -200.0..=0.0,
        };
        if !range.contains(&value) {
            return;
        }
        match &self.to {
            Target::Attribute(name) => position.put(name, Attribute::Double(value)),
            Target::SupplyV => position.power.supply_v = Some(value),
            Target::BatteryV => position.power.battery_v = Some(value),
            Target::BatteryLevelPct => position.power.battery_level_pct = Some(value),
            Target::EngineSpeedRpm => position.engine.speed_rpm = Some(value),
            Target::EngineHours => position.engine.hours = Some(value),
            Target::CoolantC => position.engine.coolant_c = Some(value),
            Target::EngineLoadPct => position.engine.load_pct = Some(value),
            Target::AcceleratorPct => position.engine.accelerator_pct = Some(value),
            Target::FuelLevelPct => position.fuel.level_pct = Some(value),
            Target::FuelUsedL => position.fuel.used_l = Some(value),
            Target::FuelRateLph => position.fuel.rate_lph = Some(value),
            Target::FuelLevel2Pct => position.fuel.level_2_pct = Some(value),
            Target::SignalDbm => position.cell.signal_dbm = Some(nearest(value)),
        }
    }
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

#[expect(clippy::cast_possible_truncation, reason = "a signal is within -200..=0")]
fn nearest(dbm: f64) -> i32 {
    dbm.round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

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
