//! A mapping as a file says it. What is read here has the right form; [`Mapping::new`](super::Mapping::new) checks
//! what it means. `docs/protocols/json.md` documents every key.

mod number;
mod rule;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use number::{Line, Number};
pub use rule::{Meant, Rule, Source, ValueType};

use super::field::{CellField, EngineField, FixField, FuelField, PowerField, VehicleField};
use super::pointer::Pointer;

/// A mapping as a file says it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether nobody has compared it with real payloads; shown wherever the mapping shows.
    pub guess: bool,
    /// Where the records lie: an array of them, or one. Empty is the whole payload.
    pub records: Pointer,
    /// Which device a record is of.
    pub device: Device,
    /// When it was made.
    pub time: Time,
    /// When its position was measured, where a feed tells that apart.
    pub fix_time: Option<Time>,
    /// The position.
    pub fix: BTreeMap<FixField, Rule>,
    /// State of the vehicle.
    pub vehicle: BTreeMap<VehicleField, Rule>,
    /// Supply and battery.
    pub power: BTreeMap<PowerField, Rule>,
    /// Engine.
    pub engine: BTreeMap<EngineField, Rule>,
    /// Fuel.
    pub fuel: BTreeMap<FuelField, Rule>,
    /// Mobile network.
    pub cell: BTreeMap<CellField, Rule>,
    /// Digital inputs, by number or as a bit mask.
    pub inputs: BTreeMap<Line, Rule>,
    /// Digital outputs, by number or as a bit mask.
    pub outputs: BTreeMap<Line, Rule>,
    /// Analogue inputs by number.
    pub analog_inputs: BTreeMap<Number, Rule>,
    /// Temperatures by number.
    pub temperatures: BTreeMap<Number, Rule>,
    /// Something that happened.
    pub event: Event,
    /// Attributes with names of their own.
    pub named: BTreeMap<String, Rule>,
    /// What becomes of everything else.
    pub attributes: Bounds,
}

/// Which device a record is of.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// Where the id lies; the first that is there counts.
    #[serde(deserialize_with = "rule::pointers")]
    pub at: Vec<Pointer>,
    /// What kind of id it is.
    pub kind: IdKind,
    /// Whether a record without one is refused; otherwise it is of the device that connected.
    pub required: bool,
}

impl Default for Device {
    fn default() -> Self {
        Self { at: Vec::new(), kind: IdKind::Imei, required: true }
    }
}

/// What kind of id devices have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdKind {
    /// An IMEI, as text or as a number.
    Imei,
    /// 1 to 64 characters of `A-Z a-z 0-9 . _ : -`.
    Id,
}

/// When a record, or its position, was made.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Time {
    /// Where it lies; the first that is there counts.
    #[serde(deserialize_with = "rule::pointers")]
    pub at: Vec<Pointer>,
    /// How it is written.
    pub format: TimeFormat,
    /// For `format = "pattern"`: as of `strptime`, for example `%d.%m.%Y %H:%M:%S`.
    pub pattern: Option<String>,
    /// Zone of times that name none: `UTC`, `+02:00` or `Europe/Berlin`.
    pub zone: Option<String>,
}

/// How times are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// A number is Unix seconds below 1e11 and Unix milliseconds from there; a text is RFC 3339.
    #[default]
    Auto,
    /// Unix seconds, with fractions or without.
    UnixS,
    /// Unix milliseconds.
    UnixMs,
    /// Text as of RFC 3339 or ISO 8601, for example `2026-01-31T08:15:00Z`.
    Rfc3339,
    /// Text by a pattern.
    Pattern,
}

/// Something that happened: makes a device event beside the position.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Event {
    /// The feed's number of it.
    pub code: Option<Rule>,
    /// A second number, for feeds that have two.
    pub function: Option<Rule>,
    /// Its name or text.
    pub text: Option<Rule>,
    /// Values, by their text, which mean that nothing happened.
    pub none: Vec<String>,
}

/// What becomes of values that no rule takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// Beginning of the names of their attributes.
    pub prefix: String,
    /// The most of them in one record.
    pub max: usize,
    /// How deep they may lie: 1 is directly within the record.
    pub max_depth: usize,
    /// The longest name, bytes.
    pub max_name_bytes: usize,
    /// Bytes of all names and texts of one record.
    pub max_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { prefix: "json.".into(), max: 64, max_depth: 8, max_name_bytes: 100, max_bytes: 16_384 }
    }
}
