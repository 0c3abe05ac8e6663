//! IOTM taken apart for a person: every record and item, as far as the bytes can be read.

use std::fmt::Write as _;
use std::ops::Range;

use fleetwire_model::Imei;
use fleetwire_model::pb::FixType;

use super::container::VERSION;
use super::output::{self, Polarity};
use super::value::{Value, take_item};
use super::{EVENT, IMEI, OUTPUT_CONTROL, Options, TELEMETRY};
use super::{event, names, telemetry};
use crate::checksum::checksum;
use crate::{Decoded, Event, Explanation, Position, describe, dt7};

/// Type and length of a record.
const HEAD: usize = 3;

/// Takes a payload apart. What does not decode is read as far as its lengths make sense; the error is the one that
/// decoding has.
pub fn explain(payload: &[u8], options: &Options) -> Explanation {
    let error = super::decode(payload, options, &mut Decoded::default()).err();
    let found = Explanation { error, ..Explanation::default() };
    let mut walk = Walk { payload, options, found };
    walk.container();
    if walk.found.error.is_some() {
        walk.hints();
    }
    walk.found
}

/// Whether bytes begin as payloads of this protocol do: version 2 and an IMEI record.
pub(crate) fn looks_like(payload: &[u8]) -> bool {
    payload.starts_with(&[VERSION, IMEI, 8, 0])
}

struct Walk<'a> {
    payload: &'a [u8],
    options: &'a Options,
    found: Explanation,
}

impl<'a> Walk<'a> {
    fn bytes(&self, span: Range<usize>) -> &'a [u8] {
        self.payload.get(span).unwrap_or_default()
    }

    /// Version, records, checksum; every byte is in one part.
    fn container(&mut self) {
        let end = self.payload.len();
        let Some(&version) = self.payload.first() else { return };
        let known = if version == VERSION { "" } else { "not known; 2 is" };
        self.found.part(0, 0..1, "version", version.to_string(), known);
        if version != VERSION {
            return self.unread(0, 1..end);
        }
        let last = end.saturating_sub(1).max(1);
        let mut at = 1;
        while at < last {
            at = self.record(at, last);
        }
        if last < end {
            let expected = checksum(self.bytes(0..last));
            let is = match self.bytes(last..end) {
                [found] if *found == expected => "right".to_owned(),
                _ => format!("wrong: the bytes before it sum to {expected:#04x}"),
            };
            self.found.part(0, last..end, "checksum", describe::hex(self.bytes(last..end)), is);
        }
    }

    /// One record; returns where the next begins.
    fn record(&mut self, at: usize, last: usize) -> usize {
        let Some(&[record_type, low, high]) = self.bytes(at..last).first_chunk() else {
            self.unread(1, at..last);
            return last;
        };
        let length = usize::from(u16::from_le_bytes([low, high]));
        let end = (at + HEAD + length).min(last);
        let mut value = format!("{length} bytes");
        if at + HEAD + length != end {
            let _ = write!(value, ", but {} are there", last - at - HEAD);
        }
        let body = at + HEAD..end;
        let what = match record_type {
            TELEMETRY => "record 1, telemetry".to_owned(),
            IMEI => "record 2, IMEI".to_owned(),
            EVENT => "record 3, event".to_owned(),
            OUTPUT_CONTROL => "record 4, output control".to_owned(),
            other => format!("record {other}"),
        };
        let meaning = self.outcome(record_type, self.bytes(body.clone()));
        self.found.part(1, at..end, what, value, meaning);
        match record_type {
            TELEMETRY => self.items(body),
            IMEI => self.imei(body),
            EVENT => self.event(body),
            OUTPUT_CONTROL => self.command(body),
            _ => self.unread(2, body),
        }
        end
    }

    /// What a record becomes; of a telemetry record, what only all of its items together decide.
    fn outcome(&self, record_type: u8, body: &[u8]) -> String {
        match record_type {
            TELEMETRY => {
                let mut all = Position::default();
                telemetry::decode(body, self.options, &mut all);
                let decided = Position {
                    ignition: all.ignition,
                    odometer_m: all.odometer_m,
                    fix: all.fix,
                    quality: all.quality,
                    ..Position::default()
                };
                format!("position: {}", describe::position(&decided))
            }
            IMEI => "the device of the records after it".to_owned(),
            EVENT => "event".to_owned(),
            OUTPUT_CONTROL => "only a server sends it; skipped".to_owned(),
            _ => "not known; skipped by its length".to_owned(),
        }
    }

    fn imei(&mut self, body: Range<usize>) {
        let Some(number) = self.bytes(body.clone()).first_chunk() else { return self.unread(2, body) };
        let number = u64::from_le_bytes(*number);
        let meaning = match Imei::from_number(number) {
            Ok(imei) => format!("device_id = {imei}"),
            Err(error) => error.to_string(),
        };
        self.found.part(2, body.start..body.start + 8, "IMEI", number.to_string(), meaning);
        self.unread(2, body.start + 8..body.end);
    }

    fn event(&mut self, body: Range<usize>) {
        let mut filled = Event::default();
        if !event::decode(self.bytes(body.clone()), &mut filled) {
            return self.unread(2, body);
        }
        let value = describe::hex(self.bytes(body.clone()));
        self.found.part(2, body, "time, function, event, firmware", value, describe::event(&filled));
    }

    fn command(&mut self, body: Range<usize>) {
        let bytes = self.bytes(body.clone());
        let meaning = match output::read_record(bytes, None, Polarity::default()) {
            Ok(command) => command.to_string(),
            Err(error) => error.to_string(),
        };
        if !body.is_empty() {
            self.found.part(2, body, "command", describe::hex(bytes), meaning);
        }
    }

    fn items(&mut self, body: Range<usize>) {
        let Some((time, mut items)) = self.bytes(body.clone()).split_first_chunk::<4>() else {
            return self.unread(2, body);
        };
        let mut at = body.start + time.len();
        let seconds = u32::from_le_bytes(*time);
        let meaning = format!("device_time = {}", describe::time(i64::from(seconds) * 1000));
        self.found.part(2, body.start..at, "time", seconds.to_string(), meaning);
        let mut all = Position::default();
        telemetry::decode(self.bytes(body.clone()), self.options, &mut all);
        while let Some((id, value, rest)) = take_item(items) {
            let (item, _) = items.split_at(items.len() - rest.len());
            let kind = names::value_type(item.first().copied().unwrap_or_default());
            let what = format!("item {id:#06X} {kind}, {}", names::name(id));
            let meaning = self.meaning(*time, id, item, &all);
            self.found.part(2, at..at + item.len(), what, raw(value), meaning);
            at += item.len();
            items = rest;
        }
        if !items.is_empty() {
            let kind = names::value_type(items.first().copied().unwrap_or_default());
            let meaning = format!("attribute undecoded: {kind}, or cut off; QUALITY_PARTIAL_RECORD");
            self.found.part(2, at..body.end, "rest", describe::hex(items), meaning);
        }
    }

    /// What an item becomes; `all` is what its record does.
    fn meaning(&self, time: [u8; 4], id: u16, item: &[u8], all: &Position) -> String {
        let has_gps = all.fix.is_some_and(|fix| fix.r#type() != FixType::NoFix);
        if has_gps && matches!(id, 0x2000 | 0x2001 | 0x300B) {
            return format!("repeats the GPS structure; attribute io_{id:#06X} where it differs");
        }
        let mut alone = Position::default();
        telemetry::decode(&[&time, item].concat(), self.options, &mut alone);
        alone.device_time_ms = None;
        let mut meaning = describe::position(&alone);
        let ignition = alone.ignition.is_some() && alone.ignition != all.ignition;
        if ignition || (alone.odometer_m.is_some() && alone.odometer_m != all.odometer_m) {
            meaning.push_str(" alone; the record as a whole decides otherwise, see there");
        }
        meaning
    }

    fn unread(&mut self, depth: usize, span: Range<usize>) {
        if !span.is_empty() {
            self.found.part(depth, span.clone(), "bytes", describe::hex(self.bytes(span)), "not read");
        }
    }

    fn hints(&mut self) {
        if dt7::fits(self.payload) {
            self.found.hint("it is a complete DT7 payload: is the model right?");
        } else if matches!(self.payload.first(), Some(b'{' | b'[')) {
            self.found.hint("it looks like JSON: is the model right?");
        }
    }
}

/// A value as the device sent it.
fn raw(value: Value<'_>) -> String {
    match value {
        Value::Bool(on) => on.to_string(),
        Value::Null => String::new(),
        Value::Zero => "0".to_owned(),
        Value::Unsigned(number) => number.to_string(),
        Value::Signed(number) => number.to_string(),
        Value::Float32(number) => number.to_string(),
        Value::Float64(number) => number.to_string(),
        Value::Gps(gps) => format!(
            "latitude {}, longitude {}, {} km/h, hdop {}/10, {} satellites, course {}, altitude {} m",
            gps.latitude,
            gps.longitude,
            gps.speed_kmh,
            gps.hdop_tenths,
            gps.satellites,
            gps.course_deg,
            gps.altitude_m
        ),
        Value::Text(text) => format!("{:?}", String::from_utf8_lossy(text)),
        Value::Bytes(bytes) => describe::hex(bytes),
    }
}
