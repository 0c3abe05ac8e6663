//! What one payload held: records in the order of the payload, and what was passed over.

use std::ops::Range;

use fleetwire_model::DeviceId;
use fleetwire_model::pb::{DeviceEvent, PositionEvent};
use prost::Message as _;

use crate::event::Event;
use crate::position::Position;
use crate::{DecodeError, mapping};

/// What one payload held. A worker keeps one and clears it between payloads, so that its room is used again.
///
/// A payload that ends in an error leaves it as it was.
#[derive(Debug, Default, Clone)]
pub struct Decoded {
    /// Records that became events, in the order of the payload.
    pub records: Vec<Record>,
    /// Records that are no event of the device, in the order of the payload.
    pub skipped: Vec<Skipped>,
    /// Records that make no sense in a payload that otherwise does, in the order of the payload.
    pub rejected: Vec<DecodeError>,
    /// The device's parts of the events, one behind the other.
    bytes: Vec<u8>,
    /// The position that is being made.
    position: Box<Position>,
    /// The event that is being made.
    event: Box<Event>,
    /// Room of protocols that are JSON.
    pub(crate) scratch: Box<mapping::Scratch>,
}

/// One record that became an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Device that the payload names for this record; `None` leaves it to the session's identity.
    pub device_id: Option<DeviceId>,
    /// Bytes of the payload that are this record: what a key for deduplication is made of. For IOTM and DT7 its
    /// head is included.
    pub span: Range<usize>,
    /// What it became.
    pub kind: Kind,
    /// Time in the record, Unix milliseconds.
    pub device_time_ms: Option<i64>,
    /// Where the device's part of the event lies.
    body: Range<usize>,
}

/// What a record became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A position, or sensors without one.
    Position,
    /// Something that happened, by the device's own codes.
    Event,
}

/// What a record says. Filled are the parts that the device made (times, fix, sensors, attributes, and
/// quality as far as the bytes tell it); ids, identity, model, protocol, `raw_ref` and the times of
/// reception and decoding are at their defaults.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A position, or sensors without one.
    Position(Box<PositionEvent>),
    /// Something that happened, by the device's own codes.
    Event(Box<DeviceEvent>),
}

impl Decoded {
    /// Forgets what it holds and keeps the room for more.
    pub fn clear(&mut self) {
        self.records.clear();
        self.skipped.clear();
        self.rejected.clear();
        self.bytes.clear();
    }

    /// The device's part of a record's event: fields of a `PositionEvent` or `DeviceEvent`. A caller that appends
    /// the fields that it knows has the whole event. Empty for a record of another payload.
    pub fn body(&self, record: &Record) -> &[u8] {
        self.bytes.get(record.body.clone()).unwrap_or_default()
    }

    /// What a record says, as a message. For tools; it allocates.
    pub fn open(&self, record: &Record) -> Result<Body, prost::DecodeError> {
        let bytes = self.body(record);
        Ok(match record.kind {
            Kind::Position => Body::Position(Box::new(PositionEvent::decode(bytes)?)),
            Kind::Event => Body::Event(Box::new(DeviceEvent::decode(bytes)?)),
        })
    }

    /// An empty position to fill, and then to [`keep_position`](Self::keep_position).
    pub(crate) fn blank_position(&mut self) -> &mut Position {
        self.position.clear();
        &mut self.position
    }

    /// Makes the position that was filled the next record.
    pub(crate) fn keep_position(&mut self, device_id: Option<DeviceId>, span: Range<usize>) {
        let start = self.bytes.len();
        self.position.write(&mut self.bytes);
        self.records.push(Record {
            device_id,
            span,
            kind: Kind::Position,
            device_time_ms: self.position.device_time_ms,
            body: start..self.bytes.len(),
        });
    }

    /// An empty event to fill, and then to [`keep_event`](Self::keep_event).
    pub(crate) fn blank_event(&mut self) -> &mut Event {
        self.event.clear();
        &mut self.event
    }

    /// Makes the event that was filled the next record.
    pub(crate) fn keep_event(&mut self, device_id: Option<DeviceId>, span: Range<usize>) {
        let start = self.bytes.len();
        self.event.write(&mut self.bytes);
        self.records.push(Record {
            device_id,
            span,
            kind: Kind::Event,
            device_time_ms: self.event.device_time_ms,
            body: start..self.bytes.len(),
        });
    }
}

/// Equal if they hold the same, whatever room they keep.
impl PartialEq for Decoded {
    fn eq(&self, other: &Self) -> bool {
        let same = |one: &Self, two: &Self| one.bytes == two.bytes && one.rejected == two.rejected;
        self.records == other.records && self.skipped == other.skipped && same(self, other)
    }
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
    /// An answer of the device to a command.
    Answer,
    /// A record type without a public description.
    Unknown,
}

impl SkippedKind {
    /// A fixed word for metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Answer => "answer",
            Self::Unknown => "unknown",
        }
    }
}
