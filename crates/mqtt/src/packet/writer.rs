//! Writes the fields of a packet. Text and binary fields longer than 65,535 bytes are cut off: callers bound them.

use bytes::{BufMut, BytesMut};

/// Starts a packet: first byte and remaining length.
pub(super) fn header(out: &mut BytesMut, first: u8, remaining: usize) {
    out.reserve(remaining + 5);
    out.put_u8(first);
    variable(out, remaining);
}

/// A variable byte integer; values above its range do not occur, packets are bounded far below.
pub(super) fn variable(out: &mut BytesMut, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            return out.put_u8(low);
        }
        out.put_u8(low | 0x80);
    }
}

/// Bytes that [`variable`] adds.
pub(super) const fn variable_size(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

pub(super) fn text(out: &mut BytesMut, value: &str) {
    binary(out, value.as_bytes());
}

pub(super) fn binary(out: &mut BytesMut, value: &[u8]) {
    let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
    out.put_u16(len);
    out.put_slice(value.get(..usize::from(len)).unwrap_or_default());
}
