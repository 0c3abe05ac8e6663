//! Which lines came how often lately. Decides, and knows no clock.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::{Level, Metadata};

/// Kinds of lines that are told apart. Beyond, further kinds are written and not counted until there is room.
const KINDS: usize = 1024;

/// One kind of line: a place in the program and a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Line {
    place: Identifier,
    level: Level,
    target: &'static str,
    text: String,
}

impl Line {
    pub(super) fn new(metadata: &'static Metadata<'static>, text: String) -> Self {
        Self { place: metadata.callsite(), level: *metadata.level(), target: metadata.target(), text }
    }
}

/// What was left out of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) level: Level,
    pub(super) target: &'static str,
    pub(super) text: String,
    pub(super) hidden: u64,
}

#[derive(Debug)]
struct Seen {
    /// When its window began.
    since: Instant,
    written: u32,
    /// Left out since `told`.
    hidden: u64,
    told: Instant,
}

/// The counts.
#[derive(Debug)]
pub(super) struct Table {
    most: u32,
    window: Duration,
    lines: HashMap<Line, Seen>,
}

impl Table {
    pub(super) fn new(most: u32, window: Duration) -> Self {
        Self { most, window, lines: HashMap::new() }
    }

    /// Whether the line is written.
    pub(super) fn takes(&mut self, line: Line, now: Instant) -> bool {
        if self.lines.len() >= KINDS && !self.lines.contains_key(&line) {
            self.forget(now);
            if self.lines.len() >= KINDS {
                return true;
            }
        }
        let seen = self.lines.entry(line).or_insert(Seen { since: now, written: 0, hidden: 0, told: now });
        if now.saturating_duration_since(seen.since) >= self.window {
            (seen.since, seen.written) = (now, 0);
        }
        if seen.written < self.most {
            seen.written += 1;
            return true;
        }
        seen.hidden += 1;
        false
    }

    /// What was left out and not told for a window. Forgets what does not come any more.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Sum> {
        let window = self.window;
        let sums = self.sums(now, |seen| now.saturating_duration_since(seen.told) >= window);
        self.forget(now);
        sums
    }

    /// What was left out and not told.
    pub(super) fn all(&mut self, now: Instant) -> Vec<Sum> {
        self.sums(now, |_| true)
    }

    fn sums(&mut self, now: Instant, is_due: impl Fn(&Seen) -> bool) -> Vec<Sum> {
        let due = self.lines.iter_mut().filter(|(_, seen)| seen.hidden > 0 && is_due(seen));
        due.map(|(line, seen)| {
            seen.told = now;
            let hidden = std::mem::take(&mut seen.hidden);
            Sum { level: line.level, target: line.target, text: line.text.clone(), hidden }
        })
        .collect()
    }

    fn forget(&mut self, now: Instant) {
        let window = self.window;
        self.lines.retain(|_, seen| seen.hidden > 0 || now.saturating_duration_since(seen.since) < window);
    }
}
