//! A payload from a file: as it is, or written as hexadecimal digits.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Result;

use crate::process::Usage;

/// Bytes of a file; more than any payload that a frontend takes, written as digits with spaces.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// What may stand between digits.
const BETWEEN: &[char] = &[':', ',', '.', '-'];

/// How a file holds a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As hexadecimal digits.
    Hex,
    /// As it is.
    Binary,
    /// As it is, and it is text that begins like JSON.
    Json,
}

impl Form {
    /// Its name for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hex => "hexadecimal digits",
            Self::Binary => "binary",
            Self::Json => "JSON text",
        }
    }
}

/// Reads a file, or standard input for "-". Without a form, what the file looks like decides.
pub(crate) fn read(file: &Path, form: Option<Form>) -> Result<(Vec<u8>, Form)> {
    let bytes = bytes(file).map_err(|err| Usage(format!("{} cannot be read: {err}", file.display())))?;
    let form = form.unwrap_or_else(|| looks_like(&bytes));
    if form != Form::Hex {
        return Ok((bytes, form));
    }
    let payload = digits(&bytes).map_err(|err| Usage(format!("{}: {err}", file.display())))?;
    Ok((payload, form))
}

fn bytes(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        io::stdin().lock().take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it has more than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}

/// Digits are taken as such only if all of it is digits.
fn looks_like(bytes: &[u8]) -> Form {
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') if std::str::from_utf8(bytes).is_ok() => Form::Json,
        Some(_) if digits(bytes).is_ok() => Form::Hex,
        _ => Form::Binary,
    }
}

/// The bytes that hexadecimal digits stand for.
fn digits(text: &[u8]) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is binary, not hexadecimal digits".to_owned())?;
    let groups = text.split(|c: char| c.is_ascii_whitespace() || BETWEEN.contains(&c));
    let mut payload = Vec::with_capacity(text.len() / 2);
    let mut high = None;
    for group in groups {
        let group = group.strip_prefix("0x").or_else(|| group.strip_prefix("0X")).unwrap_or(group);
        for c in group.chars() {
            let digit = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let digit = digit.ok_or_else(|| format!("{c:?} is no hexadecimal digit"))?;
            match high.take() {
                None => high = Some(digit),
                Some(high) => payload.push(high << 4 | digit),
            }
        }
    }
    match high {
        Some(_) => Err(format!("it has an odd number of digits, {}", payload.len() * 2 + 1)),
        None => Ok(payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_may_be_grouped() {
        for text in ["0201ff", "02 01 FF\n", "0x02,0x01,0xff", "02:01:ff", "02.01.ff", " 0x0201\nff "] {
            assert_eq!(digits(text.as_bytes()), Ok(vec![2, 1, 0xff]), "{text}");
            assert_eq!(looks_like(text.as_bytes()), Form::Hex, "{text}");
        }
        assert!(digits(b"020").unwrap_err().contains("odd number of digits, 3"));
        assert!(digits(b"02 0g").unwrap_err().contains("'g'"));
    }

    #[test]
    fn what_is_not_all_digits_is_taken_as_it_is() {
        assert_eq!(looks_like(b"\x02\x08\x00"), Form::Binary);
        assert_eq!(looks_like(b"020"), Form::Binary);
        assert_eq!(looks_like(b""), Form::Binary);
        assert_eq!(looks_like(b" {\"a\": 1}"), Form::Json);
        assert_eq!(looks_like(b"[\xff"), Form::Binary);
    }
}
