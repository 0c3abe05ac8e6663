//! How far a replay is, on standard error where that is a terminal.

use std::time::{Duration, Instant};

use fleetwire_kafka::RangeProgress;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// How often it is drawn.
const EVERY: Duration = Duration::from_millis(200);

/// A bar over the offsets of the range, with the rate.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    drawn: Instant,
    began: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        // Drawn on standard error; indicatif draws nothing if that is no terminal.
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {percent}% {msg}") {
            bar.set_style(style);
        }
        let now = Instant::now();
        Self { bar, drawn: now, began: now }
    }

    /// Draws, if it is time to.
    pub(crate) fn show(&mut self, records: u64, progress: impl FnOnce() -> RangeProgress) {
        if self.drawn.elapsed() < EVERY {
            return;
        }
        self.drawn = Instant::now();
        let RangeProgress { done, total } = progress();
        self.bar.set_length(total);
        self.bar.set_position(done);
        self.bar.set_message(format!(
            "{} records, {}/s",
            HumanCount(records),
            HumanCount(self.rate(records))
        ));
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// How long it has taken so far.
    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Records a second, from the beginning on.
    pub(crate) fn rate(&self, records: u64) -> u64 {
        let ms = self.began.elapsed().as_millis().max(1);
        u64::try_from(u128::from(records) * 1000 / ms).unwrap_or(u64::MAX)
    }
}
