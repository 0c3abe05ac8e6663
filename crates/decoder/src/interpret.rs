//! What one raw record becomes: events, a dead letter, or both. Pure: no Kafka, no clock.

use std::sync::Arc;

use bytes::Bytes;
use fleetwire_codec::{Body, Decoded, Options, Record};
use fleetwire_model::pb::{DeadLetter, DeviceEvent, PositionEvent, Quality, RawPublish, RawRef};
use fleetwire_model::{DeviceId, event_id, time};
use fleetwire_registry::{Devices, Model};
use prost::Message as _;
use prost_types::Timestamp;

use crate::config::ClockSettings;

/// One record of the raw topic.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    /// Kafka topic.
    pub topic: &'a str,
    /// Kafka partition.
    pub partition: i32,
    /// Kafka offset.
    pub offset: i64,
    /// Kafka value; a tombstone counts as an empty one.
    pub value: &'a [u8],
}

/// One thing to produce.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// For the positions topic.
    Position(Box<PositionEvent>),
    /// For the device events topic.
    Event(Box<DeviceEvent>),
    /// For the dead letters topic.
    DeadLetter(Box<DeadLetter>),
}

/// What one raw record became.
#[derive(Debug, Default)]
pub struct Interpretation {
    /// Kafka key of every output.
    pub key: String,
    /// What to produce, in order. Never empty: what holds no event is a dead letter.
    pub outputs: Vec<Output>,
    /// Protocol that was used; empty if none was known.
    pub protocol: &'static str,
    /// When the frontend received it, Unix milliseconds; 0 if unknown.
    pub received_ms: i64,
    /// Records of the payload that are no event of the device.
    pub skipped: usize,
}

/// Interprets raw records by the registry's word on who sent them.
#[derive(Debug)]
pub struct Interpreter {
    devices: Arc<Devices>,
    options: Options,
    clock: ClockSettings,
    version: &'static str,
    scratch: Decoded,
}

/// Why a raw record, or a part of it, is no event: a fixed word and a sentence.
struct Rejection {
    code: &'static str,
    reason: String,
    byte_offset: Option<usize>,
}

impl Rejection {
    fn new(code: &'static str, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), byte_offset: None }
    }
}

/// Words of rejections that are not the codec's; [`fleetwire_codec::DecodeError::CODES`] has those.
pub const CODES: &[&str] =
    &["raw_record", "no_identity", "not_activated", "disabled", "no_records", "identity_mismatch"];

impl Interpreter {
    /// An interpreter; `version` is the build that events name.
    pub fn new(devices: Arc<Devices>, options: Options, clock: ClockSettings, version: &'static str) -> Self {
        Self { devices, options, clock, version, scratch: Decoded::default() }
    }

    /// Interprets one raw record at `now_ms`, Unix milliseconds.
    pub fn interpret(&mut self, record: RawRecord<'_>, now_ms: i64) -> Interpretation {
        let raw_ref = RawRef {
            topic: record.topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
            record_index: 0,
            record_count: 0,
        };
        let raw = match RawPublish::decode(record.value) {
            Ok(raw) => raw,
            Err(err) => {
                let letter = DeadLetter {
                    raw_ref: Some(raw_ref),
                    code: "raw_record".to_owned(),
                    reason: format!("the Kafka value is no RawPublish: {err}"),
                    rejected_time: Some(time::from_unix_ms(now_ms)),
                    decoder_version: self.version.to_owned(),
                    raw_value: Bytes::copy_from_slice(record.value),
                    ..DeadLetter::default()
                };
                let outputs = vec![Output::DeadLetter(Box::new(letter))];
                return Interpretation { outputs, ..Interpretation::default() };
            }
        };
        self.publish(raw, raw_ref, now_ms)
    }

    fn publish(&mut self, raw: RawPublish, raw_ref: RawRef, now_ms: i64) -> Interpretation {
        let mut result = Interpretation {
            key: if raw.device_id.is_empty() { raw.client_id.clone() } else { raw.device_id.clone() },
            received_ms: raw.received_time.as_ref().map_or(0, time::to_unix_ms),
            ..Interpretation::default()
        };
        let mut model = None;
        let rejection = match self.sender(&raw) {
            Err(rejection) => Some(rejection),
            Ok((device, known)) => {
                model = Some(known);
                result.protocol = known.protocol.name();
                let event = Envelope { device, model: known, raw: &raw, raw_ref: &raw_ref, now_ms };
                self.payload(&event, &mut result)
            }
        };
        if let Some(rejection) = rejection {
            let letter = DeadLetter {
                raw: Some(raw),
                raw_ref: Some(raw_ref),
                model: model.map(|m| m.id.to_owned()).unwrap_or_default(),
                protocol: result.protocol.to_owned(),
                code: rejection.code.to_owned(),
                reason: rejection.reason,
                byte_offset: rejection.byte_offset.and_then(|offset| u32::try_from(offset).ok()),
                rejected_time: Some(time::from_unix_ms(now_ms)),
                decoder_version: self.version.to_owned(),
                raw_value: Bytes::new(),
            };
            result.outputs.push(Output::DeadLetter(Box::new(letter)));
        }
        result
    }

    /// The activated device that a publish came from.
    fn sender(&self, raw: &RawPublish) -> Result<(DeviceId, &'static Model), Rejection> {
        let device: DeviceId = raw.device_id.parse().map_err(|err| {
            Rejection::new("no_identity", format!("`{}` is no device id: {err}", raw.device_id))
        })?;
        match self.devices.get(&device) {
            None => Err(Rejection::new("not_activated", format!("device {device} is not activated"))),
            Some(found) if !found.is_active() => {
                Err(Rejection::new("disabled", format!("device {device} is disabled")))
            }
            Some(found) => Ok((device, found.model)),
        }
    }

    /// Decodes the payload into events; what is not usable is the rejection.
    fn payload(&mut self, envelope: &Envelope<'_>, result: &mut Interpretation) -> Option<Rejection> {
        let payload = &envelope.raw.payload;
        self.scratch.clear();
        if let Err(err) = envelope.model.protocol.decode(payload, &self.options, &mut self.scratch) {
            let byte_offset = err.byte_offset();
            return Some(Rejection { code: err.code(), reason: err.to_string(), byte_offset });
        }
        result.skipped = self.scratch.skipped.len();
        let count = u32::try_from(self.scratch.records.len()).unwrap_or(u32::MAX);
        if count == 0 {
            let reason = format!("the payload holds no event ({} records were skipped)", result.skipped);
            return Some(Rejection::new("no_records", reason));
        }
        let mut foreign: Option<(DeviceId, usize)> = None;
        for (index, record) in (0..count).zip(self.scratch.records.drain(..)) {
            match &record.device_id {
                Some(claimed) if *claimed != envelope.device => {
                    foreign.get_or_insert((claimed.clone(), record.span.start));
                }
                _ => {
                    let place =
                        RawRef { record_index: index, record_count: count, ..envelope.raw_ref.clone() };
                    result.outputs.push(envelope.fill(record, place, self.clock, self.version));
                }
            }
        }
        foreign.map(|(claimed, offset)| Rejection {
            code: "identity_mismatch",
            reason: format!("the session is {}, the payload says {claimed}", envelope.device),
            byte_offset: Some(offset),
        })
    }
}

/// What all events of one publish have in common.
struct Envelope<'a> {
    device: DeviceId,
    model: &'static Model,
    raw: &'a RawPublish,
    raw_ref: &'a RawRef,
    now_ms: i64,
}

impl Envelope<'_> {
    fn fill(&self, record: Record, place: RawRef, clock: ClockSettings, version: &str) -> Output {
        let received_ms = self.raw.received_time.as_ref().map_or(0, time::to_unix_ms);
        let event_id = event_id::event_id(&place, received_ms);
        let protocol = self.model.protocol.name();
        let encoded = self.raw.payload.get(record.span).unwrap_or_default();
        let dedup_key = event_id::dedup_key(&self.device, protocol, encoded);
        let suspicion = |device_time: Option<&Timestamp>| {
            clock.suspicion(device_time.map(time::to_unix_ms), received_ms).map(i32::from)
        };
        match record.body {
            Body::Position(mut position) => {
                position.quality.extend(suspicion(position.device_time.as_ref()));
                Output::Position(Box::new(PositionEvent {
                    event_id,
                    dedup_key,
                    device_id: self.device.to_string(),
                    model: self.model.id.to_owned(),
                    protocol: protocol.to_owned(),
                    received_time: self.raw.received_time,
                    decoded_time: Some(time::from_unix_ms(self.now_ms)),
                    raw_ref: Some(place),
                    decoder_version: version.to_owned(),
                    region: self.raw.region.clone(),
                    ..*position
                }))
            }
            Body::Event(mut event) => {
                event.quality.extend(suspicion(event.device_time.as_ref()));
                Output::Event(Box::new(DeviceEvent {
                    event_id,
                    dedup_key,
                    device_id: self.device.to_string(),
                    model: self.model.id.to_owned(),
                    protocol: protocol.to_owned(),
                    received_time: self.raw.received_time,
                    decoded_time: Some(time::from_unix_ms(self.now_ms)),
                    raw_ref: Some(place),
                    decoder_version: version.to_owned(),
                    region: self.raw.region.clone(),
                    ..*event
                }))
            }
        }
    }
}

impl ClockSettings {
    /// What is wrong with a device's clock, if its time is `device_ms` in a publish received at `received_ms`.
    fn suspicion(self, device_ms: Option<i64>, received_ms: i64) -> Option<Quality> {
        let ahead = device_ms?.saturating_sub(received_ms);
        let bound = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        if ahead > bound(self.future_tolerance) {
            Some(Quality::ClockInFuture)
        } else if ahead < -bound(self.max_age) {
            Some(Quality::ClockTooOld)
        } else {
            None
        }
    }
}
