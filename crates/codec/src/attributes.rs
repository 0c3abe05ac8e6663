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

    /// Bytes that they take, to [`truncate`](Self::truncate) to.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets what came after this many bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// The map's entries as the event holds them.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds one. `name` is not empty; a name of more than 100 bytes is nobody's.
    #[inline]
    pub fn put(&mut self, name: &str, value: Attribute<'_>) {
        self.put_ascii(name.as_bytes(), value);
    }

    /// Adds one whose name is known to be UTF-8.
    #[inline]
    pub(crate) fn put_ascii(&mut self, name: &[u8], value: Attribute<'_>) {
        let small = match value {
            Attribute::Bool(on) => Some((1, on.into())),
            Attribute::Uint(number @ 0..128) => Some((3, low_byte(number))),
            _ => None,
        };
        match (small, u8::try_from(name.len())) {
            (Some((kind, value)), Ok(length @ 1..100)) => self.put_small(name, length, kind, value),
            _ => self.put_any(name, value),
        }
    }

    /// Most attributes are states and small counts, whose every part is a byte.
    fn put_small(&mut self, name: &[u8], length: u8, kind: u8, value: u8) {
        let out = &mut self.bytes;
        wire::key(out, self.field);
        out.extend_from_slice(&[length + 6, 0x0A, length]);
        out.extend_from_slice(name);
        out.extend_from_slice(&[0x12, 2, kind << 3, value]);
    }

    fn put_any(&mut self, name: &[u8], value: Attribute<'_>) {
        let out = &mut self.bytes;
        wire::message(out, self.field, |out| {
            wire::some_bytes(out, NAME, name);
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

const fn low_byte(number: u64) -> u8 {
    (number & 0xff) as u8
}

/// A value that is a number of variable length.
#[inline]
fn number(out: &mut Vec<u8>, field: u32, number: u64) {
    wire::message(out, VALUE, |out| wire::some_number(out, field, number));
}
