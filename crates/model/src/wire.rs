//! Protobuf field by field, for the messages of the hot path: a message type would be an allocation for every
//! string. Each message that is written or read so is compared with its type by a test.

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
    key(out, field);
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
    typed_key(out, field, VARINT);
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
    let bytes = double.to_le_bytes();
    if field < 16 {
        // Key and value at once: a look at the vector's room costs more than the copy.
        let mut both = [0; 9];
        let (key, value) = both.split_at_mut(1);
        key.fill(low_bits((field << 3 | FIXED64).into()));
        value.copy_from_slice(&bytes);
        out.extend_from_slice(&both);
    } else {
        typed_key(out, field, FIXED64);
        out.extend_from_slice(&bytes);
    }
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
    key(out, field);
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

/// The key of a field of text, bytes or a message, whose length and value the caller writes.
#[inline]
pub fn key(out: &mut Vec<u8>, field: u32) {
    typed_key(out, field, LENGTH);
}

#[inline]
fn typed_key(out: &mut Vec<u8>, field: u32, wire_type: u32) {
    varint(out, u64::from(field << 3 | wire_type));
}

/// A number of variable length.
#[inline]
pub fn varint(out: &mut Vec<u8>, mut number: u64) {
    if number < 0x80 {
        return out.push(low_bits(number));
    }
    while number >= 0x80 {
        out.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    out.push(low_bits(number));
}

/// Bytes that [`varint`] writes.
#[inline]
pub const fn varint_len(number: u64) -> usize {
    ((number | 1).ilog2() / 7 + 1) as usize
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

/// One field's value as it lies in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// A number of variable length: integers, enums, bools.
    Varint(u64),
    /// Eight bytes: doubles among others.
    Fixed64([u8; 8]),
    /// Texts, bytes and messages.
    Bytes(&'a [u8]),
    /// Four bytes.
    Fixed32([u8; 4]),
}

/// Why bytes are no protobuf message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end within a field.
    #[error("it ends within a field")]
    Truncated,
    /// A number of more than 64 bits.
    #[error("a number is too long")]
    Overlong,
    /// A field number or wire type that protobuf does not have, or no longer uses.
    #[error("it has a field of an unknown kind")]
    Kind,
}

/// The fields of a message with their numbers, in the order in which they lie there. Ends after an error.
#[derive(Debug, Clone)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// The fields of a message.
    pub const fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Result<(u32, Field<'a>), WireError> {
        let key = u32::try_from(self.number()?).map_err(|_| WireError::Kind)?;
        let value = match key & 7 {
            VARINT => Field::Varint(self.number()?),
            FIXED64 => Field::Fixed64(self.chunk()?),
            LENGTH => {
                let length = usize::try_from(self.number()?).map_err(|_| WireError::Truncated)?;
                let (value, rest) = self.0.split_at_checked(length).ok_or(WireError::Truncated)?;
                self.0 = rest;
                Field::Bytes(value)
            }
            5 => Field::Fixed32(self.chunk()?),
            _ => return Err(WireError::Kind),
        };
        if key >> 3 == 0 { Err(WireError::Kind) } else { Ok((key >> 3, value)) }
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (chunk, rest) = self.0.split_first_chunk().ok_or(WireError::Truncated)?;
        self.0 = rest;
        Ok(*chunk)
    }

    fn number(&mut self) -> Result<u64, WireError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(WireError::Truncated)?;
            self.0 = rest;
            if shift == 63 && *byte > 1 {
                return Err(WireError::Overlong);
            }
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(number);
            }
        }
        Err(WireError::Overlong)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Field<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// The milliseconds since 1970 UTC of a `google.protobuf.Timestamp`; saturates at the ends of the range.
pub fn read_timestamp(message: &[u8]) -> Result<i64, WireError> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    for field in Fields::new(message) {
        match field? {
            (1, Field::Varint(number)) => seconds = number.cast_signed(),
            (2, Field::Varint(number)) => nanos = number.cast_signed(),
            _ => {}
        }
    }
    Ok(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000))
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
    #[test]
    fn fields_are_read_as_they_were_written() {
        let mut out = Vec::new();
        text(&mut out, 1, "a");
        some_number(&mut out, 2000, u64::MAX);
        some_double(&mut out, 3, 1.5);
        timestamp(&mut out, 4, -1001);
        let fields: Vec<_> = Fields::new(&out).collect::<Result<_, _>>().unwrap();
        let [one, two, three, (4, Field::Bytes(time))] = fields.as_slice() else { panic!("{fields:?}") };
        assert_eq!(*one, (1, Field::Bytes(b"a")));
        assert_eq!(*two, (2000, Field::Varint(u64::MAX)));
        assert_eq!(*three, (3, Field::Fixed64(1.5_f64.to_le_bytes())));
        assert_eq!(read_timestamp(time), Ok(-1001));
    }

    #[test]
    fn bytes_that_are_no_message_are_an_error_and_the_end() {
        let cases: [(&[u8], WireError); 7] = [
            (&[0x80], WireError::Truncated),
            (&[0x0A, 5, 1], WireError::Truncated),
            (&[0x09, 1], WireError::Truncated),
            (&[0x08], WireError::Truncated),
            (&[0x0B], WireError::Kind),
            (&[0x00, 0], WireError::Kind),
            (&[0x08, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2], WireError::Overlong),
        ];
        for (bytes, error) in cases {
            let mut fields = Fields::new(bytes);
            assert_eq!(fields.next(), Some(Err(error)), "{bytes:?}");
            assert_eq!(fields.next(), None);
        }
    }
}
