//! JSON without a tree: the members of an object one after the other, each value as its text within the payload.
//! The syntax of the whole is checked once; values are read where they are needed, so that a number without bounds
//! or half a surrogate pair spoils one value and not the message.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer as _};
use serde_json::value::RawValue;

use crate::DecodeError;

/// The largest whole number up to which every whole number is an exact `f64`.
const MAX_EXACT: u64 = 1 << 53;

/// A value. Of objects and arrays it is known that they are well-formed.
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
    /// A number outside every range, or a text with half a surrogate pair.
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
            Self::Odd => "a number or text that cannot be read",
        }
    }
}

/// Reads a value.
pub(super) fn read(raw: &RawValue) -> Json<'_> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => string(text),
        Some(b'{') => Json::Object,
        Some(b'[') => Json::Array,
        Some(b't') => Json::Bool(true),
        Some(b'f') => Json::Bool(false),
        Some(b'n') => Json::Null,
        _ => number(text),
    }
}

fn string(quoted: &str) -> Json<'_> {
    match quoted.get(1..quoted.len().saturating_sub(1)) {
        Some(plain) if !plain.contains('\\') => Json::Text(Cow::Borrowed(plain)),
        _ => serde_json::from_str(quoted).map_or(Json::Odd, |text: String| Json::Text(Cow::Owned(text))),
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

/// The payload as text that begins with an object.
pub(super) fn text(payload: &[u8]) -> Result<&str, DecodeError> {
    let text = std::str::from_utf8(payload).map_err(|error| {
        let offset = error.valid_up_to();
        DecodeError::Json { offset, reason: "bytes that are not UTF-8".to_owned() }
    })?;
    let begins = text.find(|c| !matches!(c, ' ' | '\t' | '\r' | '\n'));
    let reason = match begins.and_then(|begins| text.as_bytes().get(begins)) {
        Some(b'{') => return Ok(text),
        None => "the payload is empty; one JSON object is expected",
        Some(b'[') => "a list; one JSON object is expected in a message",
        Some(_) => "one JSON object is expected, which begins with {",
    };
    Err(DecodeError::Json { offset: begins.unwrap_or(text.len()), reason: reason.to_owned() })
}

/// Calls `each` for the members of an object, or for the elements of an array by their numbers from 0.
pub(super) fn children<'a>(
    text: &'a str,
    each: impl FnMut(Cow<'a, str>, &'a RawValue),
) -> Result<(), serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_any(Children(each))?;
    reader.end()
}

/// A syntax error with its place in the text.
pub(super) fn error(text: &str, error: &serde_json::Error) -> DecodeError {
    let lines_before = text.split_inclusive('\n').take(error.line().saturating_sub(1));
    let line: usize = lines_before.map(str::len).sum();
    let offset = if error.is_eof() { text.len() } else { line + error.column().saturating_sub(1) };
    let reason = error.to_string();
    let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
    DecodeError::Json { offset: offset.min(text.len()), reason: reason.to_owned() }
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct Children<F>(F);

impl<'de, F: FnMut(Cow<'de, str>, &'de RawValue)> Visitor<'de> for Children<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((Key(key), value)) = map.next_entry()? {
            self.0(key, value);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let mut number = 0_usize;
        while let Some(value) = list.next_element()? {
            self.0(Cow::Owned(number.to_string()), value);
            number = number.saturating_add(1);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Json<'_> {
        read(serde_json::from_str::<&RawValue>(text).unwrap())
    }

    #[test]
    fn values_are_read_with_the_type_that_they_are_written_in() {
        assert_eq!(value("-7"), Json::Int(-7));
        assert_eq!(value("9223372036854775808"), Json::Uint(1 << 63));
        assert_eq!(value("18446744073709551616"), Json::Odd);
        assert_eq!(value("1e2"), Json::Double(100.0));
        assert_eq!(value("1e999"), Json::Odd);
        assert_eq!(value(r#""a\u00e9""#), Json::Text("aé".into()));
        assert_eq!(value(r#""\ud800""#), Json::Odd);
        assert_eq!((value("8.0").whole(), value("8.5").whole(), value("-1").whole()), (Some(8), None, None));
        assert_eq!((value("1e300").whole(), value("18446744073709551615").whole()), (None, Some(u64::MAX)));
    }

    #[test]
    fn a_syntax_error_has_its_place() {
        for (text, place) in
            [("{\"a\":1,}", 7), ("{\n\"a\" 1}", 6), ("{\"a\":1", 6), ("{} x", 3), ("{\"a\":tru}", 8)]
        {
            let found = error(text, &children(text, |_, _| {}).unwrap_err());
            assert_eq!(found.byte_offset(), Some(place), "{text} {found}");
        }
    }
}
