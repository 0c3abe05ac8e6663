//! How fast connections are taken from the kernel: a rate, and a slow start, so that a fleet that comes back at
//! once does not find a cold process overrun. Who is not taken yet waits in the kernel and costs nothing.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use super::bucket::Bucket;

/// What may be taken at once, as time: timers have grains of a millisecond.
const TOLERANCE: Duration = Duration::from_millis(20);
/// Where a slow start begins.
const FIRST_SHARE: f64 = 0.1;

/// The pace of all listeners of a server.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: NonZeroU32,
    slow_start: Duration,
    started: Instant,
    bucket: Bucket,
}

impl Pace {
    pub(super) fn new(per_second: NonZeroU32, slow_start: Duration, started: Instant) -> Self {
        Self { per_second, slow_start, started, bucket: Bucket::default() }
    }

    /// How long to wait before the next connection is taken.
    pub(super) fn wait(&self, now: Instant) -> Result<(), Duration> {
        self.bucket.wait(self.interval(now), TOLERANCE, now)
    }

    /// A connection was taken.
    pub(super) fn spend(&mut self, now: Instant) {
        self.bucket.spend(self.interval(now), now);
    }

    /// The rate grows evenly over the slow start.
    fn interval(&self, now: Instant) -> Duration {
        let running = now.saturating_duration_since(self.started);
        let share = if running >= self.slow_start { 1.0 } else { running.div_duration_f64(self.slow_start) };
        Duration::from_secs_f64(1.0 / (f64::from(self.per_second.get()) * share.max(FIRST_SHARE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connections taken within each second.
    fn taken(pace: &mut Pace, start: Instant, seconds: u64) -> Vec<usize> {
        let mut second = |second: u64| {
            let instants =
                (0..100_000_u64).map(|step| start + Duration::from_micros(second * 1_000_000 + step * 10));
            let mut count = 0;
            for now in instants {
                if pace.wait(now).is_ok() {
                    pace.spend(now);
                    count += 1;
                }
            }
            count
        };
        (0..seconds).map(&mut second).collect()
    }

    #[test]
    fn the_pace_grows_over_the_slow_start_and_then_holds() {
        let start = Instant::now();
        let mut pace = Pace::new(NonZeroU32::new(1000).unwrap(), Duration::from_secs(4), start);
        let seconds = taken(&mut pace, start, 7);
        assert!(seconds.is_sorted(), "{seconds:?}");
        assert!((100..250).contains(&seconds[0]), "{seconds:?}");
        for second in &seconds[4..] {
            assert!((950..=1050).contains(second), "{seconds:?}");
        }
    }

    #[test]
    fn ten_thousand_devices_pass_the_default_slow_start_within_five_seconds() {
        let settings = super::super::GateSettings::default();
        let start = Instant::now();
        let mut pace = Pace::new(settings.accept_rate.unwrap(), settings.slow_start, start);
        let all: usize = taken(&mut pace, start, 5).iter().sum();
        assert!(all >= 10_000, "{all}");
    }
}
