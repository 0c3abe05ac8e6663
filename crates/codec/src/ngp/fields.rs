//! Members of a message that are fields of a position by themselves: status, inputs and outputs, sensors.

use super::json::Json;
use super::options::{FuelLevelUnit, Options};
use crate::{Lines, Position};
use fleetwire_model::pb::OdometerSource;

/// Analogue inputs and external temperature sensors are numbered 1 to this.
const MAX_NUMBER: u32 = 16;

/// Puts a value where its member belongs; false if it belongs nowhere or does not fit there.
pub(super) fn fill(position: &mut Position, name: &str, value: &Json<'_>, options: &Options) -> bool {
    fill_named(position, name, value, options)
        .or_else(|| fill_numbered(position, name, value, options))
        .is_some()
}

fn fill_named(position: &mut Position, name: &str, value: &Json<'_>, options: &Options) -> Option<()> {
    match (name, value) {
        ("is_moving", Json::Bool(on)) => position.is_moving = Some(*on),
        ("hardware_key", Json::Text(key)) if !key.is_empty() => {
            position.driver_id = Some(key.as_ref().into());
        }
        ("hardware_mileage", _) => {
            let metres = value.within(0.0, f64::MAX / 1000.0)? * 1000.0;
            position.odometer_m = Some((metres, OdometerSource::Device));
        }
        ("battery_voltage", _) => position.power.battery_v = Some(value.number()?),
        ("battery_level", _) => position.power.battery_level_pct = Some(value.within(0.0, 100.0)?),
        ("board_voltage", _) => position.power.supply_v = Some(value.number()?),
        ("input_status", _) => mask(&mut position.inputs, value.whole()?, options.inputs),
        ("output_status", _) => mask(&mut position.outputs, value.whole()?, options.outputs),
        ("temperature_internal", _) => set(position.temperatures.set(0, value.number()?))?,
        _ => return None,
    }
    Some(())
}

fn fill_numbered(position: &mut Position, name: &str, value: &Json<'_>, options: &Options) -> Option<()> {
    if let Some(number) = numbered(name, "analog_") {
        return set(position.analog_inputs.set(number, value.number()?));
    }
    if let Some(number) = numbered(name, "temperature_") {
        return set(position.temperatures.set(number, value.number()?));
    }
    if options.fuel_level_unit == FuelLevelUnit::Percent {
        let level = match numbered(name, "fuel_level_")? {
            1 => &mut position.fuel.level_pct,
            2 => &mut position.fuel.level_2_pct,
            _ => return None,
        };
        *level = Some(value.within(0.0, 100.0)?);
        return Some(());
    }
    None
}

/// The number at the end of a name, 1 to 16.
fn numbered(name: &str, prefix: &str) -> Option<u32> {
    let digits = name.strip_prefix(prefix)?;
    let number = digits.parse().ok().filter(|number| (1..=MAX_NUMBER).contains(number))?;
    // Another way to write the number would be another name.
    (digits.len() == if number < 10 { 1 } else { 2 }).then_some(number)
}

fn set(done: bool) -> Option<()> {
    done.then_some(())
}

/// Lines of a mask whose lowest bit is line 1: the first `known` of them, and those above that are on.
fn mask(lines: &mut Lines, bits: u64, known: u32) {
    *lines = Lines::default();
    for number in 1..=Lines::MAX {
        let on = bits >> (number - 1) & 1 != 0;
        if on || number <= known {
            lines.set(number, on);
        }
    }
}
