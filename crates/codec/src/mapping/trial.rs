//! What a mapping makes of a payload, for the person who writes the mapping: every field with where it came from,
//! what was left over, what is wrong, and what was looked for in vain.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use fleetwire_model::DeviceId;
use jiff::Timestamp;

use super::pointer::push_token;
use super::record::Notes;
use super::rule::Rule;
use super::value::{Misfit, Value};
use super::{Mapping, Scratch};
use crate::json::{Document, Kind};
use crate::{DecodeError, Decoded};

/// What a mapping makes of one payload.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// Its records in their order, also those that cannot be used.
    pub records: Vec<RecordTrial>,
    /// Why nothing of it can be used.
    pub error: Option<DecodeError>,
    /// The events that it becomes, to be opened.
    pub decoded: Decoded,
    /// Every value that is no container: pointer from the root, and bytes.
    pub(super) leaves: BTreeMap<u32, (String, Range<usize>)>,
}

/// What a mapping makes of one record.
#[derive(Debug, Clone, Default)]
pub struct RecordTrial {
    /// Its bytes within the payload.
    pub span: Range<usize>,
    /// Why it cannot be used.
    pub error: Option<DecodeError>,
    /// Device that it names.
    pub device_id: Option<DeviceId>,
    /// Whether it becomes a device event too.
    pub has_event: bool,
    /// Values that rules looked at.
    pub fields: Vec<FieldTrial>,
    /// Values that no rule took.
    pub left_over: Vec<LeftOver>,
    /// Values beyond the bounds of attributes.
    pub left_out: u64,
    /// Fields of the mapping for which none of the pointers led to a value.
    pub unmatched: Vec<String>,
    /// What else a person should know.
    pub warnings: Vec<String>,
}

/// A value that a rule looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldTrial {
    /// Field by its name in the mapping, for example `fix.speed_kmh`.
    pub field: String,
    /// Pointer to the value, from the root of the payload.
    pub pointer: String,
    /// Bytes of the value.
    pub span: Range<usize>,
    /// The value as it is written.
    pub raw: String,
    /// What it becomes, or why it does not fit.
    pub becomes: Result<String, &'static str>,
    /// How its number is converted, for example `m/s -> km/h`; may be empty.
    pub conversion: String,
}

/// A value that became an attribute because no rule took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOver {
    /// Pointer to the value, from the root of the payload.
    pub pointer: String,
    /// The value as it is written.
    pub raw: String,
    /// Name of the attribute.
    pub attribute: String,
    /// Index of the value, for the explanation.
    pub(super) node: u32,
}

impl Mapping {
    /// What the mapping makes of a payload, in detail. It allocates freely, within what the payload's size bounds.
    pub fn trial(&self, payload: &[u8]) -> Trial {
        let (mut trial, mut scratch, mut notes) = (Trial::default(), Scratch::default(), Vec::new());
        let outcome = self.read(payload, &mut scratch, &mut trial.decoded, Some(&mut notes));
        let text = std::str::from_utf8(payload).unwrap_or_default();
        let document = Document::new(text, &scratch.nodes);
        trial.leaves = leaves(document);
        let mut errors: BTreeMap<usize, DecodeError> = BTreeMap::new();
        for error in trial.decoded.rejected.iter().chain(outcome.as_ref().err()) {
            if let DecodeError::Unmapped { record, .. } = error {
                errors.insert(*record, error.clone());
            }
        }
        let leaves = &trial.leaves;
        let records = notes.into_iter().enumerate().map(|(number, notes)| {
            let record = self.record_trial(document, leaves, notes);
            RecordTrial { error: errors.remove(&number), ..record }
        });
        trial.records = records.collect();
        trial.error = outcome.err();
        trial
    }

    fn record_trial(
        &self,
        document: Document<'_>,
        leaves: &BTreeMap<u32, (String, Range<usize>)>,
        notes: Notes,
    ) -> RecordTrial {
        let pointer = |node: u32| leaves.get(&node).map(|(pointer, _)| pointer.clone()).unwrap_or_default();
        let tried: BTreeSet<usize> = notes.applied.iter().map(|(rule, ..)| *rule).collect();
        let unmatched = self.rules.iter().enumerate();
        let unmatched = unmatched.filter(|(index, rule)| !rule.at.is_empty() && !tried.contains(index));
        let mut warnings = Vec::new();
        if let Some(imei) = notes.device_id.as_ref().and_then(DeviceId::imei)
            && !imei.has_valid_check_digit()
        {
            warnings.push(format!("the check digit of {imei} is wrong: is it an IMEI?"));
        }
        RecordTrial {
            span: document.span(notes.node),
            error: None,
            device_id: notes.device_id,
            has_event: notes.has_event,
            unmatched: unmatched.map(|(_, rule)| rule.target.to_string()).collect(),
            fields: (notes.applied.into_iter())
                .filter_map(|(index, node, becomes)| {
                    let rule = self.rules.get(index)?;
                    Some(FieldTrial {
                        field: rule.target.to_string(),
                        pointer: pointer(node),
                        span: document.span(node),
                        raw: document.raw(node).to_owned(),
                        becomes,
                        conversion: conversion(rule),
                    })
                })
                .collect(),
            left_over: (notes.left_over.into_iter())
                .map(|(node, attribute)| LeftOver {
                    pointer: pointer(node),
                    raw: document.raw(node).to_owned(),
                    attribute,
                    node,
                })
                .collect(),
            left_out: notes.left_out,
            warnings,
        }
    }
}

/// A value as reports show it.
pub(super) fn value(value: &Value<'_>) -> String {
    match value {
        Value::Bool(on) => on.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Whole(whole) => whole.to_string(),
        Value::Text(text) => text.to_string(),
        Value::Time(ms) => time(*ms),
    }
}

/// An instant as reports show it.
pub(super) fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string())
}

/// Notes that coordinates were read and are not used.
pub(super) fn unused_coordinates(notes: &mut Notes, coordinates: impl Iterator<Item = u32>) {
    let unused: Vec<u32> = coordinates.collect();
    for (_, node, outcome) in &mut notes.applied {
        if unused.contains(node) {
            let why: Misfit = "not used: they are incomplete, not on Earth, 0/0, or no fix";
            *outcome = Err(why);
        }
    }
}

fn conversion(rule: &Rule) -> String {
    if !rule.values.is_empty() {
        return "by its values".to_owned();
    }
    let mut parts = Vec::new();
    if rule.is_scaled() {
        parts.push(format!("* {} + {}", rule.scale, rule.offset));
    }
    let to = rule.target.dimension().units().first();
    if let (Some(from), Some(to)) = (rule.unit, to)
        && from != *to
    {
        parts.push(format!("{from} -> {to}"));
    }
    parts.join(", ")
}

/// Every value that is no container and not null, with its pointer from the root.
fn leaves(document: Document<'_>) -> BTreeMap<u32, (String, Range<usize>)> {
    let mut leaves = BTreeMap::new();
    let mut pointer = String::new();
    collect(document, Document::ROOT, &mut pointer, &mut leaves);
    leaves
}

/// Goes no deeper than the scanner does.
fn collect(
    document: Document<'_>,
    node: u32,
    pointer: &mut String,
    leaves: &mut BTreeMap<u32, (String, Range<usize>)>,
) {
    let length = pointer.len();
    match document.kind(node) {
        Some(Kind::Object) => {
            for (name, member) in document.members(node) {
                push_token(pointer, &name);
                collect(document, member, pointer, leaves);
                pointer.truncate(length);
            }
        }
        Some(Kind::Array) => {
            for (place, element) in document.elements(node).enumerate() {
                push_token(pointer, &place.to_string());
                collect(document, element, pointer, leaves);
                pointer.truncate(length);
            }
        }
        Some(_) => {
            leaves.insert(node, (clipped(pointer), document.span(node)));
        }
        None => {}
    }
}

/// Longest pointer that is shown, bytes: a name can be as long as a payload, and have as many values in it.
const SHOWN: usize = 500;

fn clipped(pointer: &str) -> String {
    if pointer.len() <= SHOWN {
        return pointer.to_owned();
    }
    let end = (0..=SHOWN).rev().find(|end| pointer.is_char_boundary(*end)).unwrap_or(0);
    format!("{}...", pointer.get(..end).unwrap_or_default())
}
