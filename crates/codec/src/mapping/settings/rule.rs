//! Where a field comes from, as a file says it: a pointer, a list of pointers, or a table.

use std::collections::BTreeMap;
use std::fmt;

use fleetwire_model::pb::OdometerSource;
use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, de};

use crate::mapping::pointer::Pointer;
use crate::mapping::unit::Unit;

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

/// One pointer or a list of them.
pub(super) fn pointers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Pointer>, D::Error> {
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
