//! One record of a payload into a position, and an event beside it.

use std::mem;
use std::ops::Range;

use fleetwire_model::DeviceId;

use super::field::FixField;
use super::fill::Draft;
use super::leftover::{self, Leftovers, Tally};
use super::paths::Slots;
use super::problem::{Problem, quote};
use super::rule::Rule;
use super::target::Target;
use super::value::{self, Misfit, Value};
use super::{Mapping, identity, trial};
use crate::json::{Document, Kind, Scalar};
use crate::{Attribute, Decoded, Position};

/// What the records of one payload share.
#[derive(Debug)]
pub(super) struct Payload<'a> {
    pub(super) document: Document<'a>,
    /// Bytes of the whole payload.
    pub(super) length: usize,
    /// What rules found by pointers from the root.
    pub(super) found: &'a Slots,
    pub(super) outside: &'a Outside,
}

/// Values around the records: they are attributes of every record.
#[derive(Debug, Default)]
pub(super) struct Outside {
    pub(super) values: Vec<(String, u32)>,
    pub(super) left_out: u64,
}

/// Room that is used again.
#[derive(Debug, Default, Clone)]
pub(super) struct Work {
    slots: Slots,
    /// Values that rules took.
    used: Vec<u32>,
    name: String,
    /// What becomes of the record, if somebody asks.
    pub(super) notes: Option<Notes>,
}

/// What became of one record, for a person.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    pub(super) node: u32,
    pub(super) device_id: Option<DeviceId>,
    pub(super) has_event: bool,
    /// Index of the rule, its value, and what it became.
    pub(super) applied: Vec<(usize, u32, Result<String, Misfit>)>,
    /// Values that became attributes, with their names.
    pub(super) left_over: Vec<(u32, String)>,
    pub(super) left_out: u64,
}

impl Notes {
    pub(super) fn new(node: u32) -> Self {
        Self { node, ..Self::default() }
    }
}

/// A record on its way.
struct Reading<'r, 'd> {
    mapping: &'d Mapping,
    document: Document<'d>,
    slots: &'r Slots,
    used: &'r mut Vec<u32>,
    notes: Option<&'r mut Notes>,
}

impl Mapping {
    /// Makes a record of `node`; a problem leaves `out` as it was.
    pub(super) fn record(
        &self,
        payload: &Payload<'_>,
        node: u32,
        work: &mut Work,
        out: &mut Decoded,
    ) -> Result<(), Problem> {
        let document = payload.document;
        if document.kind(node) != Some(Kind::Object) {
            return Err(Problem::Kind(name_of(document.kind(node))));
        }
        let Work { slots, used, name, notes } = work;
        slots.clone_from(payload.found);
        self.in_record.seek(document, node, slots);
        used.clear();
        let mut reading = Reading { mapping: self, document, slots, used, notes: notes.as_mut() };
        let device_id = reading.device()?;
        let (ms, time) = reading.time()?;
        let position = out.blank_position();
        position.device_time_ms = Some(ms);
        let draft = reading.fields(position);
        reading.used.sort_unstable();
        reading.leftovers(payload, node, name, position);
        let span = span(payload, node, time);
        if draft.has_event() {
            if let Some(notes) = reading.notes {
                notes.has_event = true;
            }
            out.keep_position(device_id.clone(), span.clone());
            let event = out.blank_event();
            event.device_time_ms = Some(ms);
            (event.code, event.function) = (draft.event_code, draft.event_function);
            event.text.push_str(draft.event_text.as_deref().unwrap_or_default());
            // Not the position's bytes, because of which a reader that drops repeats would drop one of the two.
            out.keep_event(device_id, span.start + 1..span.end);
        } else {
            out.keep_position(device_id, span);
        }
        Ok(())
    }
}

impl<'d> Reading<'_, 'd> {
    fn found(&self, rule: usize) -> Option<(u32, Scalar<'d>)> {
        let node = self.slots.get(rule).copied().flatten()?.node;
        Some((node, self.document.scalar(node)?))
    }

    fn note(&mut self, rule: usize, node: u32, outcome: impl FnOnce() -> Result<String, Misfit>) {
        if let Some(notes) = &mut self.notes {
            notes.applied.push((rule, node, outcome()));
        }
    }

    fn device(&mut self) -> Result<Option<DeviceId>, Problem> {
        let Some((node, scalar)) = self.found(Mapping::DEVICE) else {
            return if self.mapping.id_required { Err(Problem::NoDeviceId) } else { Ok(None) };
        };
        let id = identity::read(self.mapping.id_kind, &scalar);
        self.note(Mapping::DEVICE, node, || id.as_ref().map(DeviceId::to_string).map_err(|reason| *reason));
        let value = self.document.raw(node);
        let id = id.map_err(|reason| Problem::DeviceId { value: quote(value), reason })?;
        self.used.push(node);
        if let Some(notes) = &mut self.notes {
            notes.device_id = Some(id.clone());
        }
        Ok(Some(id))
    }

    /// The record's time, and the node that holds it.
    fn time(&mut self) -> Result<(i64, u32), Problem> {
        let (node, scalar) = self.found(Mapping::TIME).ok_or(Problem::NoTime)?;
        let ms = self.mapping.clock.read(&scalar);
        self.note(Mapping::TIME, node, || ms.map(trial::time));
        let value = self.document.raw(node);
        let ms = ms.map_err(|reason| Problem::Time { value: quote(value), reason })?;
        self.used.push(node);
        Ok((ms, node))
    }

    /// Fills in what the rules of the fields found.
    fn fields(&mut self, position: &mut Position) -> Draft<'d> {
        let mut draft = Draft::default();
        let mut coordinates = [None; 2];
        let mapping = self.mapping;
        for (index, rule) in mapping.rules.iter().enumerate().skip(Mapping::FIX_TIME) {
            let Some((node, scalar)) = self.found(index) else { continue };
            let outcome = self.field(rule, &scalar, &mut draft, position);
            let place = match rule.target {
                Target::Fix(FixField::Latitude) => coordinates.first_mut(),
                Target::Fix(FixField::Longitude) => coordinates.last_mut(),
                _ => None,
            };
            match (&outcome, place) {
                (Ok(_), Some(place)) => *place = Some(node),
                (Ok(_), None) => self.used.push(node),
                (Err(_), Some(_)) => draft.bad_coordinate(),
                (Err(_), None) => {}
            }
            self.note(index, node, || outcome.map(|value| trial::value(&value)));
        }
        let coordinates = coordinates.into_iter().flatten();
        if draft.finish(position) {
            self.used.extend(coordinates);
        } else if let Some(notes) = &mut self.notes {
            trial::unused_coordinates(notes, coordinates);
        }
        draft
    }

    fn field(
        &self,
        rule: &'d Rule,
        scalar: &Scalar<'d>,
        draft: &mut Draft<'d>,
        position: &mut Position,
    ) -> Result<Value<'d>, Misfit> {
        if rule.target == Target::FixTime {
            let ms = self.mapping.fix_clock.read(scalar)?;
            position.fix_time_ms = Some(ms);
            return Ok(Value::Time(ms));
        }
        if let Target::EventCode | Target::EventFunction | Target::EventText = rule.target
            && self.mapping.none.iter().any(|none| **none == *value::text(scalar))
        {
            return Ok(Value::Text("nothing happened".into()));
        }
        let value = value::read(rule, scalar)?;
        draft.fill(rule, &value, position)?;
        Ok(value)
    }

    /// Makes attributes of what no rule took.
    fn leftovers(&mut self, payload: &Payload<'_>, node: u32, name: &mut String, position: &mut Position) {
        let document = self.document;
        name.clear();
        name.push_str(&self.mapping.bounds.prefix);
        let mut leftovers = Leftovers {
            document,
            bounds: &self.mapping.bounds,
            used: self.used,
            except: None,
            name: mem::take(name),
            tally: Tally::default(),
        };
        let notes = &mut self.notes;
        let mut put = |name: &str, node: u32| {
            if let Some(scalar) = document.scalar(node) {
                position.put(name, leftover::attribute(&scalar));
            }
            if let Some(notes) = notes {
                notes.left_over.push((node, name.to_owned()));
            }
        };
        leftovers.walk(node, 0, &mut put);
        for (name, node) in &payload.outside.values {
            if self.used.binary_search(node).is_err()
                && leftovers.tally.take(leftovers.bounds, name.len() + document.span(*node).len())
            {
                put(name, *node);
            }
        }
        let left_out = leftovers.tally.left_out + payload.outside.left_out;
        *name = leftovers.name;
        if left_out > 0 {
            position.put(leftover::LEFT_OUT, Attribute::Uint(left_out));
        }
        if let Some(notes) = notes {
            notes.left_out = left_out;
        }
    }
}

/// Bytes of a record: of the whole payload where it is the record, and with its time where that lies around it,
/// because two records of different times are never the same.
fn span(payload: &Payload<'_>, record: u32, time: u32) -> Range<usize> {
    if record == Document::ROOT {
        return 0..payload.length;
    }
    let (record, time) = (payload.document.span(record), payload.document.span(time));
    record.start.min(time.start)..record.end.max(time.end)
}

/// What a value is, in words.
pub(super) const fn name_of(kind: Option<Kind>) -> &'static str {
    match kind {
        Some(Kind::Object) => "an object",
        Some(Kind::Array) => "an array",
        Some(Kind::Text | Kind::Key) => "a text",
        Some(Kind::Number) => "a number",
        Some(Kind::True | Kind::False) => "true or false",
        Some(Kind::Null) => "null",
        None => "nothing",
    }
}
