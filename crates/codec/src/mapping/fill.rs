//! Values into the fields of a position.

use std::borrow::Cow;

use compact_str::CompactString;
use fleetwire_model::pb::{Fix, FixType, Quality};

use super::field::{CellField, EngineField, FixField, FuelField, PowerField, VehicleField};
use super::rule::{FIX_TYPES, Rule};
use super::settings::Line;
use super::target::Target;
use super::value::{self, Misfit, Value};
use crate::{Attribute, Lines, Position};

/// What only the whole record decides.
#[derive(Debug, Default)]
pub(super) struct Draft<'a> {
    latitude: Option<f64>,
    longitude: Option<f64>,
    /// A coordinate was there and was no number.
    has_bad_coordinate: bool,
    fix_type: Option<FixType>,
    fix: Fix,
    has_fix: bool,
    pub(super) event_code: Option<u32>,
    pub(super) event_function: Option<u32>,
    pub(super) event_text: Option<Cow<'a, str>>,
}

impl<'a> Draft<'a> {
    /// Puts a value where its rule says; the reason if it does not fit there.
    pub(super) fn fill(
        &mut self,
        rule: &Rule,
        value: &Value<'a>,
        position: &mut Position,
    ) -> Result<(), Misfit> {
        match &rule.target {
            Target::Device | Target::Time | Target::FixTime => {}
            Target::Fix(field) => return self.fix(*field, value),
            Target::Vehicle(field) => vehicle(*field, rule, value, position)?,
            Target::Power(field) => {
                let power = &mut position.power;
                let place = match field {
                    PowerField::Supply => &mut power.supply_v,
                    PowerField::Battery => &mut power.battery_v,
                    PowerField::BatteryLevel => &mut power.battery_level_pct,
                };
                *place = Some(number(value)?);
            }
            Target::Engine(field) => {
                let engine = &mut position.engine;
                let place = match field {
                    EngineField::Speed => &mut engine.speed_rpm,
                    EngineField::Hours => &mut engine.hours,
                    EngineField::Coolant => &mut engine.coolant_c,
                    EngineField::Load => &mut engine.load_pct,
                    EngineField::Accelerator => &mut engine.accelerator_pct,
                };
                *place = Some(number(value)?);
            }
            Target::Fuel(field) => {
                let fuel = &mut position.fuel;
                let place = match field {
                    FuelField::Level => &mut fuel.level_pct,
                    FuelField::Used => &mut fuel.used_l,
                    FuelField::Rate => &mut fuel.rate_lph,
                    FuelField::Level2 => &mut fuel.level_2_pct,
                };
                *place = Some(number(value)?);
            }
            Target::Cell(field) => cell(*field, value, position)?,
            Target::Input(line) => lines(&mut position.inputs, *line, rule, value)?,
            Target::Output(line) => lines(&mut position.outputs, *line, rule, value)?,
            Target::AnalogInput(input) => reading(position.analog_inputs.set(*input, number(value)?))?,
            Target::Temperature(sensor) => reading(position.temperatures.set(*sensor, number(value)?))?,
            Target::EventCode => self.event_code = Some(count(value)?),
            Target::EventFunction => self.event_function = Some(count(value)?),
            Target::EventText => self.event_text = Some(text(value)?.clone()),
            Target::Named(name) => position.put(name, attribute(value)),
        }
        Ok(())
    }

    fn fix(&mut self, field: FixField, value: &Value<'_>) -> Result<(), Misfit> {
        let fix = &mut self.fix;
        match field {
            FixField::Latitude => self.latitude = Some(number(value)?),
            FixField::Longitude => self.longitude = Some(number(value)?),
            FixField::Altitude => fix.altitude_m = Some(number(value)?),
            FixField::Speed => fix.speed_kmh = Some(number(value)?),
            FixField::Heading => fix.heading_deg = Some(number(value)?),
            FixField::Satellites => fix.satellites = Some(count(value)?),
            FixField::Hdop => fix.hdop = Some(number(value)?),
            FixField::Accuracy => fix.accuracy_m = Some(number(value)?),
            FixField::Type => self.fix_type = Some(fix_type(value)?),
        }
        self.has_fix = true;
        Ok(())
    }

    /// Notes that a coordinate is there and is no number.
    pub(super) const fn bad_coordinate(&mut self) {
        self.has_bad_coordinate = true;
        self.has_fix = true;
    }

    /// Completes the fix; false if coordinates were there and are not used.
    pub(super) fn finish(&mut self, position: &mut Position) -> bool {
        if !self.has_fix {
            return true;
        }
        let pair = self.latitude.zip(self.longitude);
        let is_on_earth = |(latitude, longitude): &(f64, f64)| {
            latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && (*latitude != 0.0 || *longitude != 0.0)
        };
        let usable = pair.filter(is_on_earth).filter(|_| self.fix_type != Some(FixType::NoFix));
        let was_there = self.latitude.is_some() || self.longitude.is_some();
        if self.has_bad_coordinate || pair.is_some_and(|pair| !is_on_earth(&pair)) {
            position.quality.insert(Quality::CoordinatesOutOfRange);
        }
        let (latitude, longitude) = usable.unwrap_or_default();
        let fix_type = usable.map_or(FixType::NoFix, |_| self.fix_type.unwrap_or(FixType::Fix));
        position.fix = Some(Fix { r#type: fix_type.into(), latitude, longitude, ..self.fix });
        usable.is_some() || !was_there
    }

    /// Whether something happened.
    pub(super) const fn has_event(&self) -> bool {
        self.event_code.is_some() || self.event_function.is_some() || self.event_text.is_some()
    }
}

fn number(value: &Value<'_>) -> Result<f64, Misfit> {
    match value {
        Value::Number(number) => Ok(*number),
        #[expect(clippy::cast_precision_loss, reason = "as any JSON number")]
        Value::Whole(whole) => Ok(*whole as f64),
        _ => Err("it is no number"),
    }
}

fn whole(value: &Value<'_>) -> Result<u64, Misfit> {
    match value {
        Value::Whole(whole) => Ok(*whole),
        other => value::as_whole(number(other)?),
    }
}

fn count(value: &Value<'_>) -> Result<u32, Misfit> {
    whole(value)?.try_into().map_err(|_| "it is out of range")
}

fn bool(value: &Value<'_>) -> Result<bool, Misfit> {
    match value {
        Value::Bool(on) => Ok(*on),
        _ => Err("it is neither true nor false"),
    }
}

fn text<'v, 'a>(value: &'v Value<'a>) -> Result<&'v Cow<'a, str>, Misfit> {
    match value {
        Value::Text(text) if text.is_empty() => Err("it is empty"),
        Value::Text(text) => Ok(text),
        _ => Err("it is no text"),
    }
}

fn reading(is_known: bool) -> Result<(), Misfit> {
    is_known.then_some(()).ok_or("its number is out of range")
}

fn fix_type(value: &Value<'_>) -> Result<FixType, Misfit> {
    match value {
        // A device that says "not valid" and still has coordinates repeats those that it had last.
        Value::Bool(valid) => Ok(if *valid { FixType::Fix } else { FixType::LastKnown }),
        other => {
            let name = text(other)?;
            let known = FIX_TYPES.iter().find(|(known, _)| known == name);
            known.map(|(_, fix_type)| *fix_type).ok_or("it is no type of fix; `values` says what it means")
        }
    }
}

fn vehicle(
    field: VehicleField,
    rule: &Rule,
    value: &Value<'_>,
    position: &mut Position,
) -> Result<(), Misfit> {
    match field {
        VehicleField::Ignition => position.ignition = Some(bool(value)?),
        VehicleField::IsMoving => position.is_moving = Some(bool(value)?),
        VehicleField::Odometer => position.odometer_m = Some((number(value)?, rule.source)),
        VehicleField::Driver => position.driver_id = Some(CompactString::new(text(value)?)),
    }
    Ok(())
}

fn cell(field: CellField, value: &Value<'_>, position: &mut Position) -> Result<(), Misfit> {
    let cell = &mut position.cell;
    let code = |value| count(value).ok().filter(|code| *code <= 999).ok_or("it is no code of up to 3 digits");
    match field {
        CellField::Mcc => cell.mcc = Some(code(value)?),
        CellField::Mnc => cell.mnc = Some(code(value)?),
        CellField::Lac => cell.lac = Some(count(value)?),
        CellField::CellId => cell.cell_id = Some(whole(value)?),
        CellField::Signal => {
            // Within -200 and 0 by its range.
            #[expect(clippy::cast_possible_truncation, reason = "a cast saturates")]
            let dbm = number(value)?.round() as i32;
            cell.signal_dbm = Some(dbm);
        }
    }
    Ok(())
}

fn lines(lines: &mut Lines, line: Line, rule: &Rule, value: &Value<'_>) -> Result<(), Misfit> {
    match line {
        Line::Number(number) => reading(lines.set(number, bool(value)?)),
        Line::Mask => {
            let bits = whole(value)?;
            if bits.checked_shr(rule.lines).is_some_and(|above| above != 0) {
                return Err("it has bits above the lines that the mask tells");
            }
            for number in 1..=rule.lines {
                lines.set(number, bits >> (number - 1) & 1 != 0);
            }
            Ok(())
        }
    }
}

/// A value as an attribute.
pub(super) fn attribute<'v>(value: &'v Value<'_>) -> Attribute<'v> {
    match value {
        Value::Bool(on) => Attribute::Bool(*on),
        Value::Number(number) => Attribute::Double(*number),
        Value::Whole(whole) => Attribute::Uint(*whole),
        Value::Time(ms) => Attribute::Int(*ms),
        Value::Text(text) => Attribute::Text(text),
    }
}
