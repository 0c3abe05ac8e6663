//! JSON text to nodes (RFC 8259), without recursion: an open container remembers its own container in its node.

use super::{Kind, Node};

/// Containers within containers. What devices send has a handful; serde_json stops at the same depth.
pub(crate) const MAX_DEPTH: usize = 127;

/// Why a text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// First byte that does not fit.
    pub(crate) offset: usize,
    /// What is wrong there.
    pub(crate) problem: &'static str,
}

/// Fills `nodes` with the values of a text; after an error they are those before it, in containers that end there.
pub(crate) fn scan(text: &str, nodes: &mut Vec<Node>) -> Result<(), SyntaxError> {
    nodes.clear();
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0, nodes, open: NONE, depth: 0 };
    if u32::try_from(text.len()).is_err() {
        return Err(SyntaxError { offset: 0, problem: "the text is longer than 4 GiB" });
    }
    let outcome = scanner.run();
    while scanner.open_kind().is_some() {
        scanner.close();
    }
    outcome
}

/// No container is open.
const NONE: u32 = u32::MAX;

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: &'a mut Vec<Node>,
    /// Index of the innermost open container.
    open: u32,
    depth: usize,
}

impl Scanner<'_> {
    fn run(&mut self) -> Result<(), SyntaxError> {
        loop {
            self.space();
            if self.value()? {
                // A container with something in it: its first value is next.
                self.key_of_object()?;
                continue;
            }
            loop {
                self.space();
                let Some(kind) = self.open_kind() else {
                    return match self.peek() {
                        None => Ok(()),
                        Some(_) => self.fail("there is more after the value"),
                    };
                };
                match (self.peek(), kind) {
                    (Some(b','), _) => {
                        self.at += 1;
                        self.space();
                        self.key_of_object()?;
                        break;
                    }
                    (Some(b'}'), Kind::Object) | (Some(b']'), Kind::Array) => {
                        self.at += 1;
                        self.close();
                    }
                    (None, _) => return self.fail("the text ends within a value"),
                    (_, Kind::Object) => return self.fail("`,` or `}` is due"),
                    _ => return self.fail("`,` or `]` is due"),
                }
            }
        }
    }

    /// Takes the beginning of a value; true if it is a container that is not empty.
    fn value(&mut self) -> Result<bool, SyntaxError> {
        match self.peek() {
            Some(b'{') => return self.enter(Kind::Object, b'}'),
            Some(b'[') => return self.enter(Kind::Array, b']'),
            Some(b'"') => self.string(Kind::Text)?,
            Some(b't') => self.word("true", Kind::True)?,
            Some(b'f') => self.word("false", Kind::False)?,
            Some(b'n') => self.word("null", Kind::Null)?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => return self.fail("a value is due"),
            None => return self.fail("the text ends where a value is due"),
        }
        Ok(false)
    }

    fn enter(&mut self, kind: Kind, end: u8) -> Result<bool, SyntaxError> {
        if self.depth == MAX_DEPTH {
            return self.fail("values are nested deeper than 127");
        }
        self.depth += 1;
        let outer = self.open;
        self.open = self.count();
        self.push(kind, false, self.at, outer);
        self.at += 1;
        self.space();
        if self.peek() == Some(end) {
            self.at += 1;
            self.close();
            return Ok(false);
        }
        Ok(true)
    }

    /// Ends the innermost open container here.
    fn close(&mut self) {
        let (end, next) = (self.position(), self.count());
        if let Some(node) = self.nodes.get_mut(self.open as usize) {
            self.open = node.next;
            node.end = end;
            node.next = next;
        }
        self.depth = self.depth.saturating_sub(1);
    }

    /// Takes a member's name and the colon, if the innermost open container is an object.
    fn key_of_object(&mut self) -> Result<(), SyntaxError> {
        if self.open_kind() != Some(Kind::Object) {
            return Ok(());
        }
        if self.peek() != Some(b'"') {
            return self.fail("the name of a member is due");
        }
        self.string(Kind::Key)?;
        self.space();
        if self.peek() != Some(b':') {
            return self.fail("`:` is due");
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self, kind: Kind) -> Result<(), SyntaxError> {
        let start = self.at;
        let mut escapes = false;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escapes = true;
                    self.escape()?;
                }
                Some(0x20..) => self.at += 1,
                Some(_) => return self.fail("a text holds a control character"),
                None => return self.fail("the text ends within a string"),
            }
        }
        self.at += 1;
        self.push_leaf(kind, escapes, start);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        let digits = self.bytes.get(self.at + 2..self.at + 6);
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') if digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) => {
                self.at += 6;
            }
            _ => return self.fail("no such escape"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') && !self.digits() {
            return self.fail("a digit is due");
        }
        let whole = self.at;
        if self.take(b'.') && !self.digits() {
            return self.fail("a digit is due");
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            if !self.digits() {
                return self.fail("a digit is due");
            }
        }
        self.push_leaf(Kind::Number, self.at > whole, start);
        Ok(())
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<(), SyntaxError> {
        let start = self.at;
        for byte in word.bytes() {
            if !self.take(byte) {
                return self.fail("a value is due");
            }
        }
        self.push_leaf(kind, false, start);
        Ok(())
    }

    /// Takes digits; false if there is none.
    fn digits(&mut self) -> bool {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        self.at > start
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn open_kind(&self) -> Option<Kind> {
        self.nodes.get(self.open as usize).map(|node| node.kind)
    }

    fn push_leaf(&mut self, kind: Kind, special: bool, start: usize) {
        let next = self.count() + 1;
        self.push(kind, special, start, next);
    }

    /// Adds a node that begins at `start` and ends here.
    fn push(&mut self, kind: Kind, special: bool, start: usize, next: u32) {
        let (start, end) = (narrow(start), self.position());
        self.nodes.push(Node { kind, special, start, end, next });
    }

    fn count(&self) -> u32 {
        narrow(self.nodes.len())
    }

    fn position(&self) -> u32 {
        narrow(self.at)
    }

    const fn fail<T>(&self, problem: &'static str) -> Result<T, SyntaxError> {
        Err(SyntaxError { offset: self.at, problem })
    }
}

/// A place in a text whose length was found to fit; there are never more nodes than bytes.
#[expect(clippy::cast_possible_truncation, reason = "checked for the whole text")]
const fn narrow(place: usize) -> u32 {
    place as u32
}
