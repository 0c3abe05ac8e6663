//! Cuts a stream of bytes into packets, without looking inside them.
//!
//! The size is checked as soon as the fixed header is there, before the rest is waited for.

use bytes::{Buf, Bytes, BytesMut};

use super::{PacketError, reader};

/// One whole packet, cut off the input and still undecoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// First byte: packet type and flags.
    pub first: u8,
    /// What the remaining length counts.
    pub body: Bytes,
    /// Whether the remaining length took more bytes than it needs; MQTT 5 forbids that, 3.1.1 does not.
    pub padded: bool,
}

impl Frame {
    /// Cuts the next packet off `input`, or says that it has not all come yet.
    ///
    /// `limit` bounds the whole packet, fixed header included. Nothing is taken from `input` unless a whole
    /// packet is.
    pub fn next(input: &mut BytesMut, limit: usize) -> Result<Option<Self>, PacketError> {
        let Some(header) = Header::peek(input)? else {
            return Ok(None);
        };
        let size = header.len + header.body;
        if size > limit {
            return Err(PacketError::TooLarge { size, limit });
        }
        if input.len() < size {
            return Ok(None);
        }
        input.advance(header.len);
        let Header { first, body, padded, .. } = header;
        Ok(Some(Self { first, body: input.split_to(body).freeze(), padded }))
    }

    /// First byte and size of the packet at the start of `input`, which may not all have come yet; `None` if
    /// even its size has not, or never will.
    pub fn peek(input: &[u8]) -> Option<(u8, usize)> {
        let header = Header::peek(input).ok()??;
        Some((header.first, header.len + header.body))
    }

    /// Bytes that this packet took on the wire, give or take its length field.
    pub fn size(&self) -> usize {
        self.body.len() + 2
    }

    /// The packet type, 0 to 15.
    pub const fn kind(&self) -> u8 {
        self.first >> 4
    }

    /// The four flag bits of the fixed header.
    pub(super) const fn flags(&self) -> u8 {
        self.first & 0x0f
    }
}

/// A fixed header.
struct Header {
    first: u8,
    /// Bytes of the fixed header itself.
    len: usize,
    /// The remaining length.
    body: usize,
    padded: bool,
}

impl Header {
    fn peek(input: &[u8]) -> Result<Option<Self>, PacketError> {
        let Some((&first, rest)) = input.split_first() else {
            return Ok(None);
        };
        Ok(reader::variable(rest)?.map(|(body, len)| Self {
            first,
            len: len + 1,
            body: body as usize,
            padded: reader::padded(body, len),
        }))
    }
}
