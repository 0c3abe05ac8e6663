//! One rule after its settings were checked: what it fills, where from, and how the value is read.

use std::collections::BTreeMap;

use fleetwire_model::pb::{FixType, OdometerSource};

use super::pointer::Pointer;
use super::settings::{self, Meant, ValueType};
use super::target::{Holds, Target};
use super::unit::{Dimension, Unit};
use crate::Lines;

/// A checked rule.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rule {
    pub(super) target: Target,
    pub(super) at: Vec<Pointer>,
    pub(super) unit: Option<Unit>,
    pub(super) scale: f64,
    pub(super) offset: f64,
    pub(super) kind: Option<ValueType>,
    pub(super) values: BTreeMap<String, Meant>,
    /// Lines that a bit mask tells.
    pub(super) lines: u32,
    /// Who counted the odometer.
    pub(super) source: OdometerSource,
}

/// Names of fix types in settings.
pub(super) const FIX_TYPES: [(&str, FixType); 6] = [
    ("no_fix", FixType::NoFix),
    ("last_known", FixType::LastKnown),
    ("fix", FixType::Fix),
    ("2d", FixType::Fix2d),
    ("3d", FixType::Fix3d),
    ("network", FixType::Network),
];

impl Rule {
    /// A rule whose values have settings of their own: the device and the times.
    pub(super) fn plain(target: Target, at: Vec<Pointer>) -> Self {
        Self {
            target,
            at,
            unit: None,
            scale: 1.0,
            offset: 0.0,
            kind: None,
            values: BTreeMap::new(),
            lines: 0,
            source: OdometerSource::Unspecified,
        }
    }

    /// Checks the settings of a field. An error begins with the key that it is about.
    pub(super) fn new(target: Target, settings: settings::Rule) -> Result<Self, String> {
        let settings::Rule { at, unit, scale, offset, kind, values, lines, source } = settings;
        let holds = target.holds();
        if at.is_empty() {
            return Err(format!("{target}.at: needs at least one JSON pointer"));
        }
        check_kind(&target, kind)?;
        check_unit(&target, unit)?;
        let is_number = matches!(holds, Holds::Number)
            || holds == Holds::Any && !matches!(kind, Some(ValueType::Bool | ValueType::Text));
        for (key, factor) in [("scale", scale), ("offset", offset)] {
            if factor.is_some_and(|factor| !factor.is_finite() || key == "scale" && factor == 0.0) {
                return Err(format!("{target}.{key}: must be a finite number, and a scale not 0"));
            }
            if factor.is_some() && !is_number {
                return Err(format!("{target}.{key}: only a number can have one"));
            }
        }
        if !values.is_empty() && (unit.is_some() || scale.is_some() || offset.is_some() || kind.is_some()) {
            return Err(format!(
                "{target}.values: says what each value means, so unit, scale, offset and type have nothing to do"
            ));
        }
        for (value, meant) in &values {
            check_meant(&target, value, meant)?;
        }
        let source = source.map(OdometerSource::from);
        Ok(Self {
            lines: check_lines(&target, lines)?,
            source: check_source(&target, source)?,
            scale: scale.unwrap_or(1.0),
            offset: offset.unwrap_or(0.0),
            ..Self { at, unit, kind, values, ..Self::plain(target, Vec::new()) }
        })
    }

    /// Whether a factor or a summand changes its number.
    #[expect(clippy::float_cmp, reason = "exactly what the settings leave out")]
    pub(super) fn is_scaled(&self) -> bool {
        self.scale != 1.0 || self.offset != 0.0
    }
}

fn check_kind(target: &Target, kind: Option<ValueType>) -> Result<(), String> {
    let Some(kind) = kind else { return Ok(()) };
    let (allowed, names): (&[_], _) = match target.holds() {
        Holds::Any => return Ok(()),
        Holds::Number => {
            (&[ValueType::Number, ValueType::Integer, ValueType::Hex], "number, integer and hex")
        }
        Holds::Bool => (&[ValueType::Bool], "bool"),
        Holds::Text | Holds::FixType | Holds::Own => (&[ValueType::Text], "text"),
    };
    allowed.contains(&kind).then_some(()).ok_or_else(|| format!("{target}.type: allowed here: {names}"))
}

fn check_unit(target: &Target, unit: Option<Unit>) -> Result<(), String> {
    let allowed = target.dimension().units();
    match unit {
        Some(unit) if target.dimension() == Dimension::Plain => {
            Err(format!("{target}.unit: it has no unit to choose, and {unit} does not apply; use `scale`"))
        }
        Some(unit) if !allowed.contains(&unit) => {
            let names: Vec<_> = allowed.iter().map(|unit| unit.name()).collect();
            Err(format!("{target}.unit: {unit} is no unit of it; allowed are {}", names.join(", ")))
        }
        _ => Ok(()),
    }
}

fn check_meant(target: &Target, value: &str, meant: &Meant) -> Result<(), String> {
    let due = match (target.holds(), meant) {
        (Holds::Bool, Meant::Bool(_)) | (Holds::Text, Meant::Text(_)) | (Holds::Any, _) => None,
        (Holds::Bool, _) => Some("true or false".to_owned()),
        (Holds::Text, _) => Some("a text".to_owned()),
        (Holds::Number | Holds::Own, Meant::Number(number))
            if number.is_finite() && target.range().contains(number) =>
        {
            None
        }
        (Holds::Number | Holds::Own, _) => Some("a number that the field can hold".to_owned()),
        (Holds::FixType, Meant::Text(name)) if FIX_TYPES.iter().any(|(known, _)| known == name) => None,
        (Holds::FixType, _) => Some(format!("one of {}", FIX_TYPES.map(|(name, _)| name).join(", "))),
    };
    due.map_or(Ok(()), |due| Err(format!("{target}.values.{value}: must be {due}")))
}

fn check_lines(target: &Target, lines: Option<u32>) -> Result<u32, String> {
    let is_mask =
        matches!(target, Target::Input(settings::Line::Mask) | Target::Output(settings::Line::Mask));
    match lines {
        None if !is_mask => Ok(0),
        Some(_) if !is_mask => Err(format!("{target}.lines: only a bit mask has them")),
        Some(lines) if (1..=Lines::MAX).contains(&lines) => Ok(lines),
        _ => Err(format!("{target}.lines: says how many lines the bit mask tells, from 1 to {}", Lines::MAX)),
    }
}

fn check_source(target: &Target, source: Option<OdometerSource>) -> Result<OdometerSource, String> {
    match (target, source) {
        (Target::Vehicle(super::field::VehicleField::Odometer), Some(source)) => Ok(source),
        (_, Some(_)) => Err(format!("{target}.source: only the odometer has one")),
        (_, None) => Ok(OdometerSource::Unspecified),
    }
}
