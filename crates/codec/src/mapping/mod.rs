//! JSON of any feed into positions, by a mapping that a configuration file holds: where each field lies, in which
//! unit, and what its values mean.
//!
//! It serves `globalmatix`, whose payload is not public and whose built-in mapping is a guess, and `json`, by which a
//! deployment adds a tracker of its own. What a mapping says is documented in `docs/protocols/json.md`.

mod clock;
mod compile;
mod explain;
mod field;
mod fill;
mod identity;
mod leftover;
mod paths;
mod pointer;
mod problem;
mod record;
mod rule;
pub mod settings;
mod target;
mod trial;
mod unit;
mod value;

use serde::{Deserialize, Deserializer, de};

pub use field::{CellField, EngineField, FixField, FuelField, PowerField, VehicleField};
pub use pointer::Pointer;
pub use problem::Problem;
pub use settings::Settings;
pub use trial::{FieldTrial, LeftOver, RecordTrial, Trial};
pub use unit::Unit;

use crate::json::{self, Document, Kind, Node};
use crate::{DecodeError, Decoded};
use clock::Clock;
use leftover::{Leftovers, Tally};
use paths::{Paths, Slots};
use record::{Notes, Payload};
use rule::Rule;
use settings::{Bounds, IdKind};

/// The built-in mapping of GlobalMatix, a guess, as a file to start from.
pub const GLOBALMATIX: &str = include_str!("globalmatix.toml");

/// The most records of one payload.
pub const MAX_RECORDS: usize = 10_000;

/// How the JSON of one model becomes positions. Read from a mapping file, or from [`Settings`].
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    is_guess: bool,
    records: Pointer,
    id_kind: IdKind,
    id_required: bool,
    clock: Clock,
    fix_clock: Clock,
    /// The first three are those of the device and of the times.
    rules: Vec<Rule>,
    /// Pointers from the record, and from the payload's root.
    in_record: Paths,
    in_payload: Paths,
    /// Values that mean that nothing happened.
    none: Vec<String>,
    bounds: Bounds,
}

/// What is wrong with a mapping: it names the key, and what is allowed there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MappingError(String);

/// Room that is used again, by every protocol that is JSON.
#[derive(Debug, Default, Clone)]
pub(crate) struct Scratch {
    /// Values of a JSON text.
    pub(crate) nodes: Vec<Node>,
    /// What the rules found in the payload around the records.
    in_payload: Slots,
    work: record::Work,
}

impl<'de> Deserialize<'de> for Mapping {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Settings::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl Mapping {
    /// Index of the rule of the device id.
    const DEVICE: usize = 0;
    /// Index of the rule of the record's time.
    const TIME: usize = 1;
    /// Index of the rule of the fix's time.
    const FIX_TIME: usize = 2;

    /// A mapping from the text of its file. An error says where, and what is allowed there.
    pub fn from_toml(text: &str) -> Result<Self, MappingError> {
        let settings =
            toml::from_str(text).map_err(|error| MappingError(error.to_string().trim_end().to_owned()))?;
        Self::new(settings)
    }

    /// The built-in mapping of GlobalMatix, which is a guess.
    pub fn globalmatix() -> Result<Self, MappingError> {
        Self::from_toml(GLOBALMATIX)
    }

    /// Whether nobody has compared it with real payloads. Say so wherever it shows.
    pub const fn is_guess(&self) -> bool {
        self.is_guess
    }

    /// Whether every record must name its device; otherwise the one that connected stands in.
    pub const fn names_its_device(&self) -> bool {
        self.id_required
    }

    /// Appends what the payload holds to `out`; an error appends nothing.
    pub fn decode(&self, payload: &[u8], out: &mut Decoded) -> Result<(), DecodeError> {
        let mut scratch = std::mem::take(&mut out.scratch);
        let outcome = self.read(payload, &mut scratch, out, None);
        out.scratch = scratch;
        outcome
    }

    fn read(
        &self,
        payload: &[u8],
        scratch: &mut Scratch,
        out: &mut Decoded,
        mut notes: Option<&mut Vec<Notes>>,
    ) -> Result<(), DecodeError> {
        let text = text(payload)?;
        let Scratch { nodes, in_payload, work } = scratch;
        json::scan(text, nodes)
            .map_err(|error| DecodeError::Json { offset: error.offset, problem: error.problem })?;
        let document = Document::new(text, nodes);
        let (records, is_list) = self.records(document)?;
        in_payload.clear();
        in_payload.resize(self.rules.len(), None);
        if !self.in_payload.is_empty() {
            self.in_payload.seek(document, Document::ROOT, in_payload);
        }
        let outside = self.outside(document, records);
        let payload = Payload { document, length: text.len(), found: in_payload, outside: &outside };
        let (kept, rejected) = (out.records.len(), out.rejected.len());
        let list = if is_list { Some(document.elements(records)) } else { None };
        let list = list.into_iter().flatten().chain((!is_list).then_some(records));
        for (number, node) in list.enumerate() {
            work.notes = notes.is_some().then(|| Notes::new(node));
            let taken = self.record(&payload, node, work, out);
            if let Err(problem) = taken {
                let offset = document.span(node).start;
                out.rejected.push(DecodeError::Unmapped { offset, record: number, problem });
            }
            if let Some(notes) = &mut notes {
                notes.extend(work.notes.take());
            }
        }
        if out.records.len() > kept {
            return Ok(());
        }
        let first = out.rejected.get(rejected).cloned();
        out.rejected.truncate(rejected);
        Err(first.unwrap_or_else(|| self.no_records("an empty array")))
    }

    /// The node of the records, and whether it is an array of them.
    fn records(&self, document: Document<'_>) -> Result<(u32, bool), DecodeError> {
        let node = paths::find(document, &self.records).ok_or_else(|| self.no_records("nothing"))?;
        match document.kind(node) {
            Some(Kind::Object) => Ok((node, false)),
            Some(Kind::Array) => match document.elements(node).take(MAX_RECORDS + 1).count() {
                0..=MAX_RECORDS => Ok((node, true)),
                _ => Err(DecodeError::TooManyRecords { limit: MAX_RECORDS }),
            },
            other => Err(self.no_records(record::name_of(other))),
        }
    }

    fn no_records(&self, found: &'static str) -> DecodeError {
        DecodeError::NoRecords { at: self.records.to_string(), found }
    }

    /// Values around the records, by the names that their attributes get.
    fn outside(&self, document: Document<'_>, records: u32) -> record::Outside {
        let mut values = Vec::new();
        if records == Document::ROOT {
            return record::Outside::default();
        }
        let mut leftovers = Leftovers {
            document,
            bounds: &self.bounds,
            used: &[],
            except: Some(records),
            name: format!("{}root.", self.bounds.prefix),
            tally: Tally::default(),
        };
        leftovers.walk(Document::ROOT, 0, &mut |name, node| values.push((name.to_owned(), node)));
        record::Outside { values, left_out: leftovers.tally.left_out }
    }
}

/// The payload as text, if it can be JSON of records at all.
fn text(payload: &[u8]) -> Result<&str, DecodeError> {
    match payload.first() {
        None => return Err(DecodeError::Json { offset: 0, problem: "the payload is empty" }),
        Some(b'{' | b'[' | b' ' | b'\t' | b'\n' | b'\r') => {}
        Some(_) => return Err(DecodeError::UnmappedBinary { offset: 0 }),
    }
    std::str::from_utf8(payload).map_err(|error| DecodeError::UnmappedBinary { offset: error.valid_up_to() })
}
