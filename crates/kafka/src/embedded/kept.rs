//! The file of one compacted topic: the newest record of each key, appended as they come and rewritten when it has
//! grown. A line names the format and its version, a second the topic; then records, each with length and checksum.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::EmbeddedError;

const FORMAT: &str = "fleetwire-kept 1";
/// Length and checksum before each record's body.
const HEAD: usize = 8;
/// Appended records above four times the live ones that make a rewrite worth it.
const SLACK: usize = 10_000;

/// What is kept of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) timestamp_ms: i64,
    pub(super) value: Vec<u8>,
}

/// The newest record of each key, in memory and in a file.
#[derive(Debug)]
pub(super) struct KeptFile {
    path: PathBuf,
    topic: String,
    live: BTreeMap<Vec<u8>, Kept>,
    appended: usize,
    dirty: bool,
    writer: BufWriter<File>,
}

impl KeptFile {
    /// Opens or makes the file. A damaged tail is set aside with a warning; a file of another kind is an error.
    pub(super) fn open(path: PathBuf, topic: &str) -> Result<Self, EmbeddedError> {
        let live = match fs::read(&path) {
            Ok(bytes) => load(&bytes, &path, topic)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(failed(&path, "cannot be read", Some(error))),
        };
        let writer =
            rewrite(&path, topic, &live).map_err(|error| failed(&path, "cannot be written", Some(error)))?;
        Ok(Self { path, topic: topic.to_owned(), live, appended: 0, dirty: false, writer })
    }

    /// The kept records.
    pub(super) fn live(&self) -> &BTreeMap<Vec<u8>, Kept> {
        &self.live
    }

    /// Notes a record; `None` is a tombstone. It is on the disk after the next [`Self::sync`].
    pub(super) fn put(
        &mut self,
        key: &[u8],
        timestamp_ms: i64,
        value: Option<&[u8]>,
    ) -> Result<(), EmbeddedError> {
        let written = write_record(&mut self.writer, key, timestamp_ms, value);
        written.map_err(|error| failed(&self.path, "cannot be written", Some(error)))?;
        match value {
            Some(value) => {
                self.live.insert(key.to_owned(), Kept { timestamp_ms, value: value.to_owned() });
            }
            None => {
                self.live.remove(key);
            }
        }
        self.appended += 1;
        self.dirty = true;
        Ok(())
    }

    /// Makes everything noted durable.
    pub(super) fn sync(&mut self) -> Result<(), EmbeddedError> {
        if !self.dirty {
            return Ok(());
        }
        let outcome = if self.appended > SLACK + self.live.len() * 4 {
            self.appended = 0;
            rewrite(&self.path, &self.topic, &self.live).map(|writer| self.writer = writer)
        } else {
            self.writer.flush().and_then(|()| self.writer.get_ref().sync_data())
        };
        outcome.map_err(|error| failed(&self.path, "cannot be written", Some(error)))?;
        self.dirty = false;
        Ok(())
    }
}

fn failed(path: &Path, reason: &'static str, source: Option<io::Error>) -> EmbeddedError {
    EmbeddedError::File { path: path.to_owned(), reason, source }
}

fn load(bytes: &[u8], path: &Path, topic: &str) -> Result<BTreeMap<Vec<u8>, Kept>, EmbeddedError> {
    let head = format!("{FORMAT}\n{topic}\n");
    let Some(mut rest) = bytes.strip_prefix(head.as_bytes()) else {
        return Err(failed(path, "is no file of this topic and version; move it away", None));
    };
    let mut live = BTreeMap::new();
    while !rest.is_empty() {
        let Some((key, kept, after)) = read_record(rest) else {
            set_aside(rest, path);
            break;
        };
        match kept {
            Some(kept) => live.insert(key.to_owned(), kept),
            None => live.remove(key),
        };
        rest = after;
    }
    Ok(live)
}

/// A process that was killed may leave half a record; anything more is worth a look.
fn set_aside(tail: &[u8], path: &Path) {
    let aside = path.with_extension("damaged");
    let saved = fs::write(&aside, tail).is_ok();
    tracing::warn!(
        file = %path.display(),
        bytes = tail.len(),
        aside = %aside.display(),
        saved,
        "the end of the file is damaged and left out"
    );
}

fn rewrite(path: &Path, topic: &str, live: &BTreeMap<Vec<u8>, Kept>) -> io::Result<BufWriter<File>> {
    let fresh = path.with_extension("new");
    let mut writer = BufWriter::new(File::create(&fresh)?);
    write!(writer, "{FORMAT}\n{topic}\n")?;
    for (key, kept) in live {
        write_record(&mut writer, key, kept.timestamp_ms, Some(&kept.value))?;
    }
    writer.flush()?;
    writer.get_ref().sync_data()?;
    fs::rename(&fresh, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(BufWriter::new(OpenOptions::new().append(true).open(path)?))
}

fn write_record(
    writer: &mut impl io::Write,
    key: &[u8],
    timestamp_ms: i64,
    value: Option<&[u8]>,
) -> io::Result<()> {
    let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let mut body = Vec::with_capacity(13 + key.len() + value.map_or(0, <[u8]>::len));
    body.extend(timestamp_ms.to_le_bytes());
    body.extend(u32::try_from(key.len()).map_err(too_long)?.to_le_bytes());
    body.extend(key);
    body.push(u8::from(value.is_some()));
    body.extend(value.unwrap_or_default());
    writer.write_all(&u32::try_from(body.len()).map_err(too_long)?.to_le_bytes())?;
    writer.write_all(&crc32fast::hash(&body).to_le_bytes())?;
    writer.write_all(&body)
}

/// Key, what is kept of it (nothing: a tombstone), and the bytes after the record; or nothing if it is damaged.
fn read_record(bytes: &[u8]) -> Option<(&[u8], Option<Kept>, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let (length, checksum) = head.split_at_checked(4)?;
    let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
    let (body, after) = rest.split_at_checked(length)?;
    if crc32fast::hash(body) != u32::from_le_bytes(checksum.try_into().ok()?) {
        return None;
    }
    let (timestamp, body) = body.split_at_checked(8)?;
    let (key_length, body) = body.split_at_checked(4)?;
    let key_length = usize::try_from(u32::from_le_bytes(key_length.try_into().ok()?)).ok()?;
    let (key, body) = body.split_at_checked(key_length)?;
    let (has_value, value) = body.split_first()?;
    let kept = (*has_value == 1).then(|| Kept {
        timestamp_ms: i64::from_le_bytes(timestamp.try_into().unwrap_or_default()),
        value: value.to_owned(),
    });
    Some((key, kept, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(file: &KeptFile) -> Vec<&[u8]> {
        file.live().keys().map(Vec::as_slice).collect()
    }

    #[test]
    fn the_newest_of_each_key_is_there_at_the_next_opening() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.kept");
        let mut file = KeptFile::open(path.clone(), "t").unwrap();
        for (key, value) in [("a", Some("1")), ("b", Some("1")), ("a", Some("2")), ("b", None)] {
            file.put(key.as_bytes(), 5, value.map(str::as_bytes)).unwrap();
        }
        file.sync().unwrap();
        drop(file);
        let file = KeptFile::open(path, "t").unwrap();
        assert_eq!(keys(&file), [b"a"]);
        assert_eq!(file.live()[&b"a"[..]], Kept { timestamp_ms: 5, value: b"2".to_vec() });
    }

    #[test]
    fn a_damaged_tail_is_left_out_and_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.kept");
        let mut file = KeptFile::open(path.clone(), "t").unwrap();
        file.put(b"a", 0, Some(b"1")).unwrap();
        file.put(b"b", 0, Some(b"1")).unwrap();
        file.sync().unwrap();
        drop(file);
        let whole = fs::read(&path).unwrap();
        for damaged in [whole[..whole.len() - 1].to_vec(), {
            let mut bytes = whole.clone();
            *bytes.last_mut().unwrap() ^= 1;
            bytes
        }] {
            fs::write(&path, damaged).unwrap();
            let file = KeptFile::open(path.clone(), "t").unwrap();
            assert_eq!(keys(&file), [b"a"]);
            assert!(path.with_extension("damaged").exists());
        }
        // What was damaged is gone from the file itself.
        fs::remove_file(path.with_extension("damaged")).unwrap();
        KeptFile::open(path.clone(), "t").unwrap();
        assert!(!path.with_extension("damaged").exists());
    }

    #[test]
    fn a_file_of_another_topic_or_version_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.kept");
        KeptFile::open(path.clone(), "t").unwrap();
        assert!(KeptFile::open(path.clone(), "u").is_err());
        fs::write(&path, "fleetwire-kept 2\nt\n").unwrap();
        assert!(KeptFile::open(path, "t").is_err());
    }

    #[test]
    fn a_grown_file_is_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.kept");
        let mut file = KeptFile::open(path.clone(), "t").unwrap();
        for _ in 0..=SLACK + 4 {
            file.put(b"a", 0, Some(b"1")).unwrap();
        }
        file.sync().unwrap();
        assert!(fs::metadata(&path).unwrap().len() < 100);
        file.put(b"b", 0, Some(b"1")).unwrap();
        file.sync().unwrap();
        drop(file);
        assert_eq!(keys(&KeptFile::open(path, "t").unwrap()), [b"a", b"b"]);
    }
}
