//! JSON as a flat list of its values with their places in the text.
//!
//! serde_json does not tell where a value lies, which keys for deduplication and explanations need, and it makes an
//! allocation for every value. This reads the same language (a test compares the two), with a bounded depth, without
//! recursion, and into one list that is used again.

mod scan;
mod text;

use std::borrow::Cow;
use std::ops::Range;

pub(crate) use scan::{MAX_DEPTH, scan};

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    /// Name of the member whose value is the next node.
    Key,
    Text,
    Number,
    True,
    False,
    Null,
}

/// One value, or the name of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// A text or key with escapes; a number with a fraction or an exponent.
    special: bool,
    start: u32,
    end: u32,
    /// Index of the first node that is not part of this one; of an open container, that of its container.
    next: u32,
}

/// A text with its values: the first is the root, a container's members follow it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'a> {
    text: &'a str,
    nodes: &'a [Node],
}

/// A value that is no container and not null.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar<'a> {
    Bool(bool),
    /// A number as it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
}

impl<'a> Document<'a> {
    /// `nodes` are those that [`scan`] made of `text`.
    pub(crate) const fn new(text: &'a str, nodes: &'a [Node]) -> Self {
        Self { text, nodes }
    }

    /// Index of the root.
    pub(crate) const ROOT: u32 = 0;

    pub(crate) fn kind(self, node: u32) -> Option<Kind> {
        self.node(node).map(|node| node.kind)
    }

    /// Bytes of a value within the text.
    pub(crate) fn span(self, node: u32) -> Range<usize> {
        self.node(node).map_or(0..0, |node| node.start as usize..node.end as usize)
    }

    /// A value as it is written.
    pub(crate) fn raw(self, node: u32) -> &'a str {
        self.text.get(self.span(node)).unwrap_or_default()
    }

    /// The first index behind a value and all that is in it.
    pub(crate) fn after(self, node: u32) -> u32 {
        self.node(node).map_or(u32::MAX, |node| node.next)
    }

    /// A value that is no container and not null.
    pub(crate) fn scalar(self, index: u32) -> Option<Scalar<'a>> {
        let node = self.node(index)?;
        Some(match node.kind {
            Kind::True => Scalar::Bool(true),
            Kind::False => Scalar::Bool(false),
            Kind::Number => Scalar::Number(self.raw(index)),
            Kind::Text => Scalar::Text(self.unquoted(node)),
            Kind::Object | Kind::Array | Kind::Null | Kind::Key => return None,
        })
    }

    /// Members of an object, in their order; nothing of anything else.
    pub(crate) fn members(self, object: u32) -> impl Iterator<Item = (Cow<'a, str>, u32)> {
        let is_object = self.kind(object) == Some(Kind::Object);
        self.children(object, is_object, 2).map(move |key| {
            let name = self.node(key).map(|node| self.unquoted(node));
            (name.unwrap_or_default(), key + 1)
        })
    }

    /// Elements of an array, in their order; nothing of anything else.
    pub(crate) fn elements(self, array: u32) -> impl Iterator<Item = u32> {
        let is_array = self.kind(array) == Some(Kind::Array);
        self.children(array, is_array, 1)
    }

    /// First node of every child; each child has `width` nodes side by side.
    fn children(self, container: u32, are_there: bool, width: u32) -> impl Iterator<Item = u32> {
        let end = if are_there { self.after(container) } else { 0 };
        let first = (container + 1 < end).then_some(container + 1);
        std::iter::successors(first, move |child| {
            let next = self.after(child + width - 1);
            (next < end).then_some(next)
        })
    }

    fn node(self, index: u32) -> Option<&'a Node> {
        self.nodes.get(index as usize)
    }

    fn unquoted(self, node: &Node) -> Cow<'a, str> {
        let inner = self.text.get(node.start as usize + 1..(node.end as usize).saturating_sub(1));
        let inner = inner.unwrap_or_default();
        if node.special { Cow::Owned(text::unescape(inner)) } else { Cow::Borrowed(inner) }
    }
}

#[cfg(test)]
mod tests;
