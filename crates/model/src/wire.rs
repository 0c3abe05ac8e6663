//! Protobuf written field by field into a vector, for the messages of the hot path: a message type would be an
//! allocation for every string. Each message that is written so is compared with its type by a test.

/// Wire type of numbers.
const VARINT: u32 = 0;
/// Wire type of doubles.
const FIXED64: u32 = 1;
/// Wire type of texts, bytes and messages.
const LENGTH: u32 = 2;

/// A text; an empty one is left out, as the default of its type.
#[inline]
pub fn text(out: &mut Vec<u8>, field: u32, text: &str) {
    bytes(out, field, text.as_bytes());
}

/// Bytes; none at all are left out, as the default of their type.
#[inline]
pub fn bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        some_bytes(out, field, bytes);
    }
}

/// Bytes, or a text, of an `optional` field, or of one that is known not to be empty.
#[inline]
pub fn some_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    key(out, field, LENGTH);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A number, an enum or a bool; zero is left out, as the default of its type.
#[inline]
pub fn number(out: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        some_number(out, field, number);
    }
}

/// A number, an enum or a bool of an `optional` field.
#[inline]
pub fn some_number(out: &mut Vec<u8>, field: u32, number: u64) {
    key(out, field, VARINT);
    varint(out, number);
}

/// A number of type `int32` or `int64`; zero is left out, as the default of its type.
#[inline]
pub fn integer(out: &mut Vec<u8>, field: u32, integer: i64) {
    number(out, field, integer.cast_unsigned());
}

/// A number of an `optional` field of type `sint32` or `sint64`.
#[inline]
pub fn some_zigzag(out: &mut Vec<u8>, field: u32, number: i64) {
    some_number(out, field, zigzag(number));
}

/// A double of an `optional` field.
#[inline]
pub fn some_double(out: &mut Vec<u8>, field: u32, double: f64) {
    key(out, field, FIXED64);
    out.extend_from_slice(&double.to_le_bytes());
}

/// A double; positive zero is left out, as the default of its type.
#[inline]
pub fn double(out: &mut Vec<u8>, field: u32, double: f64) {
    if double.to_bits() != 0 {
        some_double(out, field, double);
    }
}

/// A `google.protobuf.Timestamp` of milliseconds since 1970 UTC.
pub fn timestamp(out: &mut Vec<u8>, field: u32, ms: i64) {
    message(out, field, |out| {
        integer(out, 1, ms.div_euclid(1000));
        integer(out, 2, ms.rem_euclid(1000) * 1_000_000);
    });
}

/// A message, written by `fill`; it is there also if nothing is in it.
#[inline]
pub fn message(out: &mut Vec<u8>, field: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    key(out, field, LENGTH);
    out.push(0);
    let start = out.len();
    fill(out);
    let length = out.len().saturating_sub(start);
    match out.get_mut(start.wrapping_sub(1)) {
        // Nearly all messages need one byte for their length, which is kept free for it.
        Some(place) if length < 0x80 => *place = low_bits(length as u64),
        _ => long_message(out, start, length),
    }
}

/// Puts a length of several bytes before what was written.
#[cold]
fn long_message(out: &mut Vec<u8>, start: usize, length: usize) {
    let mut head = Vec::with_capacity(10);
    varint(&mut head, length as u64);
    out.splice(start.saturating_sub(1)..start, head);
}

/// The key of a field, for a value that the caller writes.
#[inline]
fn key(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}

/// A number of variable length.
#[inline]
pub fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    out.push(low_bits(number));
}

/// Bytes that [`varint`] writes.
#[inline]
pub const fn varint_len(number: u64) -> usize {
    ((63 - (number | 1).leading_zeros()) / 7 + 1) as usize
}

/// The unsigned number that stands for a signed one in `sint32` and `sint64`.
#[inline]
pub const fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

/// Seven bits.
const fn low_bits(number: u64) -> u8 {
    (number & 0x7f) as u8
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::pb::{AttributeValue, Cell, RawRef, attribute_value::Value};
    use crate::time::from_unix_ms;

    #[test]
    fn a_timestamp_is_written_as_its_type_writes_it() {
        for ms in [0, 1, -1, 1_609_307_511_123, -1001, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            timestamp(&mut out, 1, ms);
            let mut expected = vec![10];
            from_unix_ms(ms).encode_length_delimited(&mut expected).unwrap();
            assert_eq!(out, expected, "{ms}");
        }
    }

    #[test]
    fn a_long_message_has_a_long_length() {
        for size in [0, 1, 127, 128, 16_383, 16_384, 70_000] {
            let mut out = vec![7];
            message(&mut out, 2, |out| out.extend(vec![9; size]));
            let mut expected = vec![7, 0x12];
            varint(&mut expected, size as u64);
            expected.extend(vec![9; size]);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn numbers_are_written_as_their_types_write_them() {
        for offset in [0, 1, -1, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            integer(&mut out, 3, offset);
            assert_eq!(out, RawRef { offset, ..RawRef::default() }.encode_to_vec());
            let mut out = Vec::new();
            some_zigzag(&mut out, 2, offset);
            assert_eq!(out, AttributeValue { value: Some(Value::IntValue(offset)) }.encode_to_vec());
        }
        let mut out = Vec::new();
        some_number(&mut out, 1, 0);
        some_zigzag(&mut out, 5, -70);
        assert_eq!(out, Cell { mcc: Some(0), signal_dbm: Some(-70), ..Cell::default() }.encode_to_vec());
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            varint(&mut out, number);
            assert_eq!(out.len(), varint_len(number), "{number}");
        }
    }
}
