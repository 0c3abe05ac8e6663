//! Items of a telemetry record: value type, sensor id, value. The value type alone says how wide it is.

/// The value of one item, as the device typed it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Types 0 and 1.
    Bool(bool),
    /// Type 2: the sensor is there and has no value. (No capture shows one; the width is inferred.)
    Null,
    /// Type 3: zero, whatever the sensor's own type is.
    Zero,
    /// Types 4 to 7, by width.
    Unsigned(u64),
    /// Types 8 to 11, by width.
    Signed(i64),
    /// Type 12.
    Float32(f32),
    /// Type 13.
    Float64(f64),
    /// Type 14.
    Gps(Gps),
    /// Types 32 and 64: text, meant to be ASCII.
    Text(&'a [u8]),
    /// Types 33 and 65.
    Bytes(&'a [u8]),
}

/// The position structure of value type 14, as the device sends it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gps {
    /// Degrees north.
    pub latitude: f32,
    /// Degrees east.
    pub longitude: f32,
    /// Kilometres per hour.
    pub speed_kmh: u16,
    /// Horizontal dilution of precision in tenths; 255 is unknown (inferred).
    pub hdop_tenths: u8,
    /// Satellites in use.
    pub satellites: u8,
    /// Degrees clockwise from true north.
    pub course_deg: u16,
    /// Metres above sea level.
    pub altitude_m: i16,
}

impl Gps {
    /// Bytes of the structure.
    pub(super) const SIZE: usize = 16;

    #[rustfmt::skip]
    fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let [a0, a1, a2, a3, o0, o1, o2, o3, s0, s1, hdop_tenths, satellites, c0, c1, h0, h1] = bytes;
        Self {
            latitude: f32::from_le_bytes([a0, a1, a2, a3]),
            longitude: f32::from_le_bytes([o0, o1, o2, o3]),
            speed_kmh: u16::from_le_bytes([s0, s1]),
            hdop_tenths,
            satellites,
            course_deg: u16::from_le_bytes([c0, c1]),
            altitude_m: i16::from_le_bytes([h0, h1]),
        }
    }

    /// The structure as the device sends it.
    #[rustfmt::skip]
    pub(super) fn to_bytes(self) -> [u8; Self::SIZE] {
        let [a0, a1, a2, a3] = self.latitude.to_le_bytes();
        let [o0, o1, o2, o3] = self.longitude.to_le_bytes();
        let [s0, s1] = self.speed_kmh.to_le_bytes();
        let [c0, c1] = self.course_deg.to_le_bytes();
        let [h0, h1] = self.altitude_m.to_le_bytes();
        [a0, a1, a2, a3, o0, o1, o2, o3, s0, s1, self.hdop_tenths, self.satellites, c0, c1, h0, h1]
    }
}

/// Takes the item at the front: sensor id, value, and the bytes after it. `None` if its value type is not
/// known or the bytes end within it.
#[expect(
    clippy::inline_always,
    reason = "one caller, and handing an item over in memory is a sixth of the time of decoding"
)]
#[inline(always)]
pub(super) fn take_item(bytes: &[u8]) -> Option<(u16, Value<'_>, &[u8])> {
    let (&[value_type, low, high], rest) = bytes.split_first_chunk()?;
    let (value, rest) = take_value(value_type, rest)?;
    Some((u16::from_le_bytes([low, high]), value, rest))
}

#[expect(clippy::inline_always, reason = "as for its caller")]
#[inline(always)]
fn take_value(value_type: u8, bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    Some(match value_type {
        0 => (Value::Bool(false), bytes),
        1 => (Value::Bool(true), bytes),
        2 => (Value::Null, bytes),
        3 => (Value::Zero, bytes),
        4 => take(bytes, |b: [u8; 1]| Value::Unsigned(u8::from_le_bytes(b).into()))?,
        5 => take(bytes, |b| Value::Unsigned(u16::from_le_bytes(b).into()))?,
        6 => take(bytes, |b| Value::Unsigned(u32::from_le_bytes(b).into()))?,
        7 => take(bytes, |b| Value::Unsigned(u64::from_le_bytes(b)))?,
        8 => take(bytes, |b: [u8; 1]| Value::Signed(i8::from_le_bytes(b).into()))?,
        9 => take(bytes, |b| Value::Signed(i16::from_le_bytes(b).into()))?,
        10 => take(bytes, |b| Value::Signed(i32::from_le_bytes(b).into()))?,
        11 => take(bytes, |b| Value::Signed(i64::from_le_bytes(b)))?,
        12 => take(bytes, |b| Value::Float32(f32::from_le_bytes(b)))?,
        13 => take(bytes, |b| Value::Float64(f64::from_le_bytes(b)))?,
        14 => take(bytes, |b| Value::Gps(Gps::from_bytes(b)))?,
        32 => take_short(bytes).map(|(text, rest)| (Value::Text(text), rest))?,
        33 => take_short(bytes).map(|(raw, rest)| (Value::Bytes(raw), rest))?,
        64 => take_long(bytes).map(|(text, rest)| (Value::Text(text), rest))?,
        65 => take_long(bytes).map(|(raw, rest)| (Value::Bytes(raw), rest))?,
        _ => return None,
    })
}

fn take<const N: usize>(
    bytes: &[u8],
    value: impl Fn([u8; N]) -> Value<'static>,
) -> Option<(Value<'_>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((value(*head), rest))
}

fn take_short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    rest.split_at_checked(length.into())
}

fn take_long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_le_bytes(length).into())
}
