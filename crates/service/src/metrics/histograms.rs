//! Histograms with fixed buckets: a value costs two additions, and none is lost or kept.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Histogram, HistogramFn, Key, KeyName, SharedString};

/// Buckets of every histogram whose name ends in `_seconds`: 0.5 ms to 30 s. The objectives need those of 1 s and 10 s.
const SECONDS: [f64; 15] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Buckets of those that measure how far clocks are apart.
const SKEW: [f64; 11] = [1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 3_600.0, 86_400.0, 2_592_000.0];

/// Buckets of those that wait for devices to report.
const STEPS: [f64; 14] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Buckets of all others, which count things.
const COUNTS: [f64; 10] = [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];

fn bounds(name: &str) -> &'static [f64] {
    match name {
        _ if name.ends_with("_skew_seconds") => &SKEW,
        _ if name.ends_with("_step_seconds") => &STEPS,
        _ if name.ends_with("_seconds") => &SECONDS,
        _ => &COUNTS,
    }
}

/// All histograms of the process.
#[derive(Debug, Default)]
pub(super) struct Histograms(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    help: BTreeMap<String, SharedString>,
    /// By name and labels as they are written.
    series: BTreeMap<(String, String), Arc<Buckets>>,
}

impl Histograms {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn describe(&self, name: &KeyName, help: SharedString) {
        self.known().help.entry(name.as_str().to_owned()).or_insert(help);
    }

    pub(super) fn get(&self, key: &Key) -> Histogram {
        let mut labels = String::new();
        for label in key.labels() {
            let value = label.value().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            write_to(&mut labels, format_args!("{}=\"{value}\",", label.key()));
        }
        let name = (key.name().to_owned(), labels);
        let mut known = self.known();
        let made = known.series.entry(name).or_insert_with(|| Arc::new(Buckets::new(bounds(key.name()))));
        Histogram::from_arc(Arc::clone(made))
    }

    /// Appends all of them in Prometheus' text format.
    pub(super) fn render(&self, out: &mut String) {
        let known = self.known();
        let mut last = "";
        for ((name, labels), buckets) in &known.series {
            if name != last {
                if let Some(help) = known.help.get(name) {
                    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
                    write_to(out, format_args!("# HELP {name} {help}\n"));
                }
                write_to(out, format_args!("# TYPE {name} histogram\n"));
                last = name;
            }
            buckets.render(name, labels, out);
        }
    }
}

/// One series.
#[derive(Debug)]
struct Buckets {
    bounds: &'static [f64],
    /// Values in each bucket alone, and at the end those above all bounds.
    counts: Box<[AtomicU64]>,
    /// Sum of the values in millionths.
    sum: AtomicU64,
}

impl Buckets {
    fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    fn render(&self, name: &str, labels: &str, out: &mut String) {
        let mut below = 0;
        for (index, count) in self.counts.iter().enumerate() {
            below += count.load(Ordering::Relaxed);
            let bound = self.bounds.get(index).map_or_else(|| "+Inf".to_owned(), ToString::to_string);
            write_to(out, format_args!("{name}_bucket{{{labels}le=\"{bound}\"}} {below}\n"));
        }
        #[expect(clippy::cast_precision_loss, reason = "the exposition has floating point numbers")]
        let sum = self.sum.load(Ordering::Relaxed) as f64 / 1e6;
        let labels = match labels.strip_suffix(',') {
            Some(labels) => format!("{{{labels}}}"),
            None => String::new(),
        };
        write_to(out, format_args!("{name}_sum{labels} {sum}\n{name}_count{labels} {below}\n"));
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time or a count; what is below 0 or no number adds 0"
        )]
        self.sum.fetch_add((value * 1e6) as u64, Ordering::Relaxed);
    }
}

/// Writing to a string cannot fail.
fn write_to(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _written = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use metrics::Label;

    use super::*;

    fn lines(histograms: &Histograms) -> String {
        let mut text = String::new();
        histograms.render(&mut text);
        text
    }

    #[test]
    fn values_are_counted_in_every_bucket_that_they_fit_in() {
        let histograms = Histograms::default();
        histograms.describe(&KeyName::from("x_seconds"), "What it means.".into());
        let one = histograms.get(&Key::from_name("x_seconds"));
        for value in [0.000_1, 1.0, 1.000_1, 10.0, 31.0] {
            one.record(value);
        }
        let text = lines(&histograms);
        assert!(text.starts_with("# HELP x_seconds What it means.\n# TYPE x_seconds histogram\n"), "{text}");
        for line in [
            "x_seconds_bucket{le=\"0.0005\"} 1",
            "x_seconds_bucket{le=\"1\"} 2",
            "x_seconds_bucket{le=\"10\"} 4",
            "x_seconds_bucket{le=\"30\"} 4",
            "x_seconds_bucket{le=\"+Inf\"} 5",
            "x_seconds_sum 43.0002",
            "x_seconds_count 5",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
    }

    #[test]
    fn handles_of_one_series_count_together_and_labels_tell_series_apart() {
        let histograms = Histograms::default();
        let key = |step: &'static str| Key::from_parts("x_seconds", vec![Label::new("step", step)]);
        histograms.get(&key("one")).record(2.0);
        histograms.get(&key("one")).record(2.0);
        histograms.get(&key("a \"b\"")).record(2.0);
        let text = lines(&histograms);
        assert!(text.contains("x_seconds_count{step=\"one\"} 2\n"), "{text}");
        assert!(text.contains("x_seconds_bucket{step=\"a \\\"b\\\"\",le=\"2.5\"} 1\n"), "{text}");
        assert_eq!(text.matches("# TYPE").count(), 1);
    }

    #[test]
    fn what_is_no_time_neither_panics_nor_counts_into_the_sum() {
        let histograms = Histograms::default();
        let one = histograms.get(&Key::from_name("x_seconds"));
        for value in [-1.0, f64::NAN] {
            one.record(value);
        }
        assert!(lines(&histograms).contains("x_seconds_sum 0\nx_seconds_count 2\n"));
    }
}
