//! What a payload is and becomes, for a person or for a program.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use fleetwire_codec::{Body, DecodeError, Decoded, Explanation, Protocol, Record};
use fleetwire_model::event_id::dedup_key;
use fleetwire_model::time::from_unix_ms;
use prost::bytes::Bytes;
use serde_json::{Value, json};

use super::payload::Form;
use super::table;
use crate::json::Json;

/// A payload, its parts, and what the decoder makes of it.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) form: Form,
    pub(crate) protocol: Protocol,
    /// Empty if only the protocol was named.
    pub(crate) model: &'a str,
    /// Unix milliseconds, if it was said.
    pub(crate) received_ms: Option<i64>,
    pub(crate) explanation: Explanation,
    pub(crate) decoded: Decoded,
    pub(crate) error: Option<DecodeError>,
}

impl Report<'_> {
    /// For a person.
    pub(crate) fn text(&self) -> Result<String> {
        let model = if self.model.is_empty() { String::new() } else { format!(", model {}", self.model) };
        let (bytes, form) = (self.payload.len(), self.form.name());
        let mut out = format!("{bytes} bytes from {form}, read as {}{model}\n", self.protocol);
        let is_text = self.is_text();
        if !self.explanation.parts.is_empty() {
            let parts = table::parts(&self.explanation, self.payload, is_text);
            // A string takes whatever is written to it.
            let _ = write!(out, "\n{parts}\n");
        }
        let errors: Vec<_> = self.error.iter().chain(&self.decoded.rejected).collect();
        if !errors.is_empty() {
            out.push_str("\nNot decoded:\n");
        }
        for error in errors {
            out.push_str(&table::error(error, self.payload, is_text));
        }
        for skipped in &self.decoded.skipped {
            let (kind, span) = (skipped.kind.code(), &skipped.span);
            let (record, start, end) = (skipped.record_type, span.start, span.end);
            let _ = write!(out, "\nSkipped ({kind}): record of type {record}, bytes {start}..{end}\n");
        }
        if !self.decoded.records.is_empty() {
            let number = self.decoded.records.len();
            let _ = write!(out, "\n{number} event{}:\n", if number == 1 { "" } else { "s" });
        }
        for (_, event) in self.events()? {
            let _ = writeln!(out, "{event}");
        }
        Ok(out)
    }

    /// For a program: one object in one line.
    pub(crate) fn json(&self) -> Result<String> {
        let parts = self.explanation.parts.iter().map(|part| {
            json!({
                "start": part.span.start, "end": part.span.end, "depth": part.depth, "what": part.what,
                "value": part.value, "meaning": part.meaning,
            })
        });
        let skipped = self.decoded.skipped.iter().map(|skipped| {
            json!({
                "start": skipped.span.start, "end": skipped.span.end, "record_type": skipped.record_type,
                "why": skipped.kind.code(),
            })
        });
        let mut events = Vec::new();
        for (record, event) in self.events()? {
            let event: Value = serde_json::from_str(&event).context("an event is no JSON")?;
            let topic = topic(record);
            let (start, end) = (record.span.start, record.span.end);
            events.push(json!({"start": start, "end": end, "topic": topic, "event": event}));
        }
        let errors = self.error.iter().chain(&self.decoded.rejected).map(|error| {
            json!({"code": error.code(), "reason": error.to_string(), "byte_offset": error.byte_offset()})
        });
        let report = json!({
            "protocol": self.protocol.name(),
            "model": (!self.model.is_empty()).then_some(self.model),
            "form": self.form.name(),
            "bytes": self.payload.len(),
            "parts": parts.collect::<Vec<_>>(),
            "events": events,
            "skipped": skipped.collect::<Vec<_>>(),
            "errors": errors.collect::<Vec<_>>(),
        });
        Ok(format!("{report}\n"))
    }

    /// Whether the payload is text, however it was written down.
    fn is_text(&self) -> bool {
        let first = self.payload.iter().find(|byte| !byte.is_ascii_whitespace());
        matches!(first, Some(b'{' | b'[')) && std::str::from_utf8(self.payload).is_ok()
    }

    /// The events as `fleetwire watch --json` prints them, without what only Kafka and the decoder know.
    fn events(&self) -> Result<Vec<(&Record, String)>> {
        let writer = Json::new()?;
        let mut events = Vec::new();
        for record in &self.decoded.records {
            let device = record.device_id.as_ref();
            let protocol = self.protocol.name();
            let encoded = self.payload.get(record.span.clone()).unwrap_or_default();
            let key = device.map(|device| dedup_key(device, protocol, encoded));
            let dedup_key = key.map(|key| Bytes::copy_from_slice(&key[..])).unwrap_or_default();
            let device_id = device.map(ToString::to_string).unwrap_or_default();
            let (model, protocol) = (self.model.to_owned(), protocol.to_owned());
            let received_time = self.received_ms.map(from_unix_ms);
            let line = match self.decoded.open(record).context("an event cannot be read back")? {
                Body::Position(mut event) => {
                    (event.dedup_key, event.device_id, event.received_time) =
                        (dedup_key, device_id, received_time);
                    (event.model, event.protocol) = (model, protocol);
                    writer.line(&*event)?
                }
                Body::Event(mut event) => {
                    (event.dedup_key, event.device_id, event.received_time) =
                        (dedup_key, device_id, received_time);
                    (event.model, event.protocol) = (model, protocol);
                    writer.line(&*event)?
                }
            };
            events.push((record, line));
        }
        Ok(events)
    }
}

/// Where the decoder sends an event, by the end of the topic's name.
const fn topic(record: &Record) -> &'static str {
    match record.kind {
        fleetwire_codec::Kind::Position => "positions.v1",
        fleetwire_codec::Kind::Event => "device-events.v1",
    }
}
