//! JSON pointers (RFC 6901) as mappings hold them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// A place within a record, as `/gps/lat`; with a `$` in front, within the whole payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pointer {
    text: Box<str>,
    /// Whether it begins at the root of the payload rather than of the record.
    pub(super) from_root: bool,
    pub(super) tokens: Vec<Box<str>>,
}

/// The longest pointer, bytes, and the most tokens of one: values do not lie deeper.
const MAX_LENGTH: usize = 500;
const MAX_TOKENS: usize = 32;

impl FromStr for Pointer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "a JSON pointer is /NAME/NAME, with `$` in front to begin at the payload's root, and ~1 for a / \
                    and ~0 for a ~ within a name";
        if text.len() > MAX_LENGTH {
            return Err(format!("a pointer of {} bytes is longer than {MAX_LENGTH}", text.len()));
        }
        let (from_root, path) = text.strip_prefix('$').map_or((false, text), |path| (true, path));
        let mut parts = path.split('/');
        if parts.next() != Some("") {
            return Err(format!("{text:?} does not begin with /: {form}"));
        }
        let tokens: Option<Vec<_>> = parts.map(unescape).collect();
        let tokens = tokens.ok_or_else(|| format!("{text:?} has a ~ without 0 or 1 behind it: {form}"))?;
        if tokens.len() > MAX_TOKENS {
            return Err(format!("{text:?} has more than {MAX_TOKENS} names"));
        }
        Ok(Self { text: text.into(), from_root, tokens })
    }
}

fn unescape(token: &str) -> Option<Box<str>> {
    let mut pieces = token.split('~');
    let mut out = pieces.next()?.to_owned();
    for piece in pieces {
        let (letter, rest) = piece.split_at_checked(1)?;
        out.push(match letter {
            "0" => '~',
            "1" => '/',
            _ => return None,
        });
        out.push_str(rest);
    }
    Some(out.into())
}

/// Appends one name to a pointer's text.
pub(super) fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    for character in token.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped_as_the_standard_says() {
        let pointer: Pointer = "$/a~1b/m~0n//0".parse().unwrap();
        assert!(pointer.from_root);
        let tokens: Vec<&str> = pointer.tokens.iter().map(AsRef::as_ref).collect();
        assert_eq!(tokens, ["a/b", "m~n", "", "0"]);
        let mut again = "$".to_owned();
        for token in tokens {
            push_token(&mut again, token);
        }
        assert_eq!(again, pointer.to_string());
        assert!("".parse::<Pointer>().unwrap().tokens.is_empty());
        for bad in ["a", "$a", "/a~", "/a~2", "/a~é", &"/".repeat(40), &"/a".repeat(400)] {
            assert!(bad.parse::<Pointer>().is_err(), "{bad}");
        }
    }
}
