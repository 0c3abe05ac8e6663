//! How long things took, by the step of a run that they fall into.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

/// What is no step.
pub(super) const STEADY: usize = 0;
/// Before anything is measured.
pub(super) const WARM_UP: usize = usize::MAX;

/// Which step a run is at, and the times of each.
#[derive(Debug, Default)]
pub(super) struct Steps {
    now: AtomicUsize,
    /// From when a publish was due to its PUBACK, reconnects included.
    pub(super) puback: Times,
    /// From the reception of a publish to the reading of its position.
    pub(super) age: Times,
}

impl Steps {
    /// The step that is on, or [`STEADY`].
    pub(super) fn now(&self) -> usize {
        self.now.load(Relaxed)
    }

    /// Begins a step, or ends it with [`STEADY`].
    pub(super) fn begin(&self, step: usize) {
        self.now.store(step, Relaxed);
    }

    /// Where a time counts that began in one step and ends now: in the present one, or else where it began.
    pub(super) fn counted_at(&self, began: usize) -> usize {
        match self.now() {
            STEADY => began,
            step => step,
        }
    }
}

/// Times by step.
#[derive(Debug, Default)]
pub(super) struct Times(Mutex<Vec<Histogram<u64>>>);

impl Times {
    /// Notes a time, unless it belongs to the warm-up.
    pub(super) fn record(&self, step: usize, time: Duration) -> Result<()> {
        if step == WARM_UP {
            return Ok(());
        }
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while steps.len() <= step {
            steps.push(Histogram::new(3)?);
        }
        if let Some(times) = steps.get_mut(step) {
            times.record(u64::try_from(time.as_micros())?)?;
        }
        Ok(())
    }

    /// What a step came to.
    pub(super) fn of(&self, step: usize) -> Quantiles {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        steps.get(step).map(Quantiles::from).unwrap_or_default()
    }

    /// What all steps came to, without what is none.
    pub(super) fn of_all_steps(&self) -> Result<Quantiles> {
        let mut all = Histogram::<u64>::new(3)?;
        for times in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().skip(1) {
            all.add(times)?;
        }
        Ok(Quantiles::from(&all))
    }
}

/// A distribution of times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// How many there are.
    pub count: u64,
    /// Median.
    pub p50: Duration,
    /// 99 of a hundred are not longer.
    pub p99: Duration,
    /// The longest.
    pub most: Duration,
}

impl From<&Histogram<u64>> for Quantiles {
    fn from(times: &Histogram<u64>) -> Self {
        let at = |quantile| Duration::from_micros(times.value_at_quantile(quantile));
        Self { count: times.len(), p50: at(0.5), p99: at(0.99), most: at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_at_the_step_in_which_it_ends_or_else_in_which_it_began() {
        let steps = Steps::default();
        steps.begin(2);
        assert_eq!(steps.counted_at(STEADY), 2);
        steps.begin(STEADY);
        assert_eq!((steps.counted_at(2), steps.counted_at(STEADY)), (2, STEADY));
        for (step, ms) in [(STEADY, 500), (1, 1), (2, 3), (WARM_UP, 500)] {
            steps.puback.record(step, Duration::from_millis(ms)).unwrap();
        }
        let all = steps.puback.of_all_steps().unwrap();
        assert_eq!((all.count, steps.puback.of(2).count, steps.puback.of(7).count), (2, 1, 0));
        assert!(all.most < Duration::from_millis(4), "{all:?}");
    }
}
