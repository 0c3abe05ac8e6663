//! What has no field of its own: attributes by the path of each value, as `mobile_cells.1.mcc`. What comes out is
//! bounded by what came in; whatever would go beyond that is kept as its JSON text.

use std::fmt::Write as _;

use compact_str::{CompactString, format_compact};

use super::json::{Json, Raw};
use crate::{Attribute, Attributes};

/// Members within members that are told apart.
const MAX_DEPTH: usize = 8;
/// Bytes of a name.
const MAX_NAME: usize = 100;
/// Values within objects and lists of one message that become attributes of their own.
const MAX_VALUES: usize = 256;
/// Attribute with the members whose own name cannot be one of an attribute, as JSON.
const UNDECODED: &str = "undecoded";

/// What is kept of one message.
#[derive(Debug)]
pub(super) struct Rest {
    /// Values that may still get attributes of their own.
    left: usize,
    unnamed: String,
}

impl Rest {
    pub(super) const fn new() -> Self {
        Self { left: MAX_VALUES, unnamed: String::new() }
    }

    /// Keeps a member that has been read already.
    pub(super) fn keep_read(&mut self, to: &mut Attributes, name: &str, value: &Json<'_>, raw: Raw<'_>) {
        if name.is_empty() || name.len() > MAX_NAME {
            self.keep_unnamed(name, raw);
        } else if is_filled(value, raw) {
            self.all_or_text(to, name, raw, |rest, to| rest.container(to, &mut name.into(), raw, 1));
        } else {
            put(to, name, value, raw);
        }
    }

    /// Keeps a member.
    pub(super) fn keep(&mut self, to: &mut Attributes, name: &str, raw: Raw<'_>) {
        self.keep_read(to, name, &raw.read(), raw);
    }

    /// Keeps a member of another; false if there is no room for it.
    pub(super) fn keep_within(
        &mut self,
        to: &mut Attributes,
        parent: &str,
        name: &str,
        raw: Raw<'_>,
    ) -> bool {
        self.value(to, &mut format_compact!("{parent}.{name}"), raw, 2)
    }

    /// Lets `fill` make attributes; if it finds no room for some, all there is instead is the JSON text.
    pub(super) fn all_or_text(
        &mut self,
        to: &mut Attributes,
        name: &str,
        raw: Raw<'_>,
        fill: impl FnOnce(&mut Self, &mut Attributes) -> bool,
    ) {
        let (before, left) = (to.len(), self.left);
        if !fill(self, to) {
            to.truncate(before);
            self.left = left;
            to.put(name, Attribute::Text(raw.text()));
        }
    }

    /// Keeps what is left to keep.
    pub(super) fn finish(self, to: &mut Attributes) {
        if !self.unnamed.is_empty() {
            to.put(UNDECODED, Attribute::Text(&format!("{{{}}}", self.unnamed)));
        }
    }

    fn keep_unnamed(&mut self, name: &str, raw: Raw<'_>) {
        if !self.unnamed.is_empty() {
            self.unnamed.push(',');
        }
        self.unnamed.push('"');
        for c in name.chars() {
            match c {
                '"' | '\\' => self.unnamed.extend(['\\', c]),
                // A string takes whatever is written to it.
                '\0'..' ' => drop(write!(self.unnamed, "\\u{:04x}", u32::from(c))),
                _ => self.unnamed.push(c),
            }
        }
        self.unnamed.push_str("\":");
        self.unnamed.push_str(raw.text());
    }

    fn value(&mut self, to: &mut Attributes, path: &mut CompactString, raw: Raw<'_>, depth: usize) -> bool {
        let value = raw.read();
        if is_filled(&value, raw) {
            return self.container(to, path, raw, depth);
        }
        let Some(left) = self.left.checked_sub(1).filter(|_| path.len() <= MAX_NAME) else { return false };
        self.left = left;
        put(to, path, &value, raw);
        true
    }

    fn container(
        &mut self,
        to: &mut Attributes,
        path: &mut CompactString,
        raw: Raw<'_>,
        depth: usize,
    ) -> bool {
        let length = path.len();
        depth <= MAX_DEPTH
            && raw.children().all(|(name, raw)| {
                let fits = length + name.len() < MAX_NAME && {
                    path.push('.');
                    path.push_str(&name);
                    self.value(to, path, raw, depth + 1)
                };
                path.truncate(length);
                fits
            })
    }
}

/// Whether a value holds others.
fn is_filled(value: &Json<'_>, raw: Raw<'_>) -> bool {
    matches!(value, Json::Object | Json::Array) && raw.children().next().is_some()
}

/// One attribute, with the type that JSON gives the value. What has none is kept as its JSON text.
fn put(to: &mut Attributes, name: &str, value: &Json<'_>, raw: Raw<'_>) {
    let value = match value {
        Json::Null => Attribute::Absent,
        Json::Bool(on) => Attribute::Bool(*on),
        Json::Int(number) => Attribute::Int(*number),
        Json::Uint(number) => Attribute::Uint(*number),
        Json::Double(number) => Attribute::Double(*number),
        Json::Text(text) => Attribute::Text(text),
        Json::Object | Json::Array | Json::Odd => Attribute::Text(raw.text()),
    };
    to.put(name, value);
}
