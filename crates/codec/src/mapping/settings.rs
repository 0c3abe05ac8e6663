//! A mapping as a file says it. What is read here has the right form; [`Mapping::new`](super::Mapping::new) checks
//! what it means. `docs/protocols/json.md` documents every key.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use fleetwire_model::pb::OdometerSource;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};

use super::field::{CellField, EngineField, FixField, FuelField, PowerField, VehicleField};
use super::pointer::Pointer;
use super::unit::Unit;

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
    #[serde(deserialize_with = "pointers")]
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
    #[serde(deserialize_with = "pointers")]
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

/// Where a field comes from: a pointer, a list of pointers, or a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    /// Where the value lies; the first that is there counts.
    pub at: Vec<Pointer>,
    /// Unit of the number in the payload; the contract's if left out.
    pub unit: Option<Unit>,
    /// Factor of the number, before its unit.
    pub scale: Option<f64>,
    /// Summand of the number after its factor, before its unit.
    pub offset: Option<f64>,
    /// What the value must be.
    pub kind: Option<ValueType>,
    /// What each value means, by its text.
    pub values: BTreeMap<String, Meant>,
    /// For a bit mask: how many lines it tells.
    pub lines: Option<u32>,
    /// For the odometer: who counted.
    pub source: Option<Source>,
}

/// What a value is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// True or false.
    Bool,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// Text; numbers and booleans as they are written.
    Text,
    /// A whole number as hexadecimal digits in a text.
    Hex,
}

/// What a value of a feed's own means.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Meant {
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// Who counted an odometer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The vehicle.
    Vehicle,
    /// The device.
    Device,
}

impl From<Source> for OdometerSource {
    fn from(source: Source) -> Self {
        match source {
            Source::Vehicle => Self::Vehicle,
            Source::Device => Self::Device,
        }
    }
}

/// Number of a digital line, or all of them as bits of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// Bit 0 is line 1.
    Mask,
    /// One line, from 1.
    Number(u32),
}

/// Number of an input or sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(pub u32);

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

/// One pointer or a list of them.
fn pointers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Pointer>, D::Error> {
    PointersOnly::deserialize(deserializer).map(|PointersOnly(pointers)| pointers)
}

/// A rule as a table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    at: PointersOnly,
    unit: Option<Unit>,
    scale: Option<f64>,
    offset: Option<f64>,
    r#type: Option<ValueType>,
    #[serde(default)]
    values: BTreeMap<String, Meant>,
    lines: Option<u32>,
    source: Option<Source>,
}

/// One pointer or a list of them.
struct PointersOnly(Vec<Pointer>);

impl<'de> Deserialize<'de> for PointersOnly {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PointersVisitor).map(Self)
    }
}

struct PointersVisitor;

impl<'de> de::Visitor<'de> for PointersVisitor {
    type Value = Vec<Pointer>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON pointer or a list of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map(|pointer| vec![pointer]).map_err(E::custom)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut pointers = Vec::new();
        while let Some(pointer) = list.next_element()? {
            pointers.push(pointer);
        }
        Ok(pointers)
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RuleVisitor)
    }
}

struct RuleVisitor;

impl<'de> de::Visitor<'de> for RuleVisitor {
    type Value = Rule;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON pointer, a list of them, or a table with `at`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Rule, E> {
        PointersVisitor.visit_str(text).map(|at| Rule { at, ..Rule::default() })
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Rule, A::Error> {
        PointersVisitor.visit_seq(list).map(|at| Rule { at, ..Rule::default() })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Rule, A::Error> {
        let table = RuleTable::deserialize(MapAccessDeserializer::new(map))?;
        let RuleTable { at: PointersOnly(at), unit, scale, offset, r#type: kind, values, lines, source } =
            table;
        Ok(Rule { at, unit, scale, offset, kind, values, lines, source })
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().filter(|number| (1..=crate::Lines::MAX).contains(number));
        match (text, number) {
            ("mask", _) => Ok(Self::Mask),
            (_, Some(number)) => Ok(Self::Number(number)),
            _ => Err(format!("{text:?} is no line: a line is a number from 1 to 64, or `mask`")),
        }
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().ok().filter(|number| *number <= crate::Numbered::MAX);
        number.map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is no number of a sensor: they are 0 to {}",
                crate::Numbered::MAX
            ))
        })
    }
}
