//! How far the topic of device states has been read, partition by partition.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A reader that got nothing for so long has read everything: the last offsets of a partition may hold no record.
const QUIET: Duration = Duration::from_secs(10);

/// Where the follower is.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Offset that follows the last record that was taken in.
    next: HashMap<i32, i64>,
    is_caught_up: bool,
    idle_since: Option<Instant>,
}

impl Progress {
    /// A record was taken in.
    pub(crate) fn record(&self, partition: i32, offset: i64) {
        let mut inner = self.lock();
        inner.idle_since = None;
        inner.next.insert(partition, offset.saturating_add(1));
    }

    /// What was there at the start is taken in.
    pub(crate) fn caught_up(&self) {
        self.lock().is_caught_up = true;
    }

    /// Nothing came.
    pub(crate) fn idle(&self, now: Instant) {
        self.lock().idle_since.get_or_insert(now);
    }

    /// Whether all below an offset is taken in; the offset was known at `asked`.
    pub(crate) fn has_passed(&self, partition: i32, end: i64, asked: Instant, now: Instant) -> bool {
        let inner = self.lock();
        let has_read = inner.next.get(&partition).is_some_and(|next| *next >= end);
        let is_quiet = || {
            let since = inner.idle_since.map(|idle| idle.max(asked));
            since.is_some_and(|since| now.saturating_duration_since(since) >= QUIET)
        };
        inner.is_caught_up && (end == 0 || has_read || is_quiet())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_passed_when_all_below_it_was_read() {
        let (progress, now) = (Progress::default(), Instant::now());
        let passed = |end| progress.has_passed(0, end, now, now);
        assert!(!passed(0), "it has not caught up");
        progress.caught_up();
        assert!(passed(0) && !passed(5));
        progress.record(0, 4);
        assert!(passed(5) && !passed(6));
        assert!(!progress.has_passed(1, 5, now, now), "another partition");
    }

    #[test]
    fn a_quiet_reader_has_read_everything() {
        let (progress, now) = (Progress::default(), Instant::now());
        progress.caught_up();
        progress.idle(now);
        let later = now + QUIET;
        assert!(progress.has_passed(0, 5, now, later));
        assert!(!progress.has_passed(0, 5, now + Duration::from_secs(1), later), "asked later");
        progress.record(1, 0);
        assert!(!progress.has_passed(0, 5, now, later));
    }
}
