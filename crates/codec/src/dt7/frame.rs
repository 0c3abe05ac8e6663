//! The frame around the records: identity, blocks, structures, checksum. Everything that can be wrong with a
//! payload as a whole is found here, before a record is decoded.

use std::ops::Range;

use fleetwire_model::Imei;

use super::{EVENT, FIELDS, STORED, TIMED};
use crate::DecodeError;
use crate::checksum::checksum;

/// Bytes of the identity.
pub(super) const IMEI: usize = 8;
/// Length of a block.
const BLOCK_LENGTH: usize = 2;
/// Service and key of a block, which its length counts.
const BLOCK_HEAD: usize = 2;
/// Word of a structure, which its length counts.
const WORD: usize = 4;
/// What an event's codes, or the first mask of a record, need.
const LEAST_BODY: usize = 2;

/// A payload whose blocks tile it exactly, and whose structures tile their blocks.
///
/// A message has an end, so the last byte is the checksum; over TCP the end has to be found by trying at which
/// block's end the sum fits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    imei: Imei,
    /// The payload without its checksum.
    content: &'a [u8],
    checksum: u8,
}

/// One block of a payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    offset: usize,
    pub(super) service: u8,
    /// Key of a confirmation, or whatever the service puts there.
    pub(super) key: u8,
    pub(super) data: &'a [u8],
}

/// One structure of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Structure<'a> {
    offset: usize,
    word: u32,
    pub(super) body: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Checks everything but the checksum.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let truncated = |needed| DecodeError::Truncated { len: payload.len(), needed };
        let least = IMEI + BLOCK_LENGTH + BLOCK_HEAD + 1;
        let number = payload.first_chunk().ok_or_else(|| truncated(least))?;
        let number = u64::from_le_bytes(*number);
        let imei = Imei::from_number(number).map_err(|_| DecodeError::Imei { offset: 0, number })?;
        let (checksum, content) = payload.split_last().ok_or_else(|| truncated(least))?;
        if content.len() <= IMEI {
            return Err(truncated(least));
        }
        let packet = Self { imei, content, checksum: *checksum };
        let mut offset = IMEI;
        while offset < content.len() {
            let block = packet.block(offset)?;
            block.check()?;
            offset = block.span().end;
        }
        Ok(packet)
    }

    /// Checks the checksum.
    pub(super) fn verify(&self) -> Result<(), DecodeError> {
        let expected = checksum(self.content);
        if expected == self.checksum {
            return Ok(());
        }
        Err(DecodeError::Checksum { offset: self.content.len(), found: self.checksum, expected })
    }

    pub(super) const fn imei(&self) -> Imei {
        self.imei
    }

    /// The blocks in their order.
    pub(super) fn blocks(self) -> impl Iterator<Item = Block<'a>> {
        let mut offset = IMEI;
        std::iter::from_fn(move || {
            let block = self.block(offset).ok()?;
            offset = block.span().end;
            Some(block)
        })
    }

    fn block(&self, offset: usize) -> Result<Block<'a>, DecodeError> {
        let rest = self.content.get(offset..).unwrap_or_default();
        let truncated = || {
            let needed = offset + BLOCK_LENGTH + BLOCK_HEAD + 1;
            DecodeError::Truncated { len: self.content.len() + 1, needed }
        };
        let (length, rest) = rest.split_first_chunk().ok_or_else(truncated)?;
        let length = usize::from(u16::from_le_bytes(*length));
        let body =
            rest.get(..length).ok_or(DecodeError::BlockOverrun { offset, length, available: rest.len() })?;
        let (&[service, key], data) =
            body.split_first_chunk().ok_or(DecodeError::BlockLength { offset, length })?;
        Ok(Block { offset, service, key, data })
    }
}

impl<'a> Block<'a> {
    /// Its bytes within the payload, length included.
    pub(super) const fn span(&self) -> Range<usize> {
        self.offset..self.data_offset() + self.data.len()
    }

    const fn data_offset(&self) -> usize {
        self.offset + BLOCK_LENGTH + BLOCK_HEAD
    }

    /// Whether its data are structures.
    pub(super) const fn holds_structures(&self) -> bool {
        matches!(self.service, STORED | TIMED)
    }

    /// The structures in their order.
    pub(super) fn structures(self) -> impl Iterator<Item = Structure<'a>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let structure = self.structure(at)?.ok()?;
            at = structure.span().end.saturating_sub(self.data_offset());
            Some(structure)
        })
    }

    fn check(&self) -> Result<(), DecodeError> {
        let mut at = 0;
        while self.holds_structures()
            && let Some(structure) = self.structure(at)
        {
            let structure = structure?;
            structure.check()?;
            at = structure.span().end.saturating_sub(self.data_offset());
        }
        Ok(())
    }

    /// The structure at a place of the data; `None` at their end.
    fn structure(&self, at: usize) -> Option<Result<Structure<'a>, DecodeError>> {
        let (&length, rest) = self.data.get(at..)?.split_first()?;
        let (offset, length) = (self.data_offset() + at, usize::from(length));
        let record_type = rest.first().map_or(0, |byte| byte & 0x0F);
        let Some(bytes) = rest.get(..length) else {
            let available = rest.len();
            return Some(Err(DecodeError::RecordOverrun { offset, record_type, length, available }));
        };
        Some(match bytes.split_first_chunk::<WORD>() {
            Some((word, body)) => Ok(Structure { offset, word: u32::from_le_bytes(*word), body }),
            None => Err(DecodeError::RecordLength { offset, record_type, length }),
        })
    }
}

impl Structure<'_> {
    /// Its bytes within the payload, length included.
    pub(super) const fn span(&self) -> Range<usize> {
        self.offset..self.body_offset() + self.body.len()
    }

    /// Where its body begins within the payload.
    pub(super) const fn body_offset(&self) -> usize {
        self.offset + 1 + WORD
    }

    pub(super) const fn data_type(&self) -> u8 {
        (self.word & 0x0F) as u8
    }

    /// Two-second ticks since the beginning of 2008, of which only 28 bits are sent.
    pub(super) const fn ticks(&self) -> u32 {
        self.word >> 4
    }

    fn check(&self) -> Result<(), DecodeError> {
        if matches!(self.data_type(), EVENT | FIELDS) && self.body.len() < LEAST_BODY {
            return Err(DecodeError::RecordLength {
                offset: self.offset,
                record_type: self.data_type(),
                length: WORD + self.body.len(),
            });
        }
        Ok(())
    }
}
