//! DT7 taken apart for a person: every block, structure and field, as far as the bytes can be read.

use std::fmt::Write as _;
use std::ops::Range;

use fleetwire_model::Imei;

use super::field::{Field, Kind};
use super::mask::{self, Part, Stop};
use super::record::Record;
use super::{ANSWER, CONFIRM, EVENT, FIELDS, OUTPUT_CONTROL, Options, STORED, TIMED};
use super::{event, frame, record, time};
use crate::checksum::checksum;
use crate::{Decoded, Event, Explanation, Input, Position, describe};

/// What devices send once at the beginning of a TCP stream.
const TCP_PREAMBLE: &[u8] = b"#BCE#\r\n";

/// Takes a payload apart. What does not decode is read as far as its lengths make sense; the error is the one that
/// decoding has.
pub fn explain(input: Input<'_>, options: &Options) -> Explanation {
    let error = super::decode(input, options, &mut Decoded::default()).err();
    let found = Explanation { error, ..Explanation::default() };
    let mut walk = Walk { input, options, found };
    walk.packet();
    if walk.found.error.is_some() {
        walk.hints();
    }
    walk.found
}

/// Whether bytes are a payload of this protocol, checksum included.
pub(crate) fn fits(payload: &[u8]) -> bool {
    frame::Packet::parse(payload).is_ok_and(|packet| packet.verify().is_ok())
}

struct Walk<'a> {
    input: Input<'a>,
    options: &'a Options,
    found: Explanation,
}

impl<'a> Walk<'a> {
    fn bytes(&self, span: Range<usize>) -> &'a [u8] {
        self.input.payload.get(span).unwrap_or_default()
    }

    /// Identity, blocks, checksum; every byte is in one part.
    fn packet(&mut self) {
        let end = self.input.payload.len();
        let Some(number) = self.input.payload.first_chunk() else {
            return self.unread(0, 0..end);
        };
        let number = u64::from_le_bytes(*number);
        let meaning = match Imei::from_number(number) {
            Ok(imei) => format!("device_id = {imei}"),
            Err(error) => error.to_string(),
        };
        self.found.part(0, 0..frame::IMEI, "IMEI", number.to_string(), meaning);
        let last = end.saturating_sub(1).max(frame::IMEI);
        let mut at = frame::IMEI;
        while at < last {
            at = self.block(at, last);
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

    /// One block; returns where the next begins.
    fn block(&mut self, at: usize, last: usize) -> usize {
        let Some(&[low, high, service, key]) = self.bytes(at..last).first_chunk() else {
            self.unread(0, at..last);
            return last;
        };
        let length = usize::from(u16::from_le_bytes([low, high]));
        let named = at + 2 + length;
        let end = named.clamp(at + 4, last);
        let mut value = format!("{length} bytes, service {service:#04X}, key {key:#04X}");
        if named != end {
            let _ = write!(value, ", but {} are there", last - at - 2);
        }
        let (what, meaning) = service_name(service);
        let meaning = match service {
            ANSWER => format!("{meaning}: output_id = {key}"),
            _ => meaning.to_owned(),
        };
        self.found.part(0, at..end, format!("block, {what}"), value, meaning);
        let data = at + 4..end;
        match service {
            STORED | TIMED => {
                let mut place = data.start;
                while place < end {
                    place = self.structure(place, end);
                }
            }
            ANSWER if !data.is_empty() => {
                let id = data.start..data.start + 1;
                let value = describe::hex(self.bytes(id.clone()));
                let meaning = format!("unique_id = {}", record::whole(self.bytes(id.clone())));
                self.found.part(1, id.clone(), "number of the command", value, meaning);
                self.unread(1, id.end..end);
            }
            OUTPUT_CONTROL => self.command(key, data),
            _ => self.unread(1, data),
        }
        end
    }

    /// A command to a device, which no device sends.
    fn command(&mut self, output_id: u8, data: Range<usize>) {
        let Some(&[unique_id, form, low, high]) = self.bytes(data.clone()).first_chunk() else {
            return self.unread(1, data);
        };
        let number = u16::from_le_bytes([low, high]);
        let value = format!(
            "output id {output_id:#04X}, unique id {unique_id}, form {form:#04X}, data {number:#06X}"
        );
        self.found.part(1, data.start..data.start + 4, "command", value, "only a server sends it; skipped");
        self.unread(1, data.start + 4..data.end);
    }

    /// One structure; returns where the next begins.
    fn structure(&mut self, at: usize, last: usize) -> usize {
        let Some((&[length, w0, w1, w2, w3], _)) = self.bytes(at..last).split_first_chunk() else {
            self.unread(1, at..last);
            return last;
        };
        let named = at + 1 + usize::from(length);
        let end = named.clamp(at + 5, last);
        let word = u32::from_le_bytes([w0, w1, w2, w3]);
        let (data_type, ticks) = (w0 & 0x0F, word >> 4);
        let device_time = time::unix_ms(ticks, self.input.received_ms);
        let mut value = format!("{length} bytes, type {data_type}, {ticks} ticks");
        if named != end {
            let _ = write!(value, ", but {} are there", last - at - 1);
        }
        let mut when = format!("device_time = {}", describe::time(device_time));
        if self.input.received_ms == 0 {
            when.push_str(" (or a multiple of 17.01 years later: the time of reception is not known)");
        }
        let body = at + 5..end;
        match data_type {
            FIELDS => {
                self.found.part(1, at..end, "record, fields", value, format!("position: {when}"));
                self.fields(body);
            }
            EVENT => {
                self.found.part(1, at..end, "record, event", value, format!("event: {when}"));
                let mut filled = Event::default();
                event::decode(self.bytes(body.clone()), &mut filled);
                let value = describe::hex(self.bytes(body.clone()));
                self.found.part(2, body, "function, event, firmware", value, describe::event(&filled));
            }
            _ => {
                self.found.part(1, at..end, "record of unknown type", value, "skipped by its length");
                self.unread(2, body);
            }
        }
        end
    }

    fn fields(&mut self, body: Range<usize>) {
        let bytes = self.bytes(body.clone());
        let mut at = body.start;
        if let Some((masks, _)) = mask::split(bytes) {
            let list: Vec<_> = mask::masks(masks).map(|mask| format!("{mask:#06X}")).collect();
            let span = at..at + masks.len();
            at = span.end;
            self.found.part(2, span, "masks", list.join(" "), format!("{} of them", list.len()));
        }
        for part in mask::parts(bytes) {
            let (what, bytes, meaning) = match part {
                Part::Field(field, bytes) => (what(field), bytes, self.meaning(field, bytes)),
                Part::Rest(stop, bytes) => ("rest".to_owned(), bytes, unread_because(stop)),
            };
            self.found.part(2, at..at + bytes.len(), what, value(bytes), meaning);
            at += bytes.len();
        }
    }

    /// What a field alone becomes.
    fn meaning(&self, field: &'static Field, bytes: &[u8]) -> String {
        let mut position = Position::default();
        let mut alone = Record::new(self.options, &mut position);
        alone.fill(field, bytes);
        alone.finish();
        describe::position(&position)
    }

    fn unread(&mut self, depth: usize, span: Range<usize>) {
        if !span.is_empty() {
            self.found.part(depth, span.clone(), "bytes", describe::hex(self.bytes(span)), "not read");
        }
    }

    fn hints(&mut self) {
        let payload = self.input.payload;
        if payload.starts_with(TCP_PREAMBLE) {
            let text = "it begins with #BCE#, which devices send once at the start of a TCP stream; over MQTT \
                a payload begins with the IMEI";
            self.found.hint(text);
        } else if crate::iotm::looks_like(payload) {
            self.found.hint("it looks like IOTM: version 2 and an IMEI record; is the model right?");
        } else if matches!(payload.first(), Some(b'{' | b'[')) {
            self.found.hint("it looks like JSON: is the model right?");
        }
    }
}

const fn service_name(service: u8) -> (&'static str, &'static str) {
    match service {
        STORED => ("stored records", "over TCP a confirmation is due; over MQTT the PUBACK is it"),
        TIMED => ("records by a timer", ""),
        CONFIRM => ("confirmation", "only a server sends it; skipped"),
        OUTPUT_CONTROL => ("output control", "only a server sends it; skipped"),
        ANSWER => ("answer to output control", "event"),
        _ => ("unknown service", "skipped by its length"),
    }
}

/// A field by its name, without the ending that says that it is the raw number.
fn what(field: &Field) -> String {
    let name = field.name.strip_suffix("_raw").unwrap_or(field.name);
    let unit = match field.kind {
        Kind::Number(_) | Kind::Adc(_) => format!(" u{}", field.width * 8),
        _ => format!(" {} bytes", field.width),
    };
    format!("field {}{unit}", name.replace('_', " "))
}

/// Up to four bytes also as a number.
fn value(bytes: &[u8]) -> String {
    match bytes.len() {
        1..=4 => format!("{} ({})", describe::hex(bytes), record::whole(bytes)),
        _ => describe::hex(bytes),
    }
}

fn unread_because(stop: Stop) -> String {
    let why = match stop {
        Stop::Masks => "the masks do not end".to_owned(),
        Stop::Field(..) => format!("the width of {stop} is not known, or the record ends within it"),
        Stop::NoBit => "no bit of the masks names it".to_owned(),
    };
    format!("attribute undecoded: {why}; QUALITY_PARTIAL_RECORD")
}
