//! What has no field of its own: attributes by the path of each value, as `mobile_cells.1.mcc`. What comes out is
//! bounded by what came in; whatever would go beyond that is kept as its JSON text.

use std::borrow::Cow;

use compact_str::{CompactString, format_compact};
use serde_json::value::RawValue;

use super::json::{self, Json};
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
    pub(super) fn keep_read(&mut self, to: &mut Attributes, name: &str, value: &Json<'_>, raw: &RawValue) {
        if name.is_empty() || name.len() > MAX_NAME {
            self.keep_unnamed(name, raw);
        } else if is_filled(value, raw) {
            self.all_or_text(to, name, raw, |rest, to| rest.container(to, &mut name.into(), raw, 1));
        } else {
            put(to, name, value, raw);
        }
    }

    /// Keeps a member.
    pub(super) fn keep(&mut self, to: &mut Attributes, name: &str, raw: &RawValue) {
        self.keep_read(to, name, &json::read(raw), raw);
    }

    /// Keeps a member of another; false if there is no room for it.
    pub(super) fn keep_within(
        &mut self,
        to: &mut Attributes,
        parent: &str,
        name: &str,
        raw: &RawValue,
    ) -> bool {
        self.value(to, &mut format_compact!("{parent}.{name}"), raw, 2)
    }

    /// Lets `fill` make attributes; if it finds no room for some, all there is instead is the JSON text.
    pub(super) fn all_or_text(
        &mut self,
        to: &mut Attributes,
        name: &str,
        raw: &RawValue,
        fill: impl FnOnce(&mut Self, &mut Attributes) -> bool,
    ) {
        let (before, left) = (to.len(), self.left);
        if !fill(self, to) {
            to.truncate(before);
            self.left = left;
            to.put(name, Attribute::Text(raw.get()));
        }
    }

    /// Keeps what is left to keep.
    pub(super) fn finish(self, to: &mut Attributes) {
        if !self.unnamed.is_empty() {
            to.put(UNDECODED, Attribute::Text(&format!("{{{}}}", self.unnamed)));
        }
    }

    fn keep_unnamed(&mut self, name: &str, raw: &RawValue) {
        if !self.unnamed.is_empty() {
            self.unnamed.push(',');
        }
        // A text can always be written.
        self.unnamed.push_str(&serde_json::to_string(name).unwrap_or_default());
        self.unnamed.push(':');
        self.unnamed.push_str(raw.get());
    }

    fn value(&mut self, to: &mut Attributes, path: &mut CompactString, raw: &RawValue, depth: usize) -> bool {
        let value = json::read(raw);
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
        raw: &RawValue,
        depth: usize,
    ) -> bool {
        let mut fits = depth <= MAX_DEPTH;
        if !fits {
            return false;
        }
        let length = path.len();
        let each = |name: Cow<'_, str>, raw: &RawValue| {
            fits = fits && path.len() + name.len() < MAX_NAME;
            if fits {
                path.push('.');
                path.push_str(&name);
                fits = self.value(to, path, raw, depth + 1);
                path.truncate(length);
            }
        };
        json::children(raw.get(), each).is_ok() && fits
    }
}

/// Whether a value holds others.
fn is_filled(value: &Json<'_>, raw: &RawValue) -> bool {
    let within = raw.get().get(1..raw.get().len().saturating_sub(1));
    matches!(value, Json::Object | Json::Array) && within.is_some_and(|within| !within.trim().is_empty())
}

/// One attribute, with the type that JSON gives the value. What has none is kept as its JSON text.
fn put(to: &mut Attributes, name: &str, value: &Json<'_>, raw: &RawValue) {
    let value = match value {
        Json::Null => Attribute::Absent,
        Json::Bool(on) => Attribute::Bool(*on),
        Json::Int(number) => Attribute::Int(*number),
        Json::Uint(number) => Attribute::Uint(*number),
        Json::Double(number) => Attribute::Double(*number),
        Json::Text(text) => Attribute::Text(text),
        Json::Object | Json::Array | Json::Odd => Attribute::Text(raw.get()),
    };
    to.put(name, value);
}
