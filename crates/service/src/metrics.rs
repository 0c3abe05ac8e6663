//! The process-wide metrics recorder and its exposition; each crate makes its handles once at start.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use anyhow::{Context as _, Result};
use metrics::Counter;
pub use metrics_exporter_prometheus::PrometheusHandle;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

use crate::build;

/// Buckets of every histogram whose name ends in `_seconds`: 0.5 ms to 30 s.
const SECONDS: [f64; 15] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Buckets of every histogram whose name ends in `_per_payload`.
const COUNTS: [f64; 10] = [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];

/// Installs the recorder of this process. Call it once, before any part makes its handles.
pub fn install() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_per_payload".into()), &COUNTS))
        .and_then(PrometheusBuilder::install_recorder)
        .context("the metrics recorder could not start")?;
    metrics::describe_gauge!("fleetwire_build_info", "Always 1; the labels say which build runs.");
    metrics::gauge!("fleetwire_build_info", "version" => build::VERSION, "commit" => build::COMMIT).set(1.0);
    Ok(handle)
}

/// Counters of one name that differ in one label. The label's values are fixed words of the program, made
/// once each; never text from a device.
#[derive(Debug)]
pub struct CounterFamily {
    name: &'static str,
    label: &'static str,
    counters: RwLock<BTreeMap<&'static str, Counter>>,
}

impl CounterFamily {
    /// A family without counters yet; `words` are there from the start, at zero.
    pub fn new(name: &'static str, label: &'static str, words: &[&'static str]) -> Self {
        let family = Self { name, label, counters: RwLock::default() };
        for &word in words {
            family.get(word).increment(0);
        }
        family
    }

    /// The counter of one word.
    pub fn get(&self, word: &'static str) -> Counter {
        let known = self.counters.read().unwrap_or_else(PoisonError::into_inner).get(word).cloned();
        known.unwrap_or_else(|| {
            let counter = metrics::counter!(self.name, self.label => word);
            let mut counters = self.counters.write().unwrap_or_else(PoisonError::into_inner);
            counters.entry(word).or_insert(counter).clone()
        })
    }

    /// Counts one.
    pub fn increment(&self, word: &'static str) {
        self.get(word).increment(1);
    }
}
