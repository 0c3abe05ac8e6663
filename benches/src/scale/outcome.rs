//! What a run ended with, and the table that a person reads.

use std::fmt;
use std::time::Duration;

use super::{Ledger, Positions, Quantiles, Report, Scenario, Stored};

/// One change of one process.
#[derive(Debug, Default, Clone)]
pub struct Step {
    /// What was changed.
    pub name: String,
    /// Until the pipeline worked as before.
    pub took: Duration,
    /// More about it.
    pub note: String,
    /// From when a publish was due to its PUBACK.
    pub puback: Quantiles,
    /// From the reception of a publish to the reading of its position.
    pub age: Quantiles,
}

/// The end of the load.
#[derive(Debug, Default, Clone, Copy)]
pub struct Drained {
    /// Records of the raw topic.
    pub records: u64,
    /// From the last PUBACK until each of them had a position.
    pub took: Duration,
}

/// What a run ended with.
#[derive(Debug)]
pub struct Outcome {
    /// What it was about.
    pub scenario: Scenario,
    /// PUBACKs and ages of events in quiet times.
    pub steady: (Quantiles, Quantiles),
    /// The same in all steps together.
    pub all_steps: (Quantiles, Quantiles),
    /// The steps.
    pub steps: Vec<Step>,
    /// The comparison.
    pub report: Report,
    /// The end of the load.
    pub drained: Drained,
    /// What did not come in time, or ended in a bad way.
    pub broken: Vec<String>,
    /// From the start of the load to the comparison.
    pub took: Duration,
    /// What was promised.
    pub ledger: Ledger,
    /// What is stored.
    pub stored: Stored,
    /// What was made of it.
    pub positions: Positions,
}

impl Outcome {
    /// Whether every promise was kept, in time.
    pub fn holds(&self) -> bool {
        self.report.holds() && self.broken.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.steps.iter().map(|step| step.name.len()).max().unwrap_or(0).max(16);
        writeln!(
            f,
            "{:<width$} {:>7}  {:>8} {:>7} {:>7} {:>7}  {:>7} {:>7} {:>7}",
            self.scenario.word(),
            "took s",
            "PUBACKs",
            "p50 ms",
            "p99 ms",
            "max ms",
            "p50 s",
            "p99 s",
            "max s"
        )?;
        row(f, ("quiet", width), None, self.steady)?;
        for step in &self.steps {
            row(f, (&step.name, width), Some(step.took), (step.puback, step.age))?;
            if !step.note.is_empty() {
                writeln!(f, "  {}", step.note)?;
            }
        }
        row(f, ("all steps", width), None, self.all_steps)?;
        writeln!(
            f,
            "PUBACK: from when a publish was due, reconnects included; s: age of an event when it is read\n"
        )?;
        write!(f, "{}", self.report)?;
        writeln!(
            f,
            "{} raw records, each with a position {:.1} s after the last PUBACK; {:.0} s in all",
            self.drained.records,
            self.drained.took.as_secs_f64(),
            self.took.as_secs_f64()
        )?;
        for broken in &self.broken {
            writeln!(f, "  {broken}")?;
        }
        let verdict = if self.holds() { "every promise was kept" } else { "A PROMISE WAS BROKEN" };
        write!(f, "{}: {verdict}", self.scenario)
    }
}

fn row(
    f: &mut fmt::Formatter<'_>,
    (name, width): (&str, usize),
    took: Option<Duration>,
    (puback, age): (Quantiles, Quantiles),
) -> fmt::Result {
    let took = took.map_or_else(|| "-".to_owned(), |took| format!("{:.1}", took.as_secs_f64()));
    let [p50, p99, most] = [puback.p50, puback.p99, puback.most].map(|time| time.as_secs_f64() * 1e3);
    write!(f, "{name:<width$} {took:>7}  {:>8} {p50:>7.1} {p99:>7.1} {most:>7.0}", puback.count)?;
    let [p50, p99, most] = [age.p50, age.p99, age.most].map(|time| time.as_secs_f64());
    writeln!(f, "  {p50:>7.2} {p99:>7.2} {most:>7.2}")
}
