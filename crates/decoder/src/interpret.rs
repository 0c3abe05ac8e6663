//! What one raw record becomes: events, dead letters, or both. Pure: no Kafka, no clock.
//!
//! The outputs are encoded messages in one buffer that is used again, so that decoding costs no allocation for a
//! record that is as it should be.

use std::ops::Range;
use std::sync::Arc;

use fleetwire_codec::{Codec, Decoded, Input, Kind, QualitySet, Record};
use fleetwire_model::DeviceId;
use fleetwire_model::event_id::{EventIds, dedup_key};
use fleetwire_model::pb::Quality;
use fleetwire_registry::{Catalogue, Device, Devices, Model};

use crate::config::{ClockSettings, ForeignRule};
use crate::envelope::{Build, Letter, Origin, Own, Shared};
use crate::faults::{Fault, Faults};
use crate::raw::RawView;

/// One record of the raw topic.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    /// Kafka topic.
    pub topic: &'a str,
    /// Kafka partition.
    pub partition: i32,
    /// Kafka offset.
    pub offset: i64,
    /// Kafka key.
    pub key: &'a [u8],
    /// Kafka value; a tombstone counts as an empty one.
    pub value: &'a [u8],
}

/// Which topic an output is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// A `PositionEvent`.
    Position,
    /// A `DeviceEvent`.
    Event,
    /// A `DeadLetter`.
    DeadLetter,
}

/// One thing to produce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output<'a> {
    /// Where it goes.
    pub kind: OutputKind,
    /// Kafka key.
    pub key: &'a [u8],
    /// The encoded message.
    pub value: &'a [u8],
    /// The event's deduplication key; dead letters have none.
    pub dedup_key: Option<[u8; 16]>,
    /// Why it is a dead letter: a word of [`CODES`] or of the codec's.
    pub code: Option<&'static str>,
}

/// What one raw record became.
#[derive(Debug)]
pub struct Interpretation<'a> {
    /// Protocol that was used; empty if none was known.
    pub protocol: &'static str,
    /// When the frontend received it, Unix milliseconds; 0 if unknown.
    pub received_ms: i64,
    /// Records of the payload that are no event of the device.
    pub skipped: usize,
    /// What the device's times say of its clock.
    pub clock: Clock,
    slots: &'a [Slot],
    bytes: &'a [u8],
}

impl<'a> Interpretation<'a> {
    /// What to produce, in order. Never empty: what holds no event is a dead letter.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = Output<'a>> + use<'a> {
        let bytes = self.bytes;
        self.slots.iter().map(move |slot| Output {
            kind: slot.kind,
            key: bytes.get(slot.key.clone()).unwrap_or_default(),
            value: bytes.get(slot.value.clone()).unwrap_or_default(),
            dedup_key: slot.dedup_key,
            code: slot.code,
        })
    }
}

/// What the times in one payload say of the clock of its device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    /// How far the newest record's time is from the reception, milliseconds; positive if it is ahead. Absent if no
    /// record has a time, or the reception is not known.
    pub newest_ms: Option<i64>,
    /// Events that say that the clock is ahead.
    pub ahead: u32,
    /// Events that say that it is behind, or that they are very old.
    pub behind: u32,
}

impl Clock {
    /// Takes in the time of an event.
    fn see(&mut self, device_ms: Option<i64>, received_ms: i64, quality: QualitySet) {
        if let (Some(device_ms), 1..) = (device_ms, received_ms) {
            let ahead_ms = device_ms.saturating_sub(received_ms);
            self.newest_ms = Some(self.newest_ms.map_or(ahead_ms, |newest_ms| newest_ms.max(ahead_ms)));
        }
        self.ahead += u32::from(quality.contains(Quality::ClockInFuture));
        self.behind += u32::from(quality.contains(Quality::ClockTooOld));
    }
}

/// Where an output lies in the buffer.
#[derive(Debug)]
struct Slot {
    kind: OutputKind,
    key: Range<usize>,
    value: Range<usize>,
    dedup_key: Option<[u8; 16]>,
    code: Option<&'static str>,
}

/// Interprets raw records by the registry's word on who sent them.
#[derive(Debug)]
pub struct Interpreter {
    devices: Arc<Devices>,
    catalogue: Catalogue,
    clock: ClockSettings,
    foreign: ForeignRule,
    version: &'static str,
    decoded: Decoded,
    output: OutputBuffer,
    seen: Clock,
}

/// Outputs one behind the other, and what they share.
#[derive(Debug, Default)]
struct OutputBuffer {
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    shared: Shared,
}

/// A buffer beyond this size is not kept.
const KEEP: usize = 1024 * 1024;

/// Words of dead letters that are not the codec's; [`fleetwire_codec::DecodeError::CODES`] has those.
pub const CODES: &[&str] =
    &["raw_record", "no_identity", "not_activated", "disabled", "no_records", "identity_mismatch"];

/// Whether a record names the device that it is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Own,
    Foreign,
}

/// Whom a publish speaks for.
enum Sender<'a> {
    /// One device; what it says of others is not believed.
    One(DeviceId, &'static Model),
    /// Many devices of this account.
    Many(&'a str, &'static Codec),
}

impl Interpreter {
    /// An interpreter; `version` is the build that events name.
    pub fn new(
        devices: Arc<Devices>,
        catalogue: Catalogue,
        clock: ClockSettings,
        version: &'static str,
    ) -> Self {
        let (decoded, output) = (Decoded::default(), OutputBuffer::default());
        let foreign = ForeignRule::default();
        Self { devices, catalogue, clock, foreign, version, decoded, output, seen: Clock::default() }
    }

    /// What becomes of records that name another device than their session.
    #[must_use]
    pub fn with_foreign(self, foreign: ForeignRule) -> Self {
        Self { foreign, ..self }
    }

    /// Interprets one raw record at `now_ms`, Unix milliseconds.
    pub fn interpret(&mut self, record: RawRecord<'_>, now_ms: i64) -> Interpretation<'_> {
        self.output.clear();
        self.decoded.clear();
        self.seen = Clock::default();
        let build = Build { version: self.version, now_ms };
        let (mut protocol, mut received_ms) = ("", 0);
        match RawView::read(record.value) {
            Err(err) => {
                let reason = format!("the Kafka value is no RawPublish: {err}");
                let fault = Fault::new("raw_record", reason, None);
                self.output.letter(&fault, Said { readable: false, ..Said::default() }, &record, build);
            }
            Ok(raw) => {
                received_ms = raw.received_ms.unwrap_or(0);
                protocol = self.publish(&raw, &record, build);
            }
        }
        let skipped = self.decoded.skipped.len();
        let OutputBuffer { slots, bytes, .. } = &self.output;
        Interpretation { protocol, received_ms, skipped, clock: self.seen, slots, bytes }
    }

    /// Interprets a publish; the protocol that it was read by.
    fn publish(&mut self, raw: &RawView<'_>, record: &RawRecord<'_>, build: Build) -> &'static str {
        let mut said = Said { readable: true, ..Said::default() };
        let mut faults = Faults::default();
        match self.sender(raw) {
            Err(fault) => faults.add(fault),
            Ok(sender) => {
                let codec = match &sender {
                    Sender::One(_, model) => {
                        said.model = model.id;
                        &model.codec
                    }
                    Sender::Many(_, codec) => codec,
                };
                said.protocol = codec.protocol().name();
                let input = Input {
                    payload: raw.payload,
                    topic: raw.topic,
                    received_ms: raw.received_ms.unwrap_or(0),
                };
                let origin = Origin { raw: *raw, record: *record, protocol: said.protocol, build };
                if let Err(err) = codec.decode(input, &mut self.decoded) {
                    faults.add(Fault::new(err.code(), err.to_string(), err.byte_offset()));
                } else {
                    self.records(&sender, &origin, &mut faults);
                }
            }
        }
        for fault in faults.iter() {
            self.output.letter(fault, said, record, build);
        }
        said.protocol
    }

    /// Whom a publish speaks for.
    fn sender<'a>(&self, raw: &RawView<'a>) -> Result<Sender<'a>, Fault> {
        if raw.device_id.is_empty() {
            let codec = self.catalogue.codec_of_account(raw.account).ok_or_else(|| {
                let reason = format!(
                    "account `{}` speaks for many devices, and no one way to read it is configured",
                    raw.account
                );
                Fault::new("no_identity", reason, None)
            })?;
            return Ok(Sender::Many(raw.account, codec));
        }
        let device: DeviceId = raw.device_id.parse().map_err(|err| {
            Fault::new("no_identity", format!("`{}` is no device id: {err}", raw.device_id), None)
        })?;
        let model = active(&device, self.devices.get(&device), None)?;
        Ok(Sender::One(device, model))
    }

    /// Makes the records of a payload outputs; what is not usable is a fault.
    fn records(&mut self, sender: &Sender<'_>, origin: &Origin<'_>, faults: &mut Faults) {
        let Origin { raw, record, protocol, .. } = origin;
        for err in &self.decoded.rejected {
            faults.add(Fault::new(err.code(), err.to_string(), err.byte_offset()));
        }
        let count = u32::try_from(self.decoded.records.len()).unwrap_or(u32::MAX);
        if count == 0 && faults.is_empty() {
            let skipped = self.decoded.skipped.len();
            let reason = format!("the payload holds no event ({skipped} records were skipped)");
            faults.add(Fault::new("no_records", reason, None));
        }
        let received_ms = raw.received_ms.unwrap_or(0);
        let ids = EventIds::new(record.topic, record.partition, record.offset, received_ms);
        for (index, part) in (0..count).zip(&self.decoded.records) {
            let (device, model, trust) = match self.owner(sender, part) {
                Ok(owner) => owner,
                Err(fault) => {
                    faults.add(fault);
                    continue;
                }
            };
            let encoded = raw.payload.get(part.span.clone()).unwrap_or_default();
            let mut quality = self.clock.suspicion(part.device_time_ms, received_ms);
            self.seen.see(part.device_time_ms, received_ms, quality);
            if trust == Trust::Foreign {
                quality.insert(Quality::IdentityMismatch);
            }
            let own = Own {
                kind: part.kind,
                event_id: ids.at(index),
                dedup_key: dedup_key(device, protocol, encoded),
                device,
                model,
                index,
                count,
                quality,
                body: self.decoded.body(part),
            };
            self.output.event(&own, origin);
        }
    }

    /// Whose event a record is, and of which model.
    fn owner<'r>(
        &self,
        sender: &'r Sender<'_>,
        part: &'r Record,
    ) -> Result<(&'r DeviceId, &'static str, Trust), Fault> {
        let offset = Some(part.span.start);
        match sender {
            Sender::One(device, model) => match &part.device_id {
                Some(claimed) if claimed != device && self.foreign == ForeignRule::Flag => {
                    Ok((device, model.id, Trust::Foreign))
                }
                Some(claimed) if claimed != device => {
                    let reason = format!("the session is {device}, the payload says {claimed}");
                    Err(Fault::new("identity_mismatch", reason, offset))
                }
                _ => Ok((device, model.id, Trust::Own)),
            },
            Sender::Many(account, _) => {
                let device = part.device_id.as_ref().ok_or_else(|| {
                    let reason = "the record names no device, and its session speaks for many";
                    Fault::new("no_identity", reason, offset)
                })?;
                let login = self.devices.login(device);
                let model = active(device, login.as_ref().map(|login| login.device), offset)?;
                if let Some(other) = login.filter(|login| login.account() != *account) {
                    let other = other.account();
                    let reason = format!("device {device} belongs to account {other}, not to {account}");
                    return Err(Fault::new("identity_mismatch", reason, offset));
                }
                Ok((device, model.id, Trust::Own))
            }
        }
    }
}

/// The model of a device that a person activated.
fn active(device: &DeviceId, found: Option<Device>, offset: Option<usize>) -> Result<&'static Model, Fault> {
    match found {
        None => Err(Fault::new("not_activated", format!("device {device} is not activated"), offset)),
        Some(found) if !found.is_active() => {
            Err(Fault::new("disabled", format!("device {device} is disabled"), offset))
        }
        Some(found) => Ok(found.model),
    }
}

/// What dead letters of one publish say alike.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    model: &'static str,
    protocol: &'static str,
    readable: bool,
}

impl OutputBuffer {
    fn clear(&mut self) {
        self.slots.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEEP);
        self.shared.clear();
    }

    fn event(&mut self, own: &Own<'_>, origin: &Origin<'_>) {
        let key = self.key(own.device.as_str().as_bytes());
        let start = self.bytes.len();
        self.shared.write(&mut self.bytes, own, origin);
        let kind = match own.kind {
            Kind::Position => OutputKind::Position,
            Kind::Event => OutputKind::Event,
        };
        let value = start..self.bytes.len();
        self.slots.push(Slot { kind, key, value, dedup_key: Some(own.dedup_key), code: None });
    }

    fn letter(&mut self, fault: &Fault, said: Said, record: &RawRecord<'_>, build: Build) {
        // As the raw record: that of the device, or of the session that speaks for many.
        let key = self.key(record.key);
        let start = self.bytes.len();
        let letter = Letter {
            model: said.model,
            protocol: said.protocol,
            code: fault.code,
            reason: &fault.sentence(),
            byte_offset: fault.byte_offset,
            readable: said.readable,
        };
        letter.write(&mut self.bytes, record, build);
        let (kind, value) = (OutputKind::DeadLetter, start..self.bytes.len());
        self.slots.push(Slot { kind, key, value, dedup_key: None, code: Some(fault.code) });
    }

    fn key(&mut self, key: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        start..self.bytes.len()
    }
}

impl ClockSettings {
    /// What is wrong with a device's clock, if its time is `device_ms` in a publish received at `received_ms`.
    fn suspicion(self, device_ms: Option<i64>, received_ms: i64) -> QualitySet {
        let mut quality = QualitySet::default();
        let Some(device_ms) = device_ms else { return quality };
        let ahead = device_ms.saturating_sub(received_ms);
        let bound = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        if ahead > bound(self.future_tolerance) {
            quality.insert(Quality::ClockInFuture);
        } else if ahead < -bound(self.max_age) {
            quality.insert(Quality::ClockTooOld);
        }
        quality
    }
}
