//! Reads the fields of one packet's body, front to back, without copying.

use bytes::{Buf, Bytes};
use bytestring::ByteString;

use super::PacketError;

/// What is left of a packet's body.
#[derive(Debug)]
pub(super) struct Reader(Bytes);

impl Reader {
    pub(super) const fn new(body: Bytes) -> Self {
        Self(body)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u8(&mut self) -> Result<u8, PacketError> {
        self.0.try_get_u8().map_err(|_| PacketError::Truncated)
    }

    pub(super) fn u16(&mut self) -> Result<u16, PacketError> {
        self.0.try_get_u16().map_err(|_| PacketError::Truncated)
    }

    pub(super) fn u32(&mut self) -> Result<u32, PacketError> {
        self.0.try_get_u32().map_err(|_| PacketError::Truncated)
    }

    /// A packet id, which is never zero.
    pub(super) fn packet_id(&mut self) -> Result<u16, PacketError> {
        match self.u16()? {
            0 => Err(PacketError::PacketId),
            id => Ok(id),
        }
    }

    /// A variable byte integer in its shortest form, as [MQTT-1.5.5-1] demands.
    pub(super) fn variable(&mut self) -> Result<u32, PacketError> {
        let (value, len) = variable(&self.0)?.ok_or(PacketError::Truncated)?;
        if padded(value, len) {
            return Err(PacketError::VariableInteger);
        }
        self.0.advance(len);
        Ok(value)
    }

    /// The next `len` bytes, as a slice of the input.
    pub(super) fn take(&mut self, len: usize) -> Result<Bytes, PacketError> {
        if len > self.0.len() {
            return Err(PacketError::Truncated);
        }
        Ok(self.0.split_to(len))
    }

    /// Bytes with a length of two bytes before them.
    pub(super) fn binary(&mut self) -> Result<Bytes, PacketError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// Text with a length of two bytes before it: UTF-8 without U+0000.
    pub(super) fn text(&mut self) -> Result<ByteString, PacketError> {
        let bytes = self.binary()?;
        if bytes.contains(&0) {
            return Err(PacketError::Text);
        }
        ByteString::try_from(bytes).map_err(|_| PacketError::Text)
    }

    /// Everything that is left.
    pub(super) fn rest(self) -> Bytes {
        self.0
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), PacketError> {
        if self.0.is_empty() { Ok(()) } else { Err(PacketError::Trailing) }
    }
}

/// A variable byte integer and its length, or `None` if more bytes are needed.
pub(super) fn variable(input: &[u8]) -> Result<Option<(u32, usize)>, PacketError> {
    let mut value = 0;
    for (at, &byte) in input.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    if input.len() < 4 { Ok(None) } else { Err(PacketError::VariableInteger) }
}

/// Whether a variable byte integer took more bytes than it needs.
pub(super) const fn padded(value: u32, len: usize) -> bool {
    len > 1 && value >> (7 * (len - 1)) == 0
}
