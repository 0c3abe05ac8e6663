//! Sample payloads from files and from standard input.

use std::io::Read as _;
use std::path::Path;

use anyhow::Result;
use serde::de::IgnoredAny;

use crate::process::Usage;

/// The longest file that is read, bytes.
const MAX_FILE: u64 = 64 << 20;

/// One payload of a sample.
#[derive(Debug)]
pub(crate) struct Message {
    /// File, and line where it has several.
    pub(crate) name: String,
    /// Bytes as a device would publish them.
    pub(crate) payload: Vec<u8>,
}

/// A file's bytes; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let outcome = if path.as_os_str() == "-" {
        std::io::stdin().take(MAX_FILE + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
    };
    let name = path.display();
    let length = outcome.map_err(|error| Usage(format!("{name} cannot be read: {error}")))?;
    if u64::try_from(length).is_ok_and(|length| length > MAX_FILE) {
        return Err(Usage(format!("{name} is longer than 64 MiB")).into());
    }
    Ok(bytes)
}

/// The payloads of a sample: one on each line if the first line is JSON by itself, and otherwise one.
pub(crate) fn messages(path: &Path) -> Result<Vec<Message>> {
    Ok(split(&path.display().to_string(), read(path)?))
}

fn split(name: &str, bytes: Vec<u8>) -> Vec<Message> {
    let lines =
        || bytes.split(|byte| *byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    let first_is_json =
        lines().next().is_some_and(|(_, line)| serde_json::from_slice::<IgnoredAny>(line).is_ok());
    if !first_is_json || lines().nth(1).is_none() {
        return vec![Message { name: name.to_owned(), payload: bytes }];
    }
    lines()
        .map(|(number, line)| Message {
            name: format!("{name}, line {}", number + 1),
            payload: line.trim_ascii_end().to_vec(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(String, String)> {
        let messages = split("x", text.as_bytes().to_vec());
        messages
            .into_iter()
            .map(|message| (message.name, String::from_utf8(message.payload).unwrap()))
            .collect()
    }

    #[test]
    fn a_file_is_one_payload_or_one_on_each_line() {
        let one = |text: &str| vec![("x".to_owned(), text.to_owned())];
        for text in ["", "{\n\"a\": 1\n}\n", "{\"a\": 1}\n", "not json\n{}\n", "[\n{},\n{}\n]"] {
            assert_eq!(names(text), one(text));
        }
        let lines = names("{\"a\":1}\r\n\n[2]\n{broken");
        let expected = [("x, line 1", "{\"a\":1}"), ("x, line 3", "[2]"), ("x, line 4", "{broken")];
        assert_eq!(lines, expected.map(|(name, payload)| (name.to_owned(), payload.to_owned())));
    }
}
