//! What `fleetwire mapping test` prints: tables for people, one JSON object per message for programs, and a summary
//! with hints over all messages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;
use comfy_table::{Table, presets};
use fleetwire_codec::mapping::{FieldTrial, Mapping, RecordTrial, Trial};
use fleetwire_codec::{Body, DecodeError, Kind};
use serde_json::{Value, json};

use super::samples::Message;
use crate::json::Json;

/// Longest value in a table, characters.
const SHOWN: usize = 48;
/// The most records of one message that are printed in full.
const MAX_PRINTED: usize = 20;

/// A message as tables.
pub(crate) fn text(message: &Message, trial: &Trial) -> String {
    let mut out = format!("{}: {} bytes\n", message.name, message.payload.len());
    if let Some(error) = &trial.error {
        put(&mut out, &format!("\nnothing of it can be used [{}]: {error}\n", error.code()));
    }
    for (number, record) in trial.records.iter().enumerate().take(MAX_PRINTED) {
        put(&mut out, &format!("\nrecord {number}, bytes {}..{}: ", record.span.start, record.span.end));
        put(&mut out, &record_text(record));
    }
    if let Some(more) = trial.records.len().checked_sub(MAX_PRINTED + 1) {
        put(&mut out, &format!("\n{} more records are not shown; --json has them all\n", more + 1));
    }
    out.push('\n');
    out
}

fn record_text(record: &RecordTrial) -> String {
    let mut out = match (&record.error, record.has_event) {
        (Some(DecodeError::Unmapped { problem, .. }), _) => {
            format!("rejected [{}]: {problem}\n", problem.code())
        }
        (Some(error), _) => format!("rejected [{}]: {error}\n", error.code()),
        (None, true) => "a position and a device event\n".to_owned(),
        (None, false) => "a position\n".to_owned(),
    };
    for warning in &record.warnings {
        put(&mut out, &format!("warning: {warning}\n"));
    }
    let mut table = table(["FIELD", "VALUE", "FROM", "AS SENT", "CONVERSION"]);
    for field in &record.fields {
        let value = match &field.becomes {
            Ok(value) => short(value),
            Err(reason) => format!("does not fit: {reason}"),
        };
        table.add_row([&field.field, &value, &short(&field.pointer), &short(&field.raw), &field.conversion]);
    }
    if !record.fields.is_empty() {
        put(&mut out, &format!("{table}\n"));
    }
    if !record.left_over.is_empty() {
        let mut table = self::table(["LEFT OVER, AS ATTRIBUTE", "VALUE", "FROM"]);
        for value in &record.left_over {
            table.add_row([&short(&value.attribute), &short(&value.raw), &short(&value.pointer)]);
        }
        put(&mut out, &format!("{table}\n"));
    }
    if record.left_out > 0 {
        let count = record.left_out;
        put(&mut out, &format!("{count} values are beyond the bounds of [attributes] and are left out\n"));
    }
    out
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    table
}

fn put(out: &mut String, text: &str) {
    // Writing into a string cannot fail.
    let _ = out.write_str(text);
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push_str("...");
    }
    short
}

/// A message as one JSON object.
pub(crate) fn json(mapping: &Mapping, message: &Message, trial: &Trial, writer: &Json) -> Result<String> {
    let mut events = Vec::new();
    for record in &trial.decoded.records {
        let (kind, line) = match trial.decoded.open(record)? {
            Body::Position(event) => ("position", writer.line(&*event)?),
            Body::Event(event) => ("device_event", writer.line(&*event)?),
        };
        let device_id = record.device_id.as_ref().map(ToString::to_string);
        let event: Value = serde_json::from_str(&line)?;
        events.push(json!({ "kind": kind, "device_id": device_id, "event": event }));
    }
    let object = json!({
        "sample": message.name,
        "guess": mapping.is_guess(),
        "error": trial.error.as_ref().map(error_json),
        "records": trial.records.iter().map(record_json).collect::<Vec<_>>(),
        "events": events,
    });
    Ok(object.to_string())
}

fn record_json(record: &RecordTrial) -> Value {
    let left_over = record.left_over.iter();
    let left_over = left_over
        .map(|value| json!({ "attribute": value.attribute, "pointer": value.pointer, "raw": value.raw }));
    json!({
        "bytes": [record.span.start, record.span.end],
        "error": record.error.as_ref().map(error_json),
        "device_id": record.device_id.as_ref().map(ToString::to_string),
        "fields": record.fields.iter().map(field_json).collect::<Vec<_>>(),
        "left_over": left_over.collect::<Vec<_>>(),
        "left_out": record.left_out,
        "unmatched": record.unmatched,
        "warnings": record.warnings,
    })
}

fn field_json(field: &FieldTrial) -> Value {
    json!({
        "field": field.field,
        "pointer": field.pointer,
        "bytes": [field.span.start, field.span.end],
        "raw": field.raw,
        "value": field.becomes.as_ref().ok(),
        "problem": field.becomes.as_ref().err(),
        "conversion": field.conversion,
    })
}

fn error_json(error: &DecodeError) -> Value {
    json!({ "code": error.code(), "message": error.to_string(), "byte_offset": error.byte_offset() })
}

/// What all messages together say about the mapping.
#[derive(Debug)]
pub(crate) struct Summary {
    is_guess: bool,
    messages: usize,
    positions: usize,
    events: usize,
    rejected: usize,
    unusable: usize,
    /// Fields that matched in no record so far; `None` before the first record.
    unmatched: Option<BTreeSet<String>>,
    /// Fields whose value did not fit, how often, and the last reason.
    misfits: BTreeMap<String, (usize, &'static str)>,
    /// Attributes that were left over, and how often.
    left_over: BTreeMap<String, usize>,
    left_out: u64,
}

/// The most names in one hint.
const MAX_NAMES: usize = 30;

impl Summary {
    pub(crate) fn new(mapping: &Mapping) -> Self {
        Self {
            is_guess: mapping.is_guess(),
            messages: 0,
            positions: 0,
            events: 0,
            rejected: 0,
            unusable: 0,
            unmatched: None,
            misfits: BTreeMap::new(),
            left_over: BTreeMap::new(),
            left_out: 0,
        }
    }

    pub(crate) fn add(&mut self, trial: &Trial) {
        self.messages += 1;
        self.unusable += usize::from(trial.error.is_some());
        let events = trial.decoded.records.iter().filter(|record| record.kind == Kind::Event).count();
        self.events += events;
        self.positions += trial.decoded.records.len() - events;
        for record in &trial.records {
            self.rejected += usize::from(record.error.is_some());
            // What a record without a device or a time has not been asked for says nothing.
            if record.error.is_none() {
                let here: BTreeSet<String> = record.unmatched.iter().cloned().collect();
                self.unmatched = Some(match self.unmatched.take() {
                    Some(before) => before.intersection(&here).cloned().collect(),
                    None => here,
                });
            }
            for field in &record.fields {
                if let Err(reason) = field.becomes {
                    let entry = self.misfits.entry(field.field.clone()).or_insert((0, reason));
                    *entry = (entry.0 + 1, reason);
                }
            }
            for value in &record.left_over {
                *self.left_over.entry(value.attribute.clone()).or_default() += 1;
            }
            self.left_out += record.left_out;
        }
    }

    /// Whether something cannot be used.
    pub(crate) const fn has_failed(&self) -> bool {
        self.unusable > 0 || self.rejected > 0
    }

    pub(crate) fn text(&self) -> String {
        let Self { messages, positions, events, rejected, unusable, .. } = self;
        let mut out = format!(
            "summary: {messages} messages, {positions} positions, {events} device events, {rejected} records rejected, \
             {unusable} messages unusable\n"
        );
        if let Some(unmatched) = self.unmatched.as_ref().filter(|unmatched| !unmatched.is_empty()) {
            let names = names(unmatched.iter().cloned(), unmatched.len());
            put(&mut out, &format!("hint: no candidate matched for: {names}\n"));
        }
        for (field, (count, reason)) in &self.misfits {
            put(&mut out, &format!("hint: {field} did not fit {count} times: {reason}\n"));
        }
        if !self.left_over.is_empty() {
            let counted = self.left_over.iter().map(|(name, count)| format!("{name} ({count})"));
            let names = names(counted, self.left_over.len());
            put(
                &mut out,
                &format!("hint: left over as attributes, does a field want one of them? {names}\n"),
            );
        }
        if self.left_out > 0 {
            let count = self.left_out;
            put(
                &mut out,
                &format!("hint: {count} values were left out; [attributes] in the mapping has the bounds\n"),
            );
        }
        if self.is_guess {
            put(
                &mut out,
                "this mapping is a guess (`guess = true`): compare every field with what the device really did\n",
            );
        }
        out
    }
}

fn names(names: impl Iterator<Item = String>, count: usize) -> String {
    let mut list = names.take(MAX_NAMES).collect::<Vec<_>>().join(", ");
    if let Some(more) = count.checked_sub(MAX_NAMES).filter(|more| *more > 0) {
        put(&mut list, &format!(" and {more} more"));
    }
    list
}
