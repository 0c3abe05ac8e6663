//! A file of devices in pieces that one request takes, with the place of every line.
//!
//! A piece fits into the buffers of a connection, so that sending it never waits for the answer to be read.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;

use super::files::Format;
use crate::client::LineError;

/// The longest line, bytes. With every value at its bound a device takes less.
const MAX_LINE: usize = 16 * 1024;

/// A piece is closed once it has this many bytes, or so many lines that are not worth sending.
const ENOUGH: usize = 48 * 1024;
const ENOUGH_REFUSED: usize = 1000;

/// What some programs put before a text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A piece of the file, in the file's format.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// What is sent.
    pub(super) body: Vec<u8>,
    /// Its devices, in their order.
    pub(super) lines: Vec<Line>,
    /// Lines of the piece before the first of them.
    before: u64,
    /// Lines that are not worth sending, with why.
    pub(super) refused: Vec<LineError>,
}

/// Where a device stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Line in the file, from 1.
    pub(super) number: u64,
    /// Bytes in the piece.
    bytes: Range<usize>,
}

impl Batch {
    /// The device of a line of the piece, counted from 1.
    pub(super) fn line(&self, sent_as: u64) -> Option<&Line> {
        let place = sent_as.checked_sub(self.before + 1)?;
        self.lines.get(usize::try_from(place).ok()?)
    }

    /// A device as it is in the piece.
    pub(super) fn text(&self, line: &Line) -> &[u8] {
        self.body.get(line.bytes.clone()).unwrap_or_default()
    }
}

/// Cuts a file. A device is one line in either format.
#[derive(Debug)]
pub(super) struct Batches<R> {
    reader: BufReader<R>,
    /// Line that was read last.
    number: u64,
    bytes: u64,
    /// What stands before the lines of every piece: the header of CSV.
    header: Vec<u8>,
    line: Vec<u8>,
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Device,
    Blank,
    TooLong,
    End,
}

impl<R: Read> Batches<R> {
    pub(super) fn new(format: Format, file: R) -> io::Result<Self> {
        let reader = BufReader::new(file);
        let mut batches = Self { reader, number: 0, bytes: 0, header: Vec::new(), line: Vec::new() };
        if format == Format::Csv {
            batches.read()?;
            let header = std::mem::take(&mut batches.line);
            batches.header = header.strip_prefix(BYTE_ORDER_MARK).map_or(header.clone(), <[u8]>::to_vec);
        }
        Ok(batches)
    }

    /// What stands before the lines of every piece.
    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    /// Bytes of the file that are read.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next piece; `None` after the last.
    pub(super) fn next(&mut self) -> io::Result<Option<Batch>> {
        let before = u64::from(!self.header.is_empty());
        let mut batch = Batch { body: self.header.clone(), before, ..Batch::default() };
        while batch.body.len() < ENOUGH && batch.refused.len() < ENOUGH_REFUSED {
            match self.read()? {
                Found::Device => {
                    let begin = batch.body.len();
                    batch.body.extend_from_slice(&self.line);
                    batch.lines.push(Line { number: self.number, bytes: begin..batch.body.len() });
                }
                Found::Blank => {}
                Found::TooLong => {
                    let detail = format!("the line is longer than {MAX_LINE} bytes");
                    batch.refused.push(LineError {
                        line: self.number,
                        id: None,
                        code: "too_large".into(),
                        detail,
                    });
                }
                Found::End => break,
            }
        }
        Ok((!batch.lines.is_empty() || !batch.refused.is_empty()).then_some(batch))
    }

    /// Reads a line, with its end.
    fn read(&mut self) -> io::Result<Found> {
        self.line.clear();
        let read = self.reader.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(Found::End);
        }
        self.number += 1;
        self.bytes += read as u64;
        let is_whole = self.line.ends_with(b"\n");
        if read > MAX_LINE {
            if !is_whole {
                self.bytes += skip_line(&mut self.reader)?;
            }
            return Ok(Found::TooLong);
        }
        if !is_whole {
            self.line.push(b'\n');
        }
        Ok(if self.line.trim_ascii().is_empty() { Found::Blank } else { Found::Device })
    }
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
        let rows: Vec<_> = (0..5000).map(|n| format!("{n:015},xirgo-lx41,\"truck, {n}\"\n")).collect();
        let rows = rows.concat();
        let text = format!("\u{feff}id,model,name\n{rows}");
        let mut batches = Batches::new(Format::Csv, text.as_bytes()).unwrap();
        let (mut number, mut pieces) = (2, 0);
        while let Some(batch) = batches.next().unwrap() {
            pieces += 1;
            assert!(batch.body.starts_with(b"id,model,name\n") && batch.body.len() < 64 * 1024);
            assert!(batch.line(1).is_none(), "the header is no device");
            for (sent_as, line) in (2..).zip(&batch.lines) {
                assert_eq!(line.number, number);
                assert_eq!(batch.line(sent_as), Some(line));
                let id = format!("{:015},", number - 2);
                assert!(batch.text(line).starts_with(id.as_bytes()));
                number += 1;
            }
        }
        assert!(pieces > 1);
        assert_eq!((number, batches.bytes()), (5002, text.len() as u64));
    }

    #[test]
    fn blank_lines_are_counted_and_not_sent() {
        let batch = &all(Format::Jsonl, "{\"id\":\"1\"}\n\n  \n{\"id\":\"2\"}")[0];
        assert_eq!(batch.body, b"{\"id\":\"1\"}\n{\"id\":\"2\"}\n");
        assert_eq!(batch.lines.iter().map(|line| line.number).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn a_line_without_end_costs_no_memory_and_not_the_lines_after_it() {
        let text = format!("{{\"id\":\"1\"}}\n{}\n{{\"id\":\"2\"}}\n", "x".repeat(100_000));
        let batches = all(Format::Jsonl, &text);
        assert_eq!(batches.len(), 1);
        assert_eq!(batches[0].refused[0].line, 2);
        assert_eq!(batches[0].lines[1].number, 3);
    }

    #[test]
    fn an_empty_file_has_no_piece() {
        for format in [Format::Csv, Format::Jsonl] {
            assert!(all(format, "").is_empty());
        }
        assert!(all(Format::Csv, "id,model\n").is_empty());
    }
}
