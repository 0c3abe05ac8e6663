//! Lines that repeat: of the same line within a while some are written, the others are counted and summed up in one.
//!
//! The same line is the same place in the program with the same text; its fields may differ. Lines of `debug` and `trace`
//! are left alone: whoever turns them on wants to see each.

mod table;

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::Counter;
use serde::Deserialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber, error, info, warn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::metrics::{Label, Metric};
use table::{Line, Sum, Table};

/// The target of the lines that sum up. Every filter shows them.
pub(super) const TARGET: &str = module_path!();

/// When lines that repeat are left out; `[process.log_repeats]` in the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepeatSettings {
    /// Lines of one kind that are written within the window; 0 for any number.
    pub most: u32,
    /// How long a window is.
    #[serde(deserialize_with = "window")]
    pub window: Duration,
}

impl Default for RepeatSettings {
    fn default() -> Self {
        Self { most: 50, window: Duration::from_secs(10) }
    }
}

impl RepeatSettings {
    /// Every line is written.
    pub const fn off() -> Self {
        Self { most: 0, window: Duration::from_secs(10) }
    }
}

fn window<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let window = humantime::parse_duration(&text).map_err(serde::de::Error::custom)?;
    if (Duration::from_secs(1)..=Duration::from_hours(1)).contains(&window) {
        return Ok(window);
    }
    Err(serde::de::Error::custom("process.log_repeats.window must be 1s to 1h"))
}

/// Counts lines, and decides which are written.
#[derive(Debug)]
pub(super) struct Repeats {
    most: u32,
    table: Mutex<Table>,
    metrics: Metrics,
}

impl Repeats {
    pub(super) fn new(settings: RepeatSettings) -> Self {
        let table = Mutex::new(Table::new(settings.most, settings.window));
        Self { most: settings.most, table, metrics: Metrics::new() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a line is written.
    fn takes(&self, event: &Event<'_>, now: Instant) -> bool {
        let (metadata, level) = (event.metadata(), *event.metadata().level());
        let is_limited = self.most > 0 && level <= Level::INFO && metadata.target() != TARGET;
        if is_limited && !self.table().takes(Line::new(metadata, text(event)), now) {
            self.metrics.suppressed(level);
            return false;
        }
        self.metrics.written(level);
        true
    }

    /// Writes what was left out of windows that are over.
    pub(super) fn sum_up(&self, now: Instant) {
        // The sums are lines themselves: nothing is locked while they are written.
        let sums = self.table().due(now);
        sums.iter().for_each(write);
    }

    /// Writes what was left out by now.
    pub(super) fn sum_up_all(&self) {
        let sums = self.table().all(Instant::now());
        sums.iter().for_each(write);
    }
}

fn write(sum: &Sum) {
    let (repeats, of) = (sum.hidden, sum.target);
    let text = format!("{} ... {} more of these", sum.text, grouped(sum.hidden));
    match sum.level {
        Level::ERROR => error!(repeats, of, "{text}"),
        Level::WARN => warn!(repeats, of, "{text}"),
        _ => info!(repeats, of, "{text}"),
    }
}

/// A number for people: 1,234.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The message of a line, without its fields.
fn text(event: &Event<'_>) -> String {
    let mut message = Message(String::new());
    event.record(&mut message);
    message.0
}

/// Longest text that tells lines apart, bytes.
const LONGEST: usize = 256;

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // A String takes everything.
            let _ = write!(self.0, "{value:?}");
            let end = (0..=LONGEST).rev().find(|end| self.0.is_char_boundary(*end));
            self.0.truncate(end.unwrap_or_default());
        }
    }
}

/// Writes lines as `F` does, but for those that are left out.
#[derive(Debug)]
pub(super) struct Limited<F> {
    pub(super) format: F,
    pub(super) repeats: Arc<Repeats>,
}

impl<S, N, F> FormatEvent<S, N> for Limited<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.repeats.takes(event, Instant::now()) {
            self.format.format_event(context, writer, event)
        } else {
            // What is formatted as nothing is not written.
            Ok(())
        }
    }
}

const WRITTEN: Metric = Metric::counter("fleetwire_logs_total", "Log lines that were written.")
    .from_start(&[Label::words("level", &["error", "warn", "info", "debug", "trace"])])
    .worry("`error`: somebody must act, and the line says on what. `warn` jumps: the lines say why.");
const SUPPRESSED: Metric = Metric::counter(
    "fleetwire_logs_suppressed_total",
    "Log lines that were left out because the same line had been written `[process.log_repeats] most` times within \
     its window. They are summed up in one line.",
)
.from_start(&[Label::words("level", &["error", "warn", "info"])])
.worry("It grows for long: something goes wrong over and over; `... more of these` in the log says what.");
/// Metrics of logs.
pub(crate) const METRICS: &[Metric] = &[WRITTEN, SUPPRESSED];

/// Lines by level, from the worst to the least.
#[derive(Debug)]
struct Metrics {
    written: [Counter; 5],
    suppressed: [Counter; 3],
}

impl Metrics {
    fn new() -> Self {
        Self {
            written: ["error", "warn", "info", "debug", "trace"].map(|level| WRITTEN.counter_of([level])),
            suppressed: ["error", "warn", "info"].map(|level| SUPPRESSED.counter_of([level])),
        }
    }

    fn written(&self, level: Level) {
        if let Some(counter) = self.written.get(place(level)) {
            counter.increment(1);
        }
    }

    fn suppressed(&self, level: Level) {
        if let Some(counter) = self.suppressed.get(place(level)) {
            counter.increment(1);
        }
    }
}

const fn place(level: Level) -> usize {
    match level {
        Level::ERROR => 0,
        Level::WARN => 1,
        Level::INFO => 2,
        Level::DEBUG => 3,
        Level::TRACE => 4,
    }
}

#[cfg(test)]
mod tests;
