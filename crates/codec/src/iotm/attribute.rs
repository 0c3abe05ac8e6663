//! Values to attributes.

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
    put_ascii(position, name.as_bytes(), id, value);
}

fn put_ascii(position: &mut Position, name: &[u8], id: u16, value: Value<'_>) {
    let mut put = |value: Attribute<'_>| position.attributes.put_ascii(name, value);
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
        Value::Float32(number) => return put(Attribute::Bytes(&number.to_le_bytes())),
        Value::Float64(number) if number.is_finite() => Attribute::Double(number),
        Value::Float64(number) => return put(Attribute::Bytes(&number.to_le_bytes())),
        Value::Gps(gps) => return put(Attribute::Bytes(&gps.to_bytes())),
        Value::Text(text) => return put(Attribute::Text(&String::from_utf8_lossy(text))),
        Value::Bytes(raw) => Attribute::Bytes(raw),
    };
    put(value);
}

/// Sets the attribute that is named after a sensor, as `io_0x2007`.
pub(super) fn put_raw(position: &mut Position, id: u16, value: Value<'_>) {
    let mut name = *b"io_0x0000";
    for (place, shift) in name.iter_mut().skip(5).zip([12, 8, 4, 0]) {
        *place = hex_digit(id >> shift & 15);
    }
    put_ascii(position, &name, id, value);
}

const fn hex_digit(nibble: u16) -> u8 {
    let nibble = (nibble & 15) as u8;
    if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }
}
