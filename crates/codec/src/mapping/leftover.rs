//! Values that no rule took, as attributes: named by their place, with the type that they have, and not more than
//! the bounds allow. What is beyond them is counted.

use compact_str::ToCompactString as _;

use super::settings::Bounds;
use crate::Attribute;
use crate::json::{Document, Kind, Scalar};

/// Name of the attribute that says how many values were left out.
pub(super) const LEFT_OUT: &str = "attributes_left_out";

/// Walks over values and hands out those that become attributes.
#[derive(Debug)]
pub(super) struct Leftovers<'a> {
    pub(super) document: Document<'a>,
    pub(super) bounds: &'a Bounds,
    /// Values that rules took, in the order of the document.
    pub(super) used: &'a [u32],
    /// A value that is not looked into.
    pub(super) except: Option<u32>,
    /// Name of what is being walked over.
    pub(super) name: String,
    pub(super) tally: Tally,
}

/// How much was handed out, and how much not.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    taken: usize,
    bytes: usize,
    pub(super) left_out: u64,
}

impl Tally {
    /// Takes one more of this size, if the bounds allow it.
    pub(super) const fn take(&mut self, bounds: &Bounds, bytes: usize) -> bool {
        let fits = self.taken < bounds.max && self.bytes.saturating_add(bytes) <= bounds.max_bytes;
        if fits {
            self.taken += 1;
            self.bytes += bytes;
        } else {
            self.left_out += 1;
        }
        fits
    }
}

impl Leftovers<'_> {
    /// Hands out the values in `node`, with their names. Goes no deeper than the scanner does.
    pub(super) fn walk(&mut self, node: u32, depth: usize, put: &mut dyn FnMut(&str, u32)) {
        if self.except == Some(node) {
            return;
        }
        let document = self.document;
        match document.kind(node) {
            Some(Kind::Object) => {
                for (name, member) in document.members(node) {
                    self.child(&name, member, depth, put);
                }
            }
            Some(Kind::Array) => {
                for (place, element) in document.elements(node).enumerate() {
                    self.child(&place.to_compact_string(), element, depth, put);
                }
            }
            Some(Kind::True | Kind::False | Kind::Number | Kind::Text) => self.leaf(node, depth, put),
            Some(Kind::Null | Kind::Key) | None => {}
        }
    }

    fn child(&mut self, name: &str, node: u32, depth: usize, put: &mut dyn FnMut(&str, u32)) {
        let length = self.name.len();
        // A name that is too long already only grows.
        if self.name.len() <= self.bounds.max_name_bytes {
            if depth > 0 {
                self.name.push('.');
            }
            self.name.push_str(name);
        }
        self.walk(node, depth + 1, put);
        self.name.truncate(length);
    }

    fn leaf(&mut self, node: u32, depth: usize, put: &mut dyn FnMut(&str, u32)) {
        if self.used.binary_search(&node).is_ok() {
            return;
        }
        if depth > self.bounds.max_depth
            || self.name.len() > self.bounds.max_name_bytes
            || self.name.is_empty()
        {
            self.tally.left_out += 1;
            return;
        }
        let bytes = self.name.len() + self.document.span(node).len();
        if self.tally.take(self.bounds, bytes) {
            put(&self.name, node);
        }
    }
}

/// A value as an attribute. A number that no number of the contract holds exactly enough is kept as its digits.
pub(super) fn attribute<'v>(scalar: &'v Scalar<'_>) -> Attribute<'v> {
    match scalar {
        Scalar::Bool(on) => Attribute::Bool(*on),
        Scalar::Text(text) => Attribute::Text(text),
        Scalar::Number(digits) => {
            if let Ok(number) = digits.parse() {
                return Attribute::Uint(number);
            }
            if let Ok(number) = digits.parse() {
                return Attribute::Int(number);
            }
            let is_whole = !digits.contains(['.', 'e', 'E']);
            match digits.parse::<f64>() {
                Ok(number) if number.is_finite() && !is_whole => Attribute::Double(number),
                _ => Attribute::Text(digits),
            }
        }
    }
}
