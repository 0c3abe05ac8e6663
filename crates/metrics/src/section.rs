//! The reference of all metrics, as Markdown.

use std::fmt::Write as _;

use metrics::Unit;

use crate::metric::{Label, Metric};

/// The metrics of one part of the program, under one heading of docs/metrics.md.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// What there is to say before the table; Markdown, may be empty.
    pub intro: &'static str,
    /// The metrics, in the order of the table.
    pub metrics: &'static [&'static [Metric]],
    /// Values of labels that need more than a line.
    pub words: &'static [Words],
}

/// Values of one label with their meaning.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// The heading.
    pub title: &'static str,
    /// The label.
    pub label: &'static str,
    /// Values that mean the same, and what that is.
    pub rows: &'static [(&'static [&'static str], &'static str)],
}

impl Words {
    /// Whether a value is there.
    pub fn contains(&self, word: &str) -> bool {
        self.rows.iter().any(|(words, _)| words.contains(&word))
    }

    fn write(&self, out: &mut String) {
        line(out, format_args!("\n### {}\n\n| `{}` | meaning |\n|---|---|", self.title, self.label));
        for (words, meaning) in self.rows {
            line(out, format_args!("| {} | {meaning} |", listed(words)));
        }
    }
}

impl Section {
    /// Every metric.
    pub fn all(&self) -> impl Iterator<Item = &'static Metric> {
        self.metrics.iter().flat_map(|table| table.iter())
    }

    /// Heading, table, and what follows it.
    pub fn write(&self, out: &mut String) {
        line(out, format_args!("## {}\n", self.title));
        if !self.intro.is_empty() {
            line(out, format_args!("{}\n", self.intro));
        }
        line(out, format_args!("| name | type | labels | meaning | when to worry |\n|---|---|---|---|---|"));
        for metric in self.all() {
            let (name, kind) = (metric.name, metric.kind.word());
            let unit = match metric.unit() {
                Some(Unit::Seconds) => ", seconds",
                Some(Unit::Bytes) => ", bytes",
                _ => "",
            };
            let (labels, help, worry) = (labels(metric), metric.help, metric.worry);
            line(out, format_args!("| `{name}` | {kind}{unit} | {labels} | {help} | {worry} |"));
        }
        for words in self.words {
            words.write(out);
        }
    }
}

/// The labels of a metric and their values.
fn labels(metric: &Metric) -> String {
    let mut parts: Vec<String> = metric.labels.iter().map(label).collect();
    if metric.starts {
        parts.push("from the start".to_owned());
    }
    parts.join("; ")
}

fn label(label: &Label) -> String {
    let Label { name, words, note } = label;
    match (words.is_empty(), note.is_empty()) {
        (true, true) => format!("`{name}`"),
        (true, false) => format!("`{name}`: {note}"),
        (false, true) => format!("`{name}`: {}", listed(words)),
        (false, false) => format!("`{name}`: {}; {note}", listed(words)),
    }
}

/// Words as code, with commas.
fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _written = writeln!(out, "{text}");
}
