//! Builds payloads as devices do, for the simulator and for tests: every number in the smallest type that
//! holds it, and any zero without a value.

use fleetwire_model::Imei;

use super::container::VERSION;
use super::value::Value;
use super::{EVENT, IMEI, TELEMETRY};
use crate::checksum::checksum;

/// Why a record cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A length field has two bytes.
    #[error("{0} bytes are more than the 65535 that a length can say")]
    TooLong(usize),
}

/// A payload on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    bytes: Vec<u8>,
}

impl Default for Payload {
    fn default() -> Self {
        Self::new()
    }
}

impl Payload {
    /// A payload without records.
    pub fn new() -> Self {
        Self { bytes: vec![VERSION] }
    }

    /// Says which device the records after it are of.
    #[must_use]
    pub fn imei(mut self, imei: Imei) -> Self {
        self.bytes.extend([IMEI, 8, 0]);
        self.bytes.extend(imei.number().to_le_bytes());
        self
    }

    /// Adds a telemetry record: time in seconds since 1970 UTC, and items by sensor id in this order.
    pub fn telemetry(self, time: u32, items: &[(u16, Value<'_>)]) -> Result<Self, WriteError> {
        let mut body = time.to_le_bytes().to_vec();
        for (id, value) in items {
            put_item(&mut body, *id, *value)?;
        }
        self.record(TELEMETRY, &body)
    }

    /// Adds an event record: time in seconds since 1970 UTC, the two codes, and the firmware revision.
    pub fn event(self, time: u32, function: u8, code: u8, firmware: &str) -> Result<Self, WriteError> {
        let mut body = time.to_le_bytes().to_vec();
        body.extend([function, code]);
        body.extend(firmware.as_bytes());
        self.record(EVENT, &body)
    }

    /// Adds a record of any type.
    pub fn record(mut self, record_type: u8, body: &[u8]) -> Result<Self, WriteError> {
        self.bytes.push(record_type);
        self.bytes.extend(long(body)?);
        self.bytes.extend(body);
        Ok(self)
    }

    /// The payload with its checksum.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.push(checksum(&self.bytes));
        self.bytes
    }
}

fn put_item(out: &mut Vec<u8>, id: u16, value: Value<'_>) -> Result<(), WriteError> {
    let [low, high] = id.to_le_bytes();
    let mut head = |value_type: u8| out.extend([value_type, low, high]);
    match value {
        Value::Bool(on) => head(on.into()),
        Value::Null => head(2),
        Value::Zero | Value::Unsigned(0) | Value::Signed(0) => head(3),
        Value::Float32(number) if number.to_bits() == 0 => head(3),
        Value::Float64(number) if number.to_bits() == 0 => head(3),
        Value::Unsigned(number) => {
            let width = unsigned_width(number);
            head(4 + width);
            out.extend(number.to_le_bytes().iter().take(1 << width));
        }
        Value::Signed(number) => {
            let width = signed_width(number);
            head(8 + width);
            out.extend(number.to_le_bytes().iter().take(1 << width));
        }
        Value::Float32(number) => {
            head(12);
            out.extend(number.to_le_bytes());
        }
        Value::Float64(number) => {
            head(13);
            out.extend(number.to_le_bytes());
        }
        Value::Gps(gps) => {
            head(14);
            out.extend(gps.to_bytes());
        }
        Value::Text(text) => put_string(out, 32, [low, high], text)?,
        Value::Bytes(raw) => put_string(out, 33, [low, high], raw)?,
    }
    Ok(())
}

/// Writes a string with a length of one byte where that is enough, and of two otherwise.
fn put_string(
    out: &mut Vec<u8>,
    short_type: u8,
    [low, high]: [u8; 2],
    text: &[u8],
) -> Result<(), WriteError> {
    if let Ok(length) = u8::try_from(text.len()) {
        out.extend([short_type, low, high, length]);
    } else {
        out.extend([short_type + 32, low, high]);
        out.extend(long(text)?);
    }
    out.extend(text);
    Ok(())
}

fn long(bytes: &[u8]) -> Result<[u8; 2], WriteError> {
    let length = u16::try_from(bytes.len()).map_err(|_| WriteError::TooLong(bytes.len()))?;
    Ok(length.to_le_bytes())
}

/// The power of two that is the number of bytes a number needs.
const fn unsigned_width(number: u64) -> u8 {
    match number {
        0..=0xFF => 0,
        0x100..=0xFFFF => 1,
        0x1_0000..=0xFFFF_FFFF => 2,
        _ => 3,
    }
}

/// The power of two that is the number of bytes a number needs.
const fn signed_width(number: i64) -> u8 {
    match number {
        -0x80..=0x7F => 0,
        -0x8000..=0x7FFF => 1,
        -0x8000_0000..=0x7FFF_FFFF => 2,
        _ => 3,
    }
}
