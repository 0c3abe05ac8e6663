//! How fast a session's publishes are read: a token bucket that holds one second's worth.

use std::time::{Duration, Instant};

/// A bound on publishes a second. A session above it is not read for a while; nothing is refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Time that one publish costs.
    cost: Duration,
    /// When everything that was read so far is paid for.
    paid: Instant,
}

impl Pace {
    /// At most `per_second` in the long run, which is at least 1.
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { cost: Duration::from_secs(1) / per_second.max(1), paid: now }
    }

    /// Notes a publish.
    pub(super) fn take(&mut self, now: Instant) {
        self.paid = self.paid.max(now) + self.cost;
    }

    /// Until when nothing is to be read.
    pub(super) fn pause(&self, now: Instant) -> Option<Instant> {
        let until = self.paid.checked_sub(Duration::from_secs(1))?;
        (until > now).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_may_come_at_once_and_the_rest_waits() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut pace = Pace::new(4, start);
        for _ in 0..4 {
            pace.take(start);
            assert_eq!(pace.pause(start), None);
        }
        pace.take(start);
        assert_eq!(pace.pause(start), Some(start + Duration::from_millis(250)));
        assert_eq!(pace.pause(start + Duration::from_millis(250)), None);
    }

    #[test]
    fn a_slow_client_never_waits() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut pace = Pace::new(1, start);
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            pace.take(now);
            assert_eq!(pace.pause(now), None);
        }
    }
}
