//! The process-wide metrics recorder and its exposition; each crate makes its handles once at start.

mod histograms;
mod process;

use std::sync::Arc;

use anyhow::{Context as _, Result};
pub use fleetwire_metrics::{CounterFamily, Kind, Label, Metric, Section, Words, undeclared};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use histograms::Histograms;
use process::Process;

/// Metrics of every process.
pub const SECTION: Section = Section {
    title: "Process",
    intro: "Those without `fleetwire_` have the names that Prometheus' own client libraries use.",
    metrics: &[process::METRICS, crate::health::METRICS, crate::logs::METRICS],
    words: &[],
};

/// What is served at `/metrics`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Exposition {
    prometheus: PrometheusHandle,
    histograms: Arc<Histograms>,
    process: Arc<Process>,
}

impl Exposition {
    /// All metrics in Prometheus' text format. Reads from the system how the process does, so it may take some
    /// milliseconds.
    pub fn render(&self) -> String {
        self.process.look();
        self.prometheus.run_upkeep();
        let mut text = self.prometheus.render();
        self.histograms.render(&mut text);
        text
    }
}

/// Installs the recorder of this process. Call it once, before any part makes its handles.
pub fn install() -> Result<Exposition> {
    let (recorder, exposition) = make();
    metrics::set_global_recorder(recorder).ok().context("the metrics recorder could not start")?;
    Process::describe();
    Ok(exposition)
}

/// An exposition of nothing but the process: what the parts count is not kept. For measuring what metrics cost.
pub fn install_nothing() -> Exposition {
    make().1
}

fn make() -> (Recorder, Exposition) {
    let prometheus = PrometheusBuilder::new().build_recorder();
    let histograms = Arc::new(Histograms::default());
    let exposition = Exposition {
        prometheus: prometheus.handle(),
        histograms: Arc::clone(&histograms),
        process: Arc::new(Process::default()),
    };
    (Recorder { prometheus, histograms }, exposition)
}

/// Counters and gauges are the exporter's. Histograms are ours: the exporter keeps every value until somebody reads
/// them, which costs memory without a bound where nobody does, and may lose those that come meanwhile.
#[derive(Debug)]
struct Recorder {
    prometheus: PrometheusRecorder,
    histograms: Arc<Histograms>,
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.prometheus.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.prometheus.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, _unit: Option<Unit>, description: SharedString) {
        self.histograms.describe(&key, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.prometheus.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.prometheus.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        self.histograms.get(key)
    }
}
