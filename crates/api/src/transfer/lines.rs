//! The lines of a body that is still coming.

use std::time::Duration;

use axum::body::BodyDataStream;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use tokio::time::timeout;

/// Bytes of a line at most; a device of which everything is said has a few thousand.
const MAX_LINE: usize = 64 << 10;

/// A line with its number, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    /// Without its line break; `None` if it is longer than a line may be.
    pub(crate) text: Option<Bytes>,
}

/// Why no more lines come.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body broke off")]
    Broken,
    #[error("no byte of the body came for {} s", .0.as_secs())]
    Idle(Duration),
    #[error("the body is larger than {0} bytes; what is beyond was not read, import it in parts")]
    TooLarge(usize),
}

/// Splits a body into lines. Waiting for the next one may be given up and begun again.
#[derive(Debug)]
pub(crate) struct Lines {
    body: BodyDataStream,
    idle: Duration,
    max_bytes: usize,
    read: usize,
    buffer: BytesMut,
    /// Bytes at the begin of the buffer that hold no line break.
    searched: usize,
    /// The line is too long, and its rest is left out.
    skipping: bool,
    number: u64,
    ended: bool,
}

impl Lines {
    /// Of a body that has to go on within `idle`, and of which at most `max_bytes` are read.
    pub(crate) fn new(body: BodyDataStream, idle: Duration, max_bytes: usize) -> Self {
        let buffer = BytesMut::new();
        Self { body, idle, max_bytes, read: 0, buffer, searched: 0, skipping: false, number: 0, ended: false }
    }

    /// Waits until the body has begun to come, so that a client which waits to be asked for it is asked.
    pub(crate) async fn begin(&mut self) -> Result<(), BodyError> {
        self.fill().await
    }

    /// The next line that is not blank.
    pub(crate) async fn next(&mut self) -> Result<Option<Line>, BodyError> {
        loop {
            while let Some(line) = self.cut() {
                if line.text.as_ref().is_none_or(|text| !text.trim_ascii().is_empty()) {
                    return Ok(Some(line));
                }
            }
            if self.ended {
                return Ok(None);
            }
            self.fill().await?;
        }
    }

    /// A line that is in the buffer, blank or not.
    fn cut(&mut self) -> Option<Line> {
        let rest = self.buffer.get(self.searched..).unwrap_or_default();
        if let Some(found) = rest.iter().position(|&byte| byte == b'\n') {
            return Some(self.take(self.searched + found, 1));
        }
        if self.ended && (!self.buffer.is_empty() || self.skipping) {
            return Some(self.take(self.buffer.len(), 0));
        }
        self.searched = self.buffer.len();
        if self.searched > MAX_LINE {
            self.skipping = true;
            self.buffer.clear();
            self.searched = 0;
        }
        None
    }

    fn take(&mut self, len: usize, line_break: usize) -> Line {
        self.number += 1;
        self.searched = 0;
        let mut line = self.buffer.split_to(len);
        drop(self.buffer.split_to(line_break.min(self.buffer.len())));
        let is_too_long = std::mem::take(&mut self.skipping) || line.len() > MAX_LINE;
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        Line { number: self.number, text: (!is_too_long).then(|| line.freeze()) }
    }

    async fn fill(&mut self) -> Result<(), BodyError> {
        let next = timeout(self.idle, self.body.next()).await.map_err(|_| BodyError::Idle(self.idle))?;
        match next {
            None => self.ended = true,
            Some(Err(_)) => return Err(BodyError::Broken),
            Some(Ok(piece)) => {
                self.read = self.read.saturating_add(piece.len());
                if self.read > self.max_bytes {
                    return Err(BodyError::TooLarge(self.max_bytes));
                }
                self.buffer.extend_from_slice(&piece);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use futures_util::stream;

    use super::*;

    fn lines(pieces: &[&'static str], max_bytes: usize) -> Lines {
        let pieces: Vec<_> = pieces.iter().map(|piece| Ok::<_, Infallible>(Bytes::from(*piece))).collect();
        Lines::new(
            Body::from_stream(stream::iter(pieces)).into_data_stream(),
            Duration::from_secs(5),
            max_bytes,
        )
    }

    async fn all(mut lines: Lines) -> Vec<(u64, Option<String>)> {
        let mut found = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            found.push((line.number, line.text.map(|text| String::from_utf8(text.to_vec()).unwrap())));
        }
        found
    }

    #[tokio::test]
    async fn lines_are_whole_and_counted_however_the_body_comes() {
        let expected = vec![(1, Some("ab".to_owned())), (4, Some("c".to_owned())), (5, Some("d".to_owned()))];
        assert_eq!(all(lines(&["ab\r\n\n \nc\nd"], 1000)).await, expected);
        assert_eq!(all(lines(&["a", "b\r", "\n\n", " \nc", "\n", "d", "\n"], 1000)).await, expected);
        assert_eq!(all(lines(&[], 1000)).await, []);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_told_and_the_next_one_is_read() {
        let long: &'static str = "x".repeat(MAX_LINE + 1).leak();
        let found = all(lines(&["a\n", long, long, "\nb\n", long], usize::MAX)).await;
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(found, [(1, text("a")), (2, None), (3, text("b")), (4, None)]);
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_not_read_to_its_end() {
        let mut lines = lines(&["a\n", "bcdefg\n"], 4);
        assert_eq!(lines.next().await.unwrap().unwrap().number, 1);
        assert_eq!(lines.next().await.unwrap_err(), BodyError::TooLarge(4));
    }
}
