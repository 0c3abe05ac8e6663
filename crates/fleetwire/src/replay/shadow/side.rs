//! An event or a dead letter as it is compared: without what differs from one decoding to the next.

use anyhow::{Context as _, Result};
use fleetwire_model::pb::{DeadLetter, DeviceEvent, PositionEvent, RawRef};
use fleetwire_model::time::to_unix_ms;
use prost::Message as _;
use prost_types::Timestamp;

use crate::replay::today::Kind;

/// Where something comes from: a record within a raw record. Dead letters, of which there is one for each code, have
/// indices of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) index: u32,
}

impl Place {
    /// The index of the dead letter with this code, beyond those of records: FNV-1a of the word.
    pub(super) fn letter(code: &str) -> u32 {
        let hash = code
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        hash | 1 << 31
    }
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) kind: Kind,
    pub(super) place: Place,
    /// The raw topic that it names.
    pub(super) raw_topic: String,
    /// When the publish was received, Unix milliseconds; 0 if that is not known.
    pub(super) received_ms: i64,
    pub(super) device: String,
    /// Its id; of a dead letter, which has none, the code.
    pub(super) id: String,
    /// The message without the time of decoding, the build, and the publish that a dead letter repeats.
    pub(super) value: Vec<u8>,
}

impl Side {
    /// Reads a record of the topic for this kind.
    pub(super) fn read(kind: Kind, value: &[u8]) -> Result<Self> {
        let what = || format!("a record is no {}", kind.message());
        match kind {
            Kind::Position => {
                let mut event = PositionEvent::decode(value).with_context(what)?;
                event.decoded_time = None;
                event.decoder_version.clear();
                let of = (event.raw_ref.as_ref(), event.received_time.as_ref());
                Ok(Self::new(kind, of, (&event.device_id, &event.event_id), event.encode_to_vec()))
            }
            Kind::Event => {
                let mut event = DeviceEvent::decode(value).with_context(what)?;
                event.decoded_time = None;
                event.decoder_version.clear();
                let of = (event.raw_ref.as_ref(), event.received_time.as_ref());
                Ok(Self::new(kind, of, (&event.device_id, &event.event_id), event.encode_to_vec()))
            }
            Kind::DeadLetter => {
                let mut letter = DeadLetter::decode(value).with_context(what)?;
                let raw = letter.raw.take().unwrap_or_default();
                letter.rejected_time = None;
                letter.decoder_version.clear();
                letter.raw_value.clear();
                let device = if raw.device_id.is_empty() { &raw.client_id } else { &raw.device_id };
                let of = (letter.raw_ref.as_ref(), raw.received_time.as_ref());
                Ok(Self::new(kind, of, (device, &letter.code), letter.encode_to_vec()))
            }
        }
    }

    fn new(
        kind: Kind,
        (raw, received): (Option<&RawRef>, Option<&Timestamp>),
        (device, id): (&str, &str),
        value: Vec<u8>,
    ) -> Self {
        let raw = raw.cloned().unwrap_or_default();
        let index = if kind == Kind::DeadLetter { Place::letter(id) } else { raw.record_index };
        Self {
            kind,
            place: Place { partition: raw.partition, offset: raw.offset, index },
            raw_topic: raw.topic,
            received_ms: received.map_or(0, to_unix_ms),
            device: device.to_owned(),
            id: id.to_owned(),
            value,
        }
    }
}
