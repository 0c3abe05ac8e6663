//! Server-sent events, read line by line.

use std::io::{self, BufRead, BufReader, Read};

/// The longest line that is read, bytes; those of our API are far shorter.
const MAX_LINE: u64 = 64 * 1024;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Where to go on after it.
    pub(crate) id: Option<String>,
    /// What it is.
    pub(crate) kind: String,
    /// What it says.
    pub(crate) data: String,
}

/// The events of a body, until it ends.
#[derive(Debug)]
pub(crate) struct Events<R>(BufReader<R>);

impl<R: Read> Events<R> {
    pub(crate) fn new(body: R) -> Self {
        Self(BufReader::new(body))
    }

    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        if self.0.by_ref().take(MAX_LINE).read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some(text) = line.strip_suffix('\n') else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the stream of events broke off"));
        };
        Ok(Some(text.trim_end_matches('\r').to_owned()))
    }

    fn event(&mut self) -> io::Result<Option<Event>> {
        let (mut event, mut has_data) = (Event::default(), false);
        while let Some(line) = self.line()? {
            if line.is_empty() {
                if has_data {
                    return Ok(Some(event));
                }
                event = Event::default();
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => event.id = Some(value.to_owned()),
                "event" => value.clone_into(&mut event.kind),
                "data" => {
                    if std::mem::replace(&mut has_data, true) {
                        event.data.push('\n');
                    }
                    event.data.push_str(value);
                }
                // A comment has no name; others are nothing to us.
                _ => {}
            }
        }
        Ok(None)
    }
}

impl<R: Read> Iterator for Events<R> {
    type Item = io::Result<Event>;

    fn next(&mut self) -> Option<Self::Item> {
        self.event().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart_and_comments_are_nothing() {
        let body = "retry: 2000\n\n:\n\nid: 1\nevent: status\ndata: {\"a\":1}\n\n: x\n\nevent: end\r\ndata: b\ndata: c\n\n";
        let events: Vec<Event> = Events::new(body.as_bytes()).map(Result::unwrap).collect();
        let event = |id: Option<&str>, kind: &str, data: &str| Event {
            id: id.map(str::to_owned),
            kind: kind.to_owned(),
            data: data.to_owned(),
        };
        assert_eq!(events, [event(Some("1"), "status", "{\"a\":1}"), event(None, "end", "b\nc")]);
    }

    #[test]
    fn a_body_that_breaks_off_is_an_error_within_a_line_and_an_end_between_two() {
        assert!(Events::new("id: 1\ndata: x".as_bytes()).next().unwrap().is_err());
        assert!(Events::new("id: 1\ndata: x\n".as_bytes()).next().is_none());
        let long = format!("data: {}\n\n", "x".repeat(70_000));
        assert!(Events::new(long.as_bytes()).next().unwrap().is_err());
    }
}
