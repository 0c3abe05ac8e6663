//! What is left of a run: messages, and when the next of them may leave.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Shared by all devices of a run.
#[derive(Debug)]
pub(crate) struct Budget {
    taken: AtomicU64,
    messages: u64,
    start: Instant,
    rate: Option<f64>,
}

impl Budget {
    pub(crate) fn new(messages: Option<u64>, rate: Option<f64>, start: Instant) -> Self {
        Self { taken: AtomicU64::new(0), messages: messages.unwrap_or(u64::MAX), start, rate }
    }

    /// Takes one message, and says when it may leave; `None` if all are taken.
    #[expect(clippy::cast_precision_loss, reason = "a place in a queue, to the microsecond for years")]
    pub(crate) fn take(&self) -> Option<Instant> {
        let next = |taken: u64| (taken < self.messages).then_some(taken + 1);
        let place = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        let wait = self.rate.map(|rate| Duration::try_from_secs_f64(place as f64 / rate));
        Some(match wait {
            Some(Ok(wait)) => self.start + wait,
            _ => self.start,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_leave_at_the_rate_until_all_are_taken() {
        let start = Instant::now();
        let budget = Budget::new(Some(3), Some(2.0), start);
        let places: Vec<_> =
            std::iter::from_fn(|| budget.take()).map(|at| (at - start).as_millis()).collect();
        assert_eq!(places, [0, 500, 1000]);
    }

    #[test]
    fn without_bounds_a_message_may_always_leave() {
        let start = Instant::now();
        let budget = Budget::new(None, None, start);
        assert!((0..1000).all(|_| budget.take() == Some(start)));
    }
}
