//! The file of a backup: lines of JSON. The first says what it is, each further one holds a record, and the last one how
//! many these were and the SHA-256 of everything before it, so that a file that was cut short or changed is found out.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Kept;

/// Version of the format.
const VERSION: u32 = 1;
/// The longest line that is read, bytes: the largest record that Kafka takes by default has 1 MiB, and base64 makes four
/// bytes of three.
const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Version of the format.
    pub(super) fleetwire_backup: u32,
    /// Build that wrote it.
    pub(super) build: String,
    /// When it was begun, RFC 3339.
    pub(super) made: String,
    /// Prefix of the topics that it is of.
    pub(super) topic_prefix: String,
    /// Names of the topics without the prefix.
    pub(super) topics: Vec<String>,
}

/// A record, its bytes as base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    topic: String,
    key: Option<String>,
    value: Option<String>,
    time_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    end: Sum,
}

#[derive(Debug, Serialize, Deserialize)]
struct Sum {
    records: u64,
    sha256: String,
}

/// A record of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) topic: Kept,
    pub(super) key: Option<Vec<u8>>,
    /// None removes what the key stood for.
    pub(super) value: Option<Vec<u8>>,
    /// When it was written, Unix milliseconds.
    pub(super) time_ms: Option<i64>,
    pub(super) headers: BTreeMap<String, Vec<u8>>,
}

/// The topic that a file calls so.
pub(super) fn topic_of(name: &str) -> Option<Kept> {
    Kept::value_variants().iter().copied().find(|kept| kept.topic().suffix() == name)
}

/// Writes a backup.
pub(super) struct Writer<W> {
    out: W,
    sum: Sha256,
    records: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W, build: &str, made: &str, prefix: &str, topics: &[Kept]) -> Result<Self> {
        let mut writer = Self { out, sum: Sha256::new(), records: 0 };
        writer.line(&Head {
            fleetwire_backup: VERSION,
            build: build.to_owned(),
            made: made.to_owned(),
            topic_prefix: prefix.to_owned(),
            topics: topics.iter().map(|kept| kept.topic().suffix().to_owned()).collect(),
        })?;
        Ok(writer)
    }

    pub(super) fn record(&mut self, stored: &Stored) -> Result<()> {
        let text = |bytes: &Vec<u8>| STANDARD.encode(bytes);
        self.records += 1;
        self.line(&Line {
            topic: stored.topic.topic().suffix().to_owned(),
            key: stored.key.as_ref().map(text),
            value: stored.value.as_ref().map(text),
            time_ms: stored.time_ms,
            headers: stored.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        })
    }

    /// Writes the last line; returns how many records there are.
    pub(super) fn finish(mut self) -> Result<u64> {
        let sha256 = hex::encode(self.sum.clone().finalize());
        self.line(&End { end: Sum { records: self.records, sha256 } })?;
        self.out.flush()?;
        Ok(self.records)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.sum.update(&line);
        self.out.write_all(&line)?;
        Ok(())
    }
}

/// Reads a backup, and fails at the first thing that is wrong with it.
pub(super) fn read(
    mut input: impl BufRead,
    mut each: impl FnMut(Stored) -> Result<()>,
) -> Result<(Head, u64)> {
    let mut sum = Sha256::new();
    let mut line = Vec::new();
    let first = next(&mut input, &mut line)?;
    ensure!(first, "the file is empty");
    let head: Head = serde_json::from_slice(&line).ok().filter(|head: &Head| head.fleetwire_backup > 0).context(
        "the first line says nothing of a backup: this is no file of `fleetwire export` (devices as CSV or JSON go in by \
         `fleetwire device import`)",
    )?;
    ensure!(
        head.fleetwire_backup <= VERSION,
        "the file has format {}, this build reads up to {VERSION}: take a newer build",
        head.fleetwire_backup
    );
    sum.update(&line);
    let mut records = 0_u64;
    while next(&mut input, &mut line)? {
        let number = records + 2;
        if let Ok(End { end }) = serde_json::from_slice(&line) {
            let found = hex::encode(sum.finalize());
            ensure!(
                end.records == records && end.sha256 == found,
                "the file was changed since it was written: its last line does not fit the rest"
            );
            ensure!(!next(&mut input, &mut line)?, "there is something behind the last line of the backup");
            return Ok((head, records));
        }
        sum.update(&line);
        let stored =
            serde_json::from_slice::<Line>(&line).map_err(anyhow::Error::from).and_then(|line| stored(&line));
        each(stored.with_context(|| format!("line {number}"))?)?;
        records += 1;
    }
    bail!("the file ends after {records} records without its last line: it was cut short");
}

/// Reads a line with its end into `line`; false at the end of the file.
fn next(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool> {
    use std::io::Read as _;
    line.clear();
    let read = input.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', line)?;
    if read > 0 && !line.ends_with(b"\n") {
        ensure!(line.len() < MAX_LINE_BYTES, "a line has more than {MAX_LINE_BYTES} bytes");
        bail!("the file ends within a line: it was cut short");
    }
    Ok(read > 0)
}

fn stored(line: &Line) -> Result<Stored> {
    let bytes = |text: &String| STANDARD.decode(text).context("this is no base64");
    let topic = topic_of(&line.topic).with_context(|| format!("`{}` is no topic of a backup", line.topic))?;
    let headers = line.headers.iter().map(|(name, value)| Ok((name.clone(), bytes(value)?)));
    Ok(Stored {
        topic,
        key: line.key.as_ref().map(bytes).transpose()?,
        value: line.value.as_ref().map(bytes).transpose()?,
        time_ms: line.time_ms,
        headers: headers.collect::<Result<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(records: &[Stored]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer =
            Writer::new(&mut bytes, "test", "2026-11-26T00:00:00Z", "eu", &[Kept::Devices]).unwrap();
        for record in records {
            writer.record(record).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), u64::try_from(records.len()).unwrap());
        bytes
    }

    fn back(bytes: &[u8]) -> Result<Vec<Stored>> {
        let mut found = Vec::new();
        let (head, records) = read(bytes, |stored| {
            found.push(stored);
            Ok(())
        })?;
        assert_eq!((head.topic_prefix.as_str(), usize::try_from(records).unwrap()), ("eu", found.len()));
        Ok(found)
    }

    fn any_record() -> impl Strategy<Value = Stored> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..40);
        let topic = prop::sample::select(Kept::value_variants().to_vec());
        let headers = prop::collection::btree_map("[a-z-]{1,8}", bytes(), 0..3);
        let parts =
            (topic, prop::option::of(bytes()), prop::option::of(bytes()), any::<Option<i64>>(), headers);
        parts.prop_map(|(topic, key, value, time_ms, headers)| Stored { topic, key, value, time_ms, headers })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(records in prop::collection::vec(any_record(), 0..8)) {
            prop_assert_eq!(back(&written(&records)).unwrap(), records);
        }

        #[test]
        fn a_file_that_was_cut_or_changed_is_refused(
            records in prop::collection::vec(any_record(), 1..4),
            at in any::<prop::sample::Index>(),
            with in any::<u8>(),
        ) {
            let whole = written(&records);
            let at = at.index(whole.len());
            prop_assert!(back(&whole[..at]).is_err());
            let mut changed = whole.clone();
            changed[at] = with;
            // White space within the last line is the one thing that may differ.
            prop_assume!(changed != whole);
            prop_assert!(back(&changed).is_err(), "byte {at} of {}", String::from_utf8_lossy(&whole));
        }
    }

    #[test]
    fn another_file_is_told_apart() {
        let told = back(b"device_id,model\n867035046242895,xirgo-lx41\n").unwrap_err().to_string();
        assert!(told.contains("device import"), "{told}");
        assert!(back(b"").unwrap_err().to_string().contains("empty"));
        let newer = String::from_utf8(written(&[]))
            .unwrap()
            .replace("\"fleetwire_backup\":1", "\"fleetwire_backup\":2");
        assert!(back(newer.as_bytes()).unwrap_err().to_string().contains("newer build"));
    }
}
