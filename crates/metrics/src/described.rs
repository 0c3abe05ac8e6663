//! For tests: which metrics code declares when it makes its handles.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use crate::section::Section;

/// The names of all metrics that `make` describes on this thread. Nothing that is counted meanwhile is kept.
pub fn described(make: impl FnOnce()) -> BTreeSet<String> {
    let names = Names::default();
    metrics::with_local_recorder(&names, make);
    names.0.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What is not as it should be when `make` makes every handle of these sections: metrics without a handle, and metrics
/// that are in no section. Empty if all is well.
pub fn undeclared(sections: &[Section], make: impl FnOnce()) -> Vec<String> {
    let listed: BTreeSet<String> =
        sections.iter().flat_map(Section::all).map(|metric| metric.name.to_owned()).collect();
    let handles = described(make);
    let unused = listed.difference(&handles).map(|name| format!("{name} is listed and has no handle"));
    let unlisted = handles.difference(&listed).map(|name| format!("{name} has a handle and is not listed"));
    unused.chain(unlisted).collect()
}

/// Notes what is described.
#[derive(Debug, Default)]
struct Names(Mutex<BTreeSet<String>>);

impl Names {
    fn note(&self, name: &KeyName) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.as_str().to_owned());
    }
}

impl Recorder for Names {
    fn describe_counter(&self, key: KeyName, _unit: Option<Unit>, _description: SharedString) {
        self.note(&key);
    }

    fn describe_gauge(&self, key: KeyName, _unit: Option<Unit>, _description: SharedString) {
        self.note(&key);
    }

    fn describe_histogram(&self, key: KeyName, _unit: Option<Unit>, _description: SharedString) {
        self.note(&key);
    }

    fn register_counter(&self, _key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
