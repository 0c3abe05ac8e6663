//! Values of a message as JSON types them, each with its text and place in the payload.

use std::borrow::Cow;
use std::ops::Range;

use crate::DecodeError;
use crate::json::{self, Document, Kind, Node, Scalar};

/// The largest whole number up to which every whole number is an exact `f64`.
const MAX_EXACT: u64 = 1 << 53;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number above the largest of `Int`.
    Uint(u64),
    /// Finite.
    Double(f64),
    Text(Cow<'a, str>),
    Object,
    Array,
    /// A number outside every range.
    Odd,
}

impl Json<'_> {
    /// As a number, if it is one that `f64` holds.
    #[expect(clippy::cast_precision_loss, reason = "bounded by MAX_EXACT")]
    pub(super) fn number(&self) -> Option<f64> {
        match *self {
            Self::Int(number) if number.unsigned_abs() <= MAX_EXACT => Some(number as f64),
            Self::Double(number) => Some(number),
            _ => None,
        }
    }

    /// As a number within a range.
    pub(super) fn within(&self, low: f64, high: f64) -> Option<f64> {
        self.number().filter(|number| (low..=high).contains(number))
    }

    /// As a whole number from 0, also where it is written with a fraction of zero.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, and bounded by MAX_EXACT"
    )]
    pub(super) fn whole(&self) -> Option<u64> {
        const END: f64 = 9_007_199_254_740_992.0; // MAX_EXACT
        match *self {
            Self::Int(number) => number.try_into().ok(),
            Self::Uint(number) => Some(number),
            Self::Double(number) if number.fract() == 0.0 && (0.0..=END).contains(&number) => {
                Some(number as u64)
            }
            _ => None,
        }
    }

    /// What it is, for a sentence.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Uint(_) | Self::Double(_) => "a number",
            Self::Text(_) => "a text",
            Self::Object => "an object",
            Self::Array => "a list",
            Self::Odd => "a number out of range",
        }
    }
}

/// A value at its place in a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    document: Document<'a>,
    node: u32,
}

impl<'a> Raw<'a> {
    /// As it is written.
    pub(super) fn text(self) -> &'a str {
        self.document.raw(self.node)
    }

    /// Its bytes within the payload.
    pub(super) fn span(self) -> Range<usize> {
        self.document.span(self.node)
    }

    /// Its value.
    pub(super) fn read(self) -> Json<'a> {
        match (self.document.kind(self.node), self.document.scalar(self.node)) {
            (_, Some(Scalar::Bool(on))) => Json::Bool(on),
            (_, Some(Scalar::Number(digits))) => number(digits),
            (_, Some(Scalar::Text(text))) => Json::Text(text),
            (Some(Kind::Object), None) => Json::Object,
            (Some(Kind::Array), None) => Json::Array,
            _ => Json::Null,
        }
    }

    /// Members of an object, or elements of a list by their numbers from 0; nothing of anything else.
    pub(super) fn children(self) -> impl Iterator<Item = (Cow<'a, str>, Self)> {
        let Self { document, node } = self;
        let elements = (0_usize..).zip(document.elements(node));
        let elements = elements.map(|(number, node)| (Cow::Owned(number.to_string()), node));
        let children = document.members(node).chain(elements);
        children.map(move |(name, node)| (name, Self { document, node }))
    }
}

fn number(text: &str) -> Json<'_> {
    if text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return text.parse().ok().filter(|number: &f64| number.is_finite()).map_or(Json::Odd, Json::Double);
    }
    match (text.parse(), text.parse()) {
        (Ok(number), _) => Json::Int(number),
        (_, Ok(number)) => Json::Uint(number),
        _ => Json::Odd,
    }
}

/// Takes a payload apart into `nodes`: the object that it must be. An error leaves those before it.
pub(super) fn object<'a>(payload: &'a [u8], nodes: &'a mut Vec<Node>) -> Result<Raw<'a>, DecodeError> {
    nodes.clear();
    let text = std::str::from_utf8(payload).map_err(|error| DecodeError::Json {
        offset: error.valid_up_to(),
        problem: "bytes that are not UTF-8",
    })?;
    json::scan(text, nodes)
        .map_err(|error| DecodeError::Json { offset: error.offset, problem: error.problem })?;
    let root = Raw { document: Document::new(text, nodes), node: Document::ROOT };
    match root.read() {
        Json::Object => Ok(root),
        Json::Array => Err(DecodeError::Json {
            offset: root.span().start,
            problem: "a list, where one object is a message,",
        }),
        _ => Err(DecodeError::Json { offset: root.span().start, problem: "a value that is no object" }),
    }
}

/// The members of a payload that is no message, up to where it goes wrong.
pub(super) fn begun<'a>(
    payload: &'a [u8],
    nodes: &'a mut Vec<Node>,
) -> impl Iterator<Item = (Cow<'a, str>, Raw<'a>)> {
    nodes.clear();
    let text = std::str::from_utf8(payload).unwrap_or_default();
    // What is wrong is told already.
    let _ = json::scan(text, nodes);
    let root = Raw { document: Document::new(text, nodes), node: Document::ROOT };
    let is_object = root.document.kind(root.node) == Some(Kind::Object);
    // A value that does not end has no place yet, and nothing comes behind it.
    root.children().take_while(move |(_, raw)| is_object && !raw.span().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Json<'static> {
        let payload = format!("{{\"x\":{text}}}");
        let mut nodes = Vec::new();
        let root = object(payload.as_bytes(), &mut nodes).unwrap();
        let (_, raw) = root.children().next().unwrap();
        assert_eq!((raw.text(), raw.span().start), (text, 5));
        match raw.read() {
            Json::Text(text) => Json::Text(text.into_owned().into()),
            Json::Int(number) => Json::Int(number),
            Json::Uint(number) => Json::Uint(number),
            Json::Double(number) => Json::Double(number),
            Json::Odd => Json::Odd,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_are_read_with_the_type_that_they_are_written_in() {
        assert_eq!(value("-7"), Json::Int(-7));
        assert_eq!(value("9223372036854775808"), Json::Uint(1 << 63));
        assert_eq!(value("18446744073709551616"), Json::Odd);
        assert_eq!(value("1e2"), Json::Double(100.0));
        assert_eq!(value("1e999"), Json::Odd);
        assert_eq!(value(r#""a\u00e9""#), Json::Text("aé".into()));
        assert_eq!((value("8.0").whole(), value("8.5").whole(), value("-1").whole()), (Some(8), None, None));
        assert_eq!((value("1e300").whole(), value("18446744073709551615").whole()), (None, Some(u64::MAX)));
    }
}
