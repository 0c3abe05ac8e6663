//! Attributes on their way into an event: written at once, in the form in which the event holds them.

use fleetwire_model::wire;

/// A value that has no field of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attribute<'a> {
    /// The device sent the sensor without a value.
    Absent,
    /// True or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A number, which must be finite.
    Double(f64),
    /// Text.
    Text(&'a str),
    /// Raw bytes.
    Bytes(&'a [u8]),
}

/// The attributes of one event. Of two with the same name the later one counts, as protobuf says for maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Number of the map's field in the event.
    field: u32,
    bytes: Vec<u8>,
}

/// Fields of a map's entry.
const NAME: u32 = 1;
const VALUE: u32 = 2;

impl Attributes {
    pub(crate) const fn new(field: u32) -> Self {
        Self { field, bytes: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The map's entries as the event holds them.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds one. `name` is not empty; a name of more than 100 bytes is nobody's.
    #[inline]
    pub fn put(&mut self, name: &str, value: Attribute<'_>) {
        let out = &mut self.bytes;
        wire::message(out, self.field, |out| {
            wire::some_bytes(out, NAME, name.as_bytes());
            match value {
                Attribute::Absent => wire::some_bytes(out, VALUE, &[]),
                Attribute::Bool(on) => number(out, 1, on.into()),
                Attribute::Int(integer) => number(out, 2, wire::zigzag(integer)),
                Attribute::Uint(integer) => number(out, 3, integer),
                Attribute::Double(double) => {
                    wire::message(out, VALUE, |out| wire::some_double(out, 4, double));
                }
                Attribute::Text(text) => {
                    wire::message(out, VALUE, |out| wire::some_bytes(out, 5, text.as_bytes()));
                }
                Attribute::Bytes(raw) => wire::message(out, VALUE, |out| wire::some_bytes(out, 6, raw)),
            }
        });
    }
}

/// A value that is a number of variable length.
#[inline]
fn number(out: &mut Vec<u8>, field: u32, number: u64) {
    wire::message(out, VALUE, |out| wire::some_number(out, field, number));
}
