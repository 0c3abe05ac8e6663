//! Masks, and the fields that their bits name, one behind the other. The width of a field is known by its bit
//! alone; where it is not, the rest of the record cannot be read.

use super::field::{self, Field};

/// Bit of a mask that says that another follows.
const MORE: u16 = 1 << 15;

/// One part of a record's body after its masks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    /// A field.
    Field(&'static Field, &'a [u8]),
    /// The rest of the record, which is not read, and why.
    Rest(Stop, &'a [u8]),
}

/// Why the rest of a record is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The last mask says that another follows, and the record ends.
    Masks,
    /// The bit of this place (mask from 1, bit from 0) is of unknown width, or the record ends within its field.
    Field(usize, u32),
    /// No bit is left.
    NoBit,
}

/// The masks at the front of a body, as their bytes, and the bytes after them; `None` if the body ends first.
pub(super) fn split(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let place = masks(body).position(|mask| mask & MORE == 0)?;
    body.split_at_checked((place + 1) * 2)
}

/// The masks of their bytes.
pub(super) fn masks(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.as_chunks().0.iter().map(|mask| u16::from_le_bytes(*mask))
}

/// The parts of a body in their order.
pub(super) fn parts(body: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let (masks, rest, whole) = match split(body) {
        Some((masks, rest)) => (masks, rest, true),
        None => ([].as_slice(), body, false),
    };
    Parts { bits: Bits::new(masks), rest, whole, done: false }
}

struct Parts<'a> {
    bits: Bits<'a>,
    rest: &'a [u8],
    /// Whether the masks are complete.
    whole: bool,
    done: bool,
}

impl<'a> Parts<'a> {
    fn stop(&mut self, stop: Stop) -> Part<'a> {
        self.done = true;
        Part::Rest(stop, self.rest)
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        if self.done {
            return None;
        }
        if !self.whole {
            return Some(self.stop(Stop::Masks));
        }
        let Some((mask, bit)) = self.bits.next() else {
            return (!self.rest.is_empty()).then(|| self.stop(Stop::NoBit));
        };
        let field = field::at(mask, bit);
        let Some((field, (bytes, rest))) =
            field.and_then(|field| Some((field, self.rest.split_at_checked(field.width)?)))
        else {
            return Some(self.stop(Stop::Field(mask, bit)));
        };
        self.rest = rest;
        Some(Part::Field(field, bytes))
    }
}

/// The bits that are set, mask by mask, from bit 0.
struct Bits<'a> {
    masks: std::slice::Iter<'a, [u8; 2]>,
    /// Number of the mask, from 1.
    number: usize,
    left: u16,
}

impl<'a> Bits<'a> {
    fn new(masks: &'a [u8]) -> Self {
        Self { masks: masks.as_chunks().0.iter(), number: 0, left: 0 }
    }
}

impl Iterator for Bits<'_> {
    type Item = (usize, u32);

    fn next(&mut self) -> Option<(usize, u32)> {
        while self.left == 0 {
            self.left = u16::from_le_bytes(*self.masks.next()?) & !MORE;
            self.number += 1;
        }
        let bit = self.left.trailing_zeros();
        self.left &= self.left - 1;
        Some((self.number, bit))
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Masks => f.write_str("masks"),
            Self::Field(mask, bit) => write!(f, "mask {mask} bit {bit}"),
            Self::NoBit => f.write_str("end of fields"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_mask_by_mask() {
        let bytes = [0x05, 0x80, 0x00, 0x80, 0x00, 0x40];
        let (masks, rest) = split(&bytes).unwrap();
        assert_eq!((masks.len(), rest), (6, &[][..]));
        assert_eq!(Bits::new(masks).collect::<Vec<_>>(), [(1, 0), (1, 2), (3, 14)]);
        assert!(split(&bytes[..4]).is_none() && split(&[]).is_none() && split(&[0]).is_none());
    }

    #[test]
    fn every_bit_of_a_mask_can_name_a_field() {
        let bytes = [0xFF, 0x7F];
        assert_eq!(Bits::new(&bytes).count(), 15);
    }
}
