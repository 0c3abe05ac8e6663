//! The moment at which a device's publishes go to the raw topic instead of the held one: what was held last must be in
//! the raw topic before what comes now.

use std::sync::atomic::{AtomicI64, Ordering};

/// How long the keeper of held publishes may need to forward the last one. It takes a few tenths of a second.
const WAIT_MS: i64 = 2000;

/// When the last publish of a session was held.
#[derive(Debug, Default)]
pub struct Handover(AtomicI64);

impl Handover {
    /// A publish is held, at this Unix time in milliseconds.
    pub(crate) fn held(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }

    /// Whether a publish may go to the raw topic now. If not, it is offered again later.
    pub(crate) fn is_over(&self, now_ms: i64) -> bool {
        let held_ms = self.0.load(Ordering::Relaxed);
        // A clock that was set back keeps nobody waiting.
        let is_over = held_ms == 0 || !(held_ms..held_ms + WAIT_MS).contains(&now_ms);
        if is_over && held_ms != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_something_held_waits_a_moment_and_nothing_else_does() {
        let handover = Handover::default();
        assert!(handover.is_over(5000));
        handover.held(10_000);
        assert!(!handover.is_over(10_000) && !handover.is_over(11_999));
        assert!(handover.is_over(12_000) && handover.is_over(10_500));
        handover.held(20_000);
        assert!(handover.is_over(10_000), "the clock was set back");
    }
}
