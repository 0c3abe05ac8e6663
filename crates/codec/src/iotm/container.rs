//! The frame around the records: version, lengths, checksum. Everything that can be wrong with a payload
//! as a whole is found here, before a record is decoded.

use std::ops::Range;

use fleetwire_model::Imei;

use super::{EVENT, IMEI, TELEMETRY};
use crate::DecodeError;
use crate::checksum::checksum;

/// The only version of the format that is known.
pub(super) const VERSION: u8 = 2;
/// Type and length of a record.
const HEAD: usize = 3;
/// Version and checksum.
const FRAME: usize = 2;

/// A payload whose records tile it exactly and have lengths that their types allow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Container<'a> {
    /// The payload without its checksum.
    content: &'a [u8],
    checksum: u8,
}

/// One record of a payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawRecord<'a> {
    pub(super) offset: usize,
    pub(super) record_type: u8,
    pub(super) body: &'a [u8],
}

impl RawRecord<'_> {
    /// Its bytes within the payload, type and length included.
    pub(super) const fn span(&self) -> Range<usize> {
        self.offset..self.offset + HEAD + self.body.len()
    }

    fn check(&self) -> Result<(), DecodeError> {
        let possible = match self.record_type {
            TELEMETRY => self.body.len() >= 4,
            IMEI => self.body.len() == 8,
            EVENT => self.body.len() >= 6,
            _ => true,
        };
        if !possible {
            return Err(DecodeError::RecordLength {
                offset: self.offset,
                record_type: self.record_type,
                length: self.body.len(),
            });
        }
        match (self.record_type, self.body.first_chunk()) {
            (IMEI, Some(bytes)) => {
                let number = u64::from_le_bytes(*bytes);
                let offset = self.offset;
                Imei::from_number(number).map(drop).map_err(|_| DecodeError::Imei { offset, number })
            }
            _ => Ok(()),
        }
    }
}

impl<'a> Container<'a> {
    /// Checks everything but the checksum.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, DecodeError> {
        let truncated = |needed| DecodeError::Truncated { len: payload.len(), needed };
        match payload.first() {
            None => return Err(truncated(FRAME)),
            Some(&VERSION) => {}
            Some(&found) => {
                return Err(DecodeError::Version { found, known: VERSION });
            }
        }
        let (checksum, content) = payload.split_last().ok_or_else(|| truncated(FRAME))?;
        if content.is_empty() {
            return Err(truncated(FRAME));
        }
        let container = Self { content, checksum: *checksum };
        let mut offset = 1;
        while offset < content.len() {
            let record = container.record(offset)?;
            record.check()?;
            offset = record.span().end;
        }
        Ok(container)
    }

    /// Checks the checksum.
    pub(super) fn verify(&self) -> Result<(), DecodeError> {
        let expected = checksum(self.content);
        if expected == self.checksum {
            return Ok(());
        }
        Err(DecodeError::Checksum { offset: self.content.len(), found: self.checksum, expected })
    }

    /// The records in their order.
    pub(super) fn records(self) -> impl Iterator<Item = RawRecord<'a>> {
        let mut offset = 1;
        std::iter::from_fn(move || {
            let record = self.record(offset).ok()?;
            offset = record.span().end;
            Some(record)
        })
    }

    fn record(&self, offset: usize) -> Result<RawRecord<'a>, DecodeError> {
        let rest = self.content.get(offset..).unwrap_or_default();
        let Some((&[record_type, low, high], rest)) = rest.split_first_chunk::<HEAD>() else {
            let needed = offset + HEAD + 1;
            return Err(DecodeError::Truncated { len: self.content.len() + 1, needed });
        };
        let length = usize::from(u16::from_le_bytes([low, high]));
        let body = rest.get(..length).ok_or(DecodeError::RecordOverrun {
            offset,
            record_type,
            length,
            available: rest.len(),
        })?;
        Ok(RawRecord { offset, record_type, body })
    }
}
