//! A token bucket that is one instant wide (the generic cell rate algorithm).

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

/// So many events a second in the long run, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Events a second.
    pub per_second: NonZeroU32,
    /// Events that may come at once after a rest.
    pub burst: NonZeroU32,
}

impl Rate {
    fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second.get()
    }
}

/// A bucket; full at first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    /// When it is full again.
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes one token, or says how long until there is one.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.wait(rate.interval(), rate.interval() * (rate.burst.get() - 1), now)?;
        self.spend(rate.interval(), now);
        Ok(())
    }

    /// Whether a token is there; if not, how long until one is.
    pub(super) fn wait(&self, interval: Duration, tolerance: Duration, now: Instant) -> Result<(), Duration> {
        debug_assert!(!interval.is_zero());
        let missing = self.full_at.map_or(Duration::ZERO, |full_at| full_at.saturating_duration_since(now));
        match missing.checked_sub(tolerance) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(wait),
        }
    }

    /// Takes one token, there or not.
    pub(super) fn spend(&mut self, interval: Duration, now: Instant) {
        let from = self.full_at.map_or(now, |full_at| full_at.max(now));
        self.full_at = Some(from + interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(per_second: u32, burst: u32) -> Rate {
        Rate { per_second: per_second.try_into().unwrap(), burst: burst.try_into().unwrap() }
    }

    #[test]
    fn a_burst_comes_at_once_and_then_one_by_one() {
        let (mut bucket, rate, start) = (Bucket::default(), rate(10, 3), Instant::now());
        for _ in 0..3 {
            bucket.take(rate, start).unwrap();
        }
        assert_eq!(bucket.take(rate, start), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(rate, start + Duration::from_millis(60)), Err(Duration::from_millis(40)));
        bucket.take(rate, start + Duration::from_millis(100)).unwrap();
        assert!(bucket.take(rate, start + Duration::from_millis(100)).is_err());
    }

    #[test]
    fn a_refusal_costs_nothing_and_rest_gives_no_more_than_the_burst() {
        let (mut bucket, rate, start) = (Bucket::default(), rate(1, 2), Instant::now());
        for _ in 0..2 {
            bucket.take(rate, start).unwrap();
        }
        for _ in 0..1000 {
            bucket.take(rate, start).unwrap_err();
        }
        let later = start + Duration::from_hours(1);
        let taken = (0..10).filter(|_| bucket.take(rate, later).is_ok()).count();
        assert_eq!(taken, 2);
    }

    #[test]
    fn a_second_holds_as_many_as_the_rate_says() {
        let (mut bucket, rate, start) = (Bucket::default(), rate(500, 1), Instant::now());
        let taken = (0..10_000_u64)
            .filter(|tenth_ms| bucket.take(rate, start + Duration::from_micros(tenth_ms * 100)).is_ok())
            .count();
        assert_eq!(taken, 500);
    }
}
