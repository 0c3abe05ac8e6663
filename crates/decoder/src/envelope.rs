//! What the decoder adds to the device's part of an event, and dead letters: written as the contract's messages.
//!
//! All events of one publish have most of it in common; it is written once and copied.

use fleetwire_codec::{Kind, QualitySet};
use fleetwire_model::DeviceId;
use fleetwire_model::wire;

use crate::interpret::RawRecord;
use crate::raw::RawView;

/// What is the same for every event of a build.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Build {
    /// Name of the build.
    pub(crate) version: &'static str,
    /// When the raw record is decoded, Unix milliseconds.
    pub(crate) now_ms: i64,
}

/// Where the events of one publish come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    /// The publish.
    pub(crate) raw: RawView<'a>,
    /// Where it lies in Kafka.
    pub(crate) record: RawRecord<'a>,
    /// What it is read by.
    pub(crate) protocol: &'static str,
    /// Who reads it, and when.
    pub(crate) build: Build,
}

/// What one event has of its own, beside the device's part.
pub(crate) struct Own<'a> {
    pub(crate) kind: Kind,
    pub(crate) event_id: [u8; 32],
    pub(crate) dedup_key: [u8; 16],
    pub(crate) device: &'a DeviceId,
    pub(crate) model: &'a str,
    pub(crate) index: u32,
    pub(crate) count: u32,
    /// What the decoder has to say of it.
    pub(crate) quality: QualitySet,
    /// What the device said.
    pub(crate) body: &'a [u8],
}

/// Numbers of the fields in which the two messages differ.
struct Fields {
    received_time: u32,
    decoded_time: u32,
    quality: u32,
    raw_ref: u32,
    decoder_version: u32,
    region: u32,
    host: u32,
}

const fn fields(kind: Kind) -> Fields {
    match kind {
        Kind::Position => Fields {
            received_time: 8,
            decoded_time: 9,
            quality: 31,
            raw_ref: 32,
            decoder_version: 33,
            region: 34,
            host: 35,
        },
        Kind::Event => Fields {
            received_time: 7,
            decoded_time: 13,
            quality: 14,
            raw_ref: 12,
            decoder_version: 15,
            region: 16,
            host: 17,
        },
    }
}

/// The parts that events of one publish share, written when the first of a kind needs them.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    position: Vec<u8>,
    event: Vec<u8>,
    /// Topic, partition and offset of a `RawRef`.
    place: Vec<u8>,
}

impl Shared {
    /// Forgets the last publish.
    pub(crate) fn clear(&mut self) {
        self.position.clear();
        self.event.clear();
        self.place.clear();
    }

    /// Appends one event.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, own: &Own<'_>, origin: &Origin<'_>) {
        let Origin { raw, record, protocol, build } = origin;
        let fields = fields(own.kind);
        wire::some_bytes(out, 1, &own.event_id);
        wire::some_bytes(out, 2, &own.dedup_key);
        wire::text(out, 3, own.device.as_str());
        wire::text(out, 4, own.model);
        let common = match own.kind {
            Kind::Position => &mut self.position,
            Kind::Event => &mut self.event,
        };
        if common.is_empty() {
            wire::text(common, 5, protocol);
            if let Some(ms) = raw.received_ms {
                wire::timestamp(common, fields.received_time, ms);
            }
            wire::timestamp(common, fields.decoded_time, build.now_ms);
            wire::text(common, fields.decoder_version, build.version);
            wire::text(common, fields.region, raw.region);
            wire::text(common, fields.host, raw.host);
        }
        out.extend_from_slice(common);
        out.extend_from_slice(own.body);
        own.quality.write(out, fields.quality);
        if self.place.is_empty() {
            place(&mut self.place, record);
        }
        wire::message(out, fields.raw_ref, |out| {
            out.extend_from_slice(&self.place);
            wire::number(out, 4, own.index.into());
            wire::number(out, 5, own.count.into());
        });
    }
}

fn place(out: &mut Vec<u8>, record: &RawRecord<'_>) {
    wire::text(out, 1, record.topic);
    wire::integer(out, 2, record.partition.into());
    wire::integer(out, 3, record.offset);
}

/// What a dead letter says, beside the raw record.
pub(crate) struct Letter<'a> {
    pub(crate) model: &'a str,
    pub(crate) protocol: &'a str,
    pub(crate) code: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) byte_offset: Option<usize>,
    /// Whether the Kafka value can be read as a `RawPublish`.
    pub(crate) readable: bool,
}

impl Letter<'_> {
    /// Appends the dead letter. The raw record goes into it as it lies in Kafka.
    pub(crate) fn write(&self, out: &mut Vec<u8>, record: &RawRecord<'_>, build: Build) {
        if self.readable {
            wire::some_bytes(out, 1, record.value);
        }
        wire::message(out, 2, |out| place(out, record));
        wire::text(out, 3, self.model);
        wire::text(out, 4, self.protocol);
        wire::text(out, 5, self.code);
        wire::text(out, 6, self.reason);
        if let Some(offset) = self.byte_offset.and_then(|offset| u32::try_from(offset).ok()) {
            wire::some_number(out, 7, offset.into());
        }
        wire::timestamp(out, 8, build.now_ms);
        wire::text(out, 9, build.version);
        if !self.readable {
            wire::bytes(out, 10, record.value);
        }
    }
}
