//! What one payload held: records in the order of the payload, and what was passed over.

use std::ops::Range;

use fleetwire_model::DeviceId;
use fleetwire_model::pb::{DeviceEvent, PositionEvent};
use prost::Message;

/// What one payload held. A worker keeps one and clears it between payloads.
///
/// A payload that ends in an error leaves it as it was.
#[derive(Debug, Default, Clone)]
pub struct Decoded {
    /// Records that became events, in the order of the payload.
    pub records: Vec<Record>,
    /// Records that are no event of the device, in the order of the payload.
    pub skipped: Vec<Skipped>,
    /// Events to use again, empty but for their room.
    #[expect(clippy::vec_box, reason = "they leave as the boxes that they came as")]
    spare: Vec<Box<PositionEvent>>,
}

/// Events kept for use again: the records of a large payload, in about 64 kB.
const MAX_SPARE: usize = 64;

impl Decoded {
    /// Forgets what it holds and keeps the room for more, that of events which are still in it included.
    pub fn clear(&mut self) {
        self.skipped.clear();
        for record in self.records.drain(..) {
            if let Body::Position(mut event) = record.body
                && self.spare.len() < MAX_SPARE
            {
                event.clear();
                self.spare.push(event);
            }
        }
    }

    /// An empty event.
    pub(crate) fn blank_position(&mut self) -> Box<PositionEvent> {
        self.spare.pop().unwrap_or_default()
    }
}

/// Equal if they hold the same, whatever room they keep.
impl PartialEq for Decoded {
    fn eq(&self, other: &Self) -> bool {
        self.records == other.records && self.skipped == other.skipped
    }
}

/// One record that became an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Device that the payload names for this record; `None` leaves it to the session's identity.
    pub device_id: Option<DeviceId>,
    /// Bytes of the payload that are this record, its type and length included: what a key for
    /// deduplication is made of.
    pub span: Range<usize>,
    /// What the record says.
    pub body: Body,
}

/// What a record says. Filled are the parts that the device made (times, fix, sensors, attributes, and
/// quality as far as the bytes tell it); ids, identity, model, protocol, `raw_ref` and the times of
/// reception and decoding are left at their defaults for the caller.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A position, or sensors without one.
    Position(Box<PositionEvent>),
    /// Something that happened, by the device's own codes.
    Event(Box<DeviceEvent>),
}

/// One record that was passed over by its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Why it is no event.
    pub kind: SkippedKind,
    /// Record type as the protocol numbers it.
    pub record_type: u8,
    /// Bytes of the payload that are this record, its type and length included.
    pub span: Range<usize>,
}

/// Why a record is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkippedKind {
    /// A command to a device, which a device has no reason to send.
    Command,
    /// A record type without a public description.
    Unknown,
}

impl SkippedKind {
    /// A fixed word for metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Unknown => "unknown",
        }
    }
}
