//! Values to attributes, and scaled values to their fields.

use super::scale::{Scale, Target};
use super::sensors::{self, Class};
use super::value::Value;
use crate::{Attribute, Position};

/// The largest whole number up to which every whole number is an exact `f64`.
const MAX_EXACT: u64 = 1 << 53;

/// A value as a number, if it is one that `f64` holds exactly.
#[expect(clippy::cast_precision_loss, reason = "bounded by MAX_EXACT")]
pub(super) fn number(value: Value<'_>) -> Option<f64> {
    let number = match value {
        Value::Zero => 0.0,
        Value::Unsigned(number) if number <= MAX_EXACT => number as f64,
        Value::Signed(number) if number.unsigned_abs() <= MAX_EXACT => number as f64,
        Value::Float32(number) => number.into(),
        Value::Float64(number) => number,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// A value as a count, if it is one.
pub(super) fn whole(value: Value<'_>) -> Option<u32> {
    match value {
        Value::Zero => Some(0),
        Value::Unsigned(number) => number.try_into().ok(),
        Value::Signed(number) => number.try_into().ok(),
        _ => None,
    }
}

/// Sets an attribute with the type that the device gave it. A zero, which comes without a type, has the type of
/// its sensor's class; numbers that are not finite, and structures, are kept as their bytes.
pub(super) fn put(position: &mut Position, name: &str, id: u16, value: Value<'_>) {
    let value = match value {
        Value::Null => Attribute::Absent,
        Value::Bool(on) => Attribute::Bool(on),
        Value::Zero => match sensors::class(id) {
            Class::Unsigned => Attribute::Uint(0),
            Class::Signed => Attribute::Int(0),
            Class::Float => Attribute::Double(0.0),
        },
        Value::Unsigned(number) => Attribute::Uint(number),
        Value::Signed(number) => Attribute::Int(number),
        Value::Float32(number) if number.is_finite() => Attribute::Double(number.into()),
        Value::Float32(number) => return position.put(name, Attribute::Bytes(&number.to_le_bytes())),
        Value::Float64(number) if number.is_finite() => Attribute::Double(number),
        Value::Float64(number) => return position.put(name, Attribute::Bytes(&number.to_le_bytes())),
        Value::Gps(gps) => return position.put(name, Attribute::Bytes(&gps.to_bytes())),
        Value::Text(text) => return position.put(name, Attribute::Text(&String::from_utf8_lossy(text))),
        Value::Bytes(raw) => Attribute::Bytes(raw),
    };
    position.put(name, value);
}

/// Sets the attribute that is named after a sensor, as `io_0x2007`.
pub(super) fn put_raw(position: &mut Position, id: u16, value: Value<'_>) {
    let mut name = *b"io_0x0000";
    for (place, shift) in name.iter_mut().skip(5).zip([12, 8, 4, 0]) {
        *place = hex_digit(id >> shift & 15);
    }
    // Always ASCII.
    put(position, std::str::from_utf8(&name).unwrap_or_default(), id, value);
}

const fn hex_digit(nibble: u16) -> u8 {
    let nibble = (nibble & 15) as u8;
    if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }
}

/// Scales a number and puts it where the scale says. A result that is not finite, or not within the range
/// of its field, is left out: the raw number tells it.
pub(super) fn put_scaled(position: &mut Position, scale: &Scale, raw: f64) {
    let value = raw * scale.scale + scale.offset;
    let range = match scale.to {
        Target::Attribute(_) | Target::SupplyV | Target::BatteryV | Target::CoolantC => f64::MIN..=f64::MAX,
        Target::BatteryLevelPct | Target::AcceleratorPct | Target::FuelLevelPct | Target::FuelLevel2Pct => {
            0.0..=100.0
        }
        Target::EngineLoadPct => 0.0..=125.0,
        Target::EngineSpeedRpm | Target::EngineHours | Target::FuelUsedL | Target::FuelRateLph => {
            0.0..=f64::MAX
        }
        Target::SignalDbm => -200.0..=0.0,
    };
    if !range.contains(&value) {
        return;
    }
    match &scale.to {
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

#[expect(clippy::cast_possible_truncation, reason = "a signal is within -200..=0")]
fn nearest(dbm: f64) -> i32 {
    dbm.round() as i32
}
