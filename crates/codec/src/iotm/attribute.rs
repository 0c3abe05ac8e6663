//! Values to attributes, and scaled values to their fields.

use bytes::Bytes;
use fleetwire_model::pb::attribute_value::Value as Typed;
use fleetwire_model::pb::{AttributeValue, PositionEvent};

use super::sensors::{self, Class};
use super::value::Value;
use crate::{Scale, Target};

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

/// A value as an attribute, with the type that the device gave it. A zero, which comes without a type, has
/// the type of its sensor's class; numbers that are not finite, and structures, are kept as their bytes.
pub(super) fn typed(id: u16, value: Value<'_>) -> AttributeValue {
    let typed = match value {
        Value::Null => return AttributeValue { value: None },
        Value::Bool(on) => Typed::BoolValue(on),
        Value::Zero => match sensors::class(id) {
            Class::Unsigned => Typed::UintValue(0),
            Class::Signed => Typed::IntValue(0),
            Class::Float => Typed::DoubleValue(0.0),
        },
        Value::Unsigned(number) => Typed::UintValue(number),
        Value::Signed(number) => Typed::IntValue(number),
        Value::Float32(number) if number.is_finite() => Typed::DoubleValue(number.into()),
        Value::Float32(number) => return bytes(&number.to_le_bytes()),
        Value::Float64(number) if number.is_finite() => Typed::DoubleValue(number),
        Value::Float64(number) => return bytes(&number.to_le_bytes()),
        Value::Gps(gps) => return bytes(&gps.to_bytes()),
        Value::Text(text) => Typed::StringValue(String::from_utf8_lossy(text).into_owned()),
        Value::Bytes(raw) => return bytes(raw),
    };
    AttributeValue { value: Some(typed) }
}

/// An attribute of bytes; copied, so that it does not hold the payload.
pub(super) fn bytes(raw: &[u8]) -> AttributeValue {
    let value = Some(Typed::BytesValue(Bytes::copy_from_slice(raw)));
    AttributeValue { value }
}

/// An attribute of a finite number.
pub(super) const fn double(number: f64) -> AttributeValue {
    let value = Some(Typed::DoubleValue(number));
    AttributeValue { value }
}

/// An attribute that is true or false.
pub(super) const fn boolean(on: bool) -> AttributeValue {
    let value = Some(Typed::BoolValue(on));
    AttributeValue { value }
}

/// Sets an attribute; a later one of the same name replaces an earlier one.
pub(super) fn put(event: &mut PositionEvent, name: &str, value: AttributeValue) {
    event.attributes.insert(name.to_owned(), value);
}

/// Sets the attribute that is named after a sensor, as `io_0x2007`.
pub(super) fn put_raw(event: &mut PositionEvent, id: u16, value: Value<'_>) {
    event.attributes.insert(raw_name(id), typed(id, value));
}

fn raw_name(id: u16) -> String {
    let mut name = String::with_capacity(9);
    name.push_str("io_0x");
    for shift in [12, 8, 4, 0] {
        let digit = char::from_digit(u32::from(id >> shift & 15), 16);
        name.push(digit.unwrap_or('0').to_ascii_uppercase());
    }
    name
}

/// Scales a number and puts it where the scale says. A result that is not finite, or not within the range
/// of its field, is left out: the raw number tells it.
pub(super) fn put_scaled(event: &mut PositionEvent, scale: &Scale, raw: f64) {
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
        Target::Attribute(name) => put(event, name, double(value)),
        Target::SupplyV => event.power.get_or_insert_default().supply_v = Some(value),
        Target::BatteryV => event.power.get_or_insert_default().battery_v = Some(value),
        Target::BatteryLevelPct => event.power.get_or_insert_default().battery_level_pct = Some(value),
        Target::EngineSpeedRpm => event.engine.get_or_insert_default().speed_rpm = Some(value),
        Target::EngineHours => event.engine.get_or_insert_default().hours = Some(value),
        Target::CoolantC => event.engine.get_or_insert_default().coolant_c = Some(value),
        Target::EngineLoadPct => event.engine.get_or_insert_default().load_pct = Some(value),
        Target::AcceleratorPct => event.engine.get_or_insert_default().accelerator_pct = Some(value),
        Target::FuelLevelPct => event.fuel.get_or_insert_default().level_pct = Some(value),
        Target::FuelUsedL => event.fuel.get_or_insert_default().used_l = Some(value),
        Target::FuelRateLph => event.fuel.get_or_insert_default().rate_lph = Some(value),
        Target::FuelLevel2Pct => event.fuel.get_or_insert_default().level_2_pct = Some(value),
        Target::SignalDbm => event.cell.get_or_insert_default().signal_dbm = Some(nearest(value)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a signal is within -200..=0")]
fn nearest(dbm: f64) -> i32 {
    dbm.round() as i32
}
