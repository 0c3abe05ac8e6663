//! What a model may set about decoding. The defaults are what the public documentation says; each setting is there
//! because it leaves something open, or because devices differ.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::Lines;

/// How the messages of one model are read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Whether the last level of the topic must be the message's `device_id`.
    pub check_topic: bool,
    /// What to do with a message of a version that is not known.
    pub unknown_version: UnknownVersion,
    /// Leave fields that the message's version does not have as attributes.
    pub fields_by_version: bool,
    /// Inputs that `input_status` tells also while they are off, 0 to 64; one above them is told while it is on.
    #[serde(deserialize_with = "lines")]
    pub inputs: u32,
    /// Outputs that `output_status` tells also while they are off, 0 to 64; one above them is told while it is on.
    #[serde(deserialize_with = "lines")]
    pub outputs: u32,
    /// Unit of `fuel_level_1` and `fuel_level_2`.
    pub fuel_level_unit: FuelLevelUnit,
    /// Satellite fixes of fewer satellites, or of an untold number, have the attribute `few_satellites`; 0 marks
    /// none.
    pub min_satellites: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            check_topic: true,
            unknown_version: UnknownVersion::Accept,
            fields_by_version: false,
            inputs: 8,
            outputs: 8,
            fuel_level_unit: FuelLevelUnit::Unknown,
            min_satellites: 0,
        }
    }
}

/// What to do with a message of a version that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownVersion {
    /// Read it like the newest that is known.
    Accept,
    /// It is an error.
    Reject,
}

/// Unit of fuel levels, which messages do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FuelLevelUnit {
    /// Litres or per cent: the levels stay attributes.
    Unknown,
    /// Per cent: the first two are the tanks' levels.
    Percent,
}

fn lines<'de, D: Deserializer<'de>>(reader: D) -> Result<u32, D::Error> {
    let number = u32::deserialize(reader)?;
    let too_many = || D::Error::custom(format!("{number} lines, there can be 0 to {}", Lines::MAX));
    (number <= Lines::MAX).then_some(number).ok_or_else(too_many)
}
