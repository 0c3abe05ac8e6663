//! A file of devices in pieces that one request takes, with the place of every line.
//!
//! A piece fits into the buffers of a connection, so that sending it never waits for the answer to be read.

use std::io::{self, BufRead, BufReader, Read};

use csv::ByteRecord;

use super::files::Format;
use crate::client::LineError;

/// The longest line, and record, bytes. With every field at its bound one is shorter.
const MAX_LINE: usize = 16 * 1024;

/// A piece is closed once it has this many bytes.
const ENOUGH: usize = 48 * 1024;

/// A piece of the file, in the file's format.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// What is sent.
    pub(super) body: Vec<u8>,
    /// Its devices, in their order.
    pub(super) lines: Vec<Line>,
    /// Lines that are not worth sending, with why.
    pub(super) refused: Vec<LineError>,
}

/// Where a device stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Line in the piece, from 1.
    sent_as: u64,
    /// Line in the file, from 1.
    pub(super) number: u64,
    /// Bytes in the piece.
    bytes: std::ops::Range<usize>,
}

impl Batch {
    /// The device that begins at, or before, a line of the piece.
    pub(super) fn line(&self, sent_as: u64) -> Option<&Line> {
        let after = self.lines.partition_point(|line| line.sent_as <= sent_as);
        self.lines.get(after.checked_sub(1)?)
    }

    /// A device as it is in the piece.
    pub(super) fn text(&self, line: &Line) -> &[u8] {
        self.body.get(line.bytes.clone()).unwrap_or_default()
    }

    fn refuse(&mut self, number: u64) {
        let detail = format!("longer than {MAX_LINE} bytes; is a quotation mark missing?");
        self.refused.push(LineError { line: number, id: None, code: "line_too_long".into(), detail });
    }
}

/// Cuts a file.
#[derive(Debug)]
pub(super) struct Batches<R>(Source<R>);

#[derive(Debug)]
enum Source<R> {
    Csv { reader: Box<csv::Reader<R>>, header: Vec<u8> },
    Lines { reader: BufReader<R>, number: u64, bytes: u64 },
}

impl<R: Read> Batches<R> {
    pub(super) fn new(format: Format, file: R) -> io::Result<Self> {
        if format == Format::Jsonl {
            return Ok(Self(Source::Lines { reader: BufReader::new(file), number: 0, bytes: 0 }));
        }
        // Whether a record has the right fields is for the API to say, line by line.
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
        let header = written(reader.byte_headers()?)?;
        Ok(Self(Source::Csv { reader: Box::new(reader), header }))
    }

    /// What stands before the lines of every piece: the header of CSV.
    pub(super) fn header(&self) -> &[u8] {
        match &self.0 {
            Source::Csv { header, .. } => header,
            Source::Lines { .. } => &[],
        }
    }

    /// Bytes of the file that are read.
    pub(super) fn bytes(&self) -> u64 {
        match &self.0 {
            Source::Csv { reader, .. } => reader.position().byte(),
            Source::Lines { bytes, .. } => *bytes,
        }
    }

    /// The next piece; `None` after the last.
    pub(super) fn next(&mut self) -> io::Result<Option<Batch>> {
        let mut batch = Batch { body: self.header().to_vec(), ..Batch::default() };
        let mut sent = newlines(&batch.body);
        let mut record = Record::default();
        while batch.body.len() < ENOUGH && batch.refused.len() < 1000 && self.read(&mut record)? {
            match &record {
                Record { too_long: true, number, .. } => batch.refuse(*number),
                Record { text, number, .. } => {
                    let begin = batch.body.len();
                    batch.body.extend_from_slice(text);
                    let bytes = begin..batch.body.len();
                    batch.lines.push(Line { sent_as: sent + 1, number: *number, bytes });
                    sent += newlines(text);
                }
            }
        }
        Ok((!batch.lines.is_empty() || !batch.refused.is_empty()).then_some(batch))
    }

    /// Reads the next device; false after the last.
    fn read(&mut self, record: &mut Record) -> io::Result<bool> {
        match &mut self.0 {
            Source::Csv { reader, .. } => {
                let mut fields = ByteRecord::new();
                if !reader.read_byte_record(&mut fields)? {
                    return Ok(false);
                }
                record.number = fields.position().map_or(0, csv::Position::line);
                record.too_long = fields.as_slice().len() > MAX_LINE;
                record.text = if record.too_long { Vec::new() } else { written(&fields)? };
                Ok(true)
            }
            Source::Lines { reader, number, bytes } => loop {
                record.text.clear();
                let read = reader.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut record.text)?;
                if read == 0 {
                    return Ok(false);
                }
                *number += 1;
                *bytes += read as u64;
                record.number = *number;
                record.too_long = read > MAX_LINE;
                if record.too_long && !record.text.ends_with(b"\n") {
                    *bytes += skip_line(reader)?;
                }
                if !record.text.ends_with(b"\n") {
                    record.text.push(b'\n');
                }
                if !record.text.trim_ascii().is_empty() {
                    return Ok(true);
                }
            },
        }
    }
}

/// One device of the file.
#[derive(Debug, Default)]
struct Record {
    number: u64,
    too_long: bool,
    /// With the line's end.
    text: Vec<u8>,
}

/// A record as CSV.
fn written(record: &ByteRecord) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    writer.write_byte_record(record)?;
    writer.into_inner().map_err(|err| io::Error::other(err.to_string()))
}

fn newlines(text: &[u8]) -> u64 {
    text.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// Reads to the end of a line and forgets it; returns its bytes.
fn skip_line(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let (taken, is_over) = (end.map_or(buffer.len(), |end| end + 1), end.is_some() || buffer.is_empty());
        reader.consume(taken);
        skipped += taken as u64;
        if is_over {
            return Ok(skipped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(format: Format, text: &str) -> Vec<Batch> {
        let mut batches = Batches::new(format, text.as_bytes()).unwrap();
        std::iter::from_fn(|| batches.next().unwrap()).collect()
    }

    #[test]
    fn every_piece_of_csv_has_the_header_and_every_line_keeps_its_number() {
        let rows: String = (0..5000).map(|n| format!("{n:015},xirgo-lx41,\"truck\n{n}\"\n")).collect();
        let batches = all(Format::Csv, &format!("id,model,name\n{rows}"));
        assert!(batches.len() > 1);
        let mut number = 2;
        for batch in &batches {
            assert!(batch.body.starts_with(b"id,model,name\n") && batch.body.len() < 64 * 1024);
            for (place, line) in batch.lines.iter().enumerate() {
                assert_eq!(line.number, number);
                let sent_as = 2 + 2 * place as u64;
                assert_eq!(batch.line(sent_as).unwrap(), line);
                assert_eq!(batch.line(sent_as + 1).unwrap(), line);
                number += 2;
            }
        }
        assert_eq!(batches.iter().map(|batch| batch.lines.len()).sum::<usize>(), 5000);
        let last = batches.last().unwrap();
        assert!(last.text(last.lines.last().unwrap()).starts_with(b"000000000004999,"));
        assert!(last.line(1).is_none(), "the header is no device");
    }

    #[test]
    fn blank_lines_of_json_are_counted_and_not_sent() {
        let batch = &all(Format::Jsonl, "{\"id\":\"1\"}\n\n  \n{\"id\":\"2\"}")[0];
        assert_eq!(batch.body, b"{\"id\":\"1\"}\n{\"id\":\"2\"}\n");
        assert_eq!(batch.line(1).unwrap().number, 1);
        assert_eq!(batch.line(2).unwrap().number, 4);
    }

    #[test]
    fn a_line_without_end_costs_no_memory_and_not_the_lines_after_it() {
        let text = format!("{{\"id\":\"1\"}}\n{}\n{{\"id\":\"2\"}}\n", "x".repeat(100_000));
        let batches = all(Format::Jsonl, &text);
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].refused[0].line, 2);
        assert_eq!(batches[0].lines[1].number, 3);
        let csv = format!("id\n\"{}\"\n2\n", "x".repeat(100_000));
        let batch = &all(Format::Csv, &csv)[0];
        assert_eq!((batch.refused[0].line, batch.lines[0].number), (2, 3));
    }

    #[test]
    fn an_empty_file_has_no_piece() {
        for format in [Format::Csv, Format::Jsonl] {
            assert!(all(format, "").is_empty());
        }
        assert!(all(Format::Csv, "id,model\n").is_empty());
    }
}
