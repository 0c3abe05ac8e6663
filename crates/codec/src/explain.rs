//! A payload taken apart for a person: every part with its place, its value and what became of it. For tools; it
//! allocates freely, within what the size of the payload bounds.

use std::ops::Range;

use crate::DecodeError;

/// A payload taken apart, also one that does not decode: then as far as it can be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Explanation {
    /// Its parts in the order of the payload.
    pub parts: Vec<Part>,
    /// Why it does not decode.
    pub error: Option<DecodeError>,
}

/// One part of a payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// How deep it lies within others: 0 for the frame, 1 for records, 2 for items.
    pub depth: usize,
    /// Its bytes within the payload.
    pub span: Range<usize>,
    /// What it is, for example "record", "item 0x3000 u16", "/gps/lat".
    pub what: String,
    /// Its value as the device sent it; may be empty.
    pub value: String,
    /// What it becomes, for example "power.supply_v = 14.51"; empty if nothing.
    pub meaning: String,
}

impl Explanation {
    /// Adds what the reader of a payload that does not decode may want to try.
    pub(crate) fn hint(&mut self, text: impl Into<String>) {
        self.part(0, 0..0, "hint", "", text);
    }

    /// Adds a part.
    #[expect(clippy::too_many_arguments, reason = "a part has five things, and one alone has no meaning")]
    pub(crate) fn part(
        &mut self,
        depth: usize,
        span: Range<usize>,
        what: impl Into<String>,
        value: impl Into<String>,
        meaning: impl Into<String>,
    ) {
        self.parts.push(Part {
            depth,
            span,
            what: what.into(),
            value: value.into(),
            meaning: meaning.into(),
        });
    }
}
