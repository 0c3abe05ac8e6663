//! One metric: what it is called, what it means, and how its handles are made.

use metrics::{Counter, Gauge, Histogram, SharedString, Unit};

use crate::family::CounterFamily;

/// What kind of value a metric has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process runs.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by size, in fixed buckets.
    Histogram,
}

impl Kind {
    /// The word of Prometheus' text format.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A label of a metric. Its values are bounded: words of the program or of the configuration, never what a device says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// All its values, where they are fixed; empty if `note` tells which they are.
    pub words: &'static [&'static str],
    /// What else there is to say of the values; Markdown, may be empty.
    pub note: &'static str,
}

impl Label {
    /// A label with these values and no others.
    pub const fn words(name: &'static str, words: &'static [&'static str]) -> Self {
        Self { name, words, note: "" }
    }

    /// A label whose values `note` tells.
    pub const fn text(name: &'static str, note: &'static str) -> Self {
        Self { name, words: &[], note }
    }

    /// With this said after the values.
    #[must_use]
    pub const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}

/// One metric. Texts are Markdown; those that Prometheus shows lose their code marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name: `fleetwire_<component>_<noun>_<unit>[_total]`.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What it means.
    pub help: &'static str,
    /// Its labels, in the order in which handles name their values.
    pub labels: &'static [Label],
    /// When to look into it, and at what; may be empty.
    pub worry: &'static str,
    /// Whether every value of its only label is there from the start.
    pub starts: bool,
}

impl Metric {
    const fn new(kind: Kind, name: &'static str, help: &'static str) -> Self {
        Self { name, kind, help, labels: &[], worry: "", starts: false }
    }

    /// A counter.
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(Kind::Counter, name, help)
    }

    /// A gauge.
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(Kind::Gauge, name, help)
    }

    /// A histogram. The ending of its name chooses the buckets, see `service::metrics`.
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self::new(Kind::Histogram, name, help)
    }

    /// With these labels.
    #[must_use]
    pub const fn labels(self, labels: &'static [Label]) -> Self {
        Self { labels, ..self }
    }

    /// With these labels, all of whose values are there from the start.
    #[must_use]
    pub const fn from_start(self, labels: &'static [Label]) -> Self {
        Self { labels, starts: true, ..self }
    }

    /// With what should make one look into it.
    #[must_use]
    pub const fn worry(self, worry: &'static str) -> Self {
        Self { worry, ..self }
    }

    /// The unit, by the name; none of a plain number.
    pub fn unit(&self) -> Option<Unit> {
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        match name {
            _ if name.ends_with("_seconds") => Some(Unit::Seconds),
            _ if name.ends_with("_bytes") => Some(Unit::Bytes),
            _ => None,
        }
    }

    /// Tells the recorder what this metric means. Making a handle does it too.
    pub fn describe(&self) {
        let unit = self.unit().unwrap_or(Unit::Count);
        let help = self.help.replace('`', "");
        match self.kind {
            Kind::Counter => metrics::describe_counter!(self.name, unit, help),
            Kind::Gauge => metrics::describe_gauge!(self.name, unit, help),
            Kind::Histogram => metrics::describe_histogram!(self.name, unit, help),
        }
    }

    /// The handle of a counter without labels.
    pub fn to_counter(&self) -> Counter {
        self.counter_of::<&'static str, 0>([])
    }

    /// The handle of a counter with these values of its labels.
    pub fn counter_of<V: Into<SharedString>, const N: usize>(&self, values: [V; N]) -> Counter {
        self.describe();
        metrics::counter!(self.name, self.with(values))
    }

    /// The handle of a gauge without labels.
    pub fn to_gauge(&self) -> Gauge {
        self.gauge_of::<&'static str, 0>([])
    }

    /// The handle of a gauge with these values of its labels.
    pub fn gauge_of<V: Into<SharedString>, const N: usize>(&self, values: [V; N]) -> Gauge {
        self.describe();
        metrics::gauge!(self.name, self.with(values))
    }

    /// The handle of a histogram without labels.
    pub fn to_histogram(&self) -> Histogram {
        self.histogram_of::<&'static str, 0>([])
    }

    /// The handle of a histogram with these values of its labels.
    pub fn histogram_of<V: Into<SharedString>, const N: usize>(&self, values: [V; N]) -> Histogram {
        self.describe();
        metrics::histogram!(self.name, self.with(values))
    }

    /// Counters that differ in the value of the only label. Where all values are there from the start, they are made
    /// now; else each with its first count.
    pub fn family(&self) -> CounterFamily {
        let words = self.labels.first().map_or(&[] as &[&str], |label| label.words);
        self.family_with(if self.starts { words } else { &[] })
    }

    /// As [`Self::family`], with these there from the start.
    pub fn family_with(&self, words: &[&'static str]) -> CounterFamily {
        self.describe();
        CounterFamily::new(*self, words)
    }

    /// Labels with their values. Those without a value are left out.
    fn with<V: Into<SharedString>, const N: usize>(&self, values: [V; N]) -> Vec<metrics::Label> {
        debug_assert_eq!(self.labels.len(), N, "{} has other labels", self.name);
        let names = self.labels.iter().map(|label| label.name);
        names.zip(values).map(|(name, value)| metrics::Label::new(name, value)).collect()
    }
}
