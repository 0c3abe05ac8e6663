//! Counters of one name that differ in one label.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use metrics::Counter;

use crate::metric::Metric;

/// Counters of one name that differ in one label. The label's values are fixed words of the program, made
/// once each; never text from a device.
#[derive(Debug)]
pub struct CounterFamily {
    metric: Metric,
    counters: RwLock<BTreeMap<&'static str, Counter>>,
}

impl CounterFamily {
    /// A family without counters yet, but for `words`, which are there from the start, at zero.
    pub(crate) fn new(metric: Metric, words: &[&'static str]) -> Self {
        let family = Self { metric, counters: RwLock::default() };
        for &word in words {
            family.get(word).increment(0);
        }
        family
    }

    /// The counter of one word.
    pub fn get(&self, word: &'static str) -> Counter {
        let known = self.counters.read().unwrap_or_else(PoisonError::into_inner).get(word).cloned();
        known.unwrap_or_else(|| {
            let counter = self.metric.counter_of([word]);
            let mut counters = self.counters.write().unwrap_or_else(PoisonError::into_inner);
            counters.entry(word).or_insert(counter).clone()
        })
    }

    /// Counts one.
    pub fn increment(&self, word: &'static str) {
        self.get(word).increment(1);
    }
}
