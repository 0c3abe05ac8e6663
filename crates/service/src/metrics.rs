//! The process-wide metrics recorder and its exposition; each crate makes its handles once at start.

use anyhow::{Context as _, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::build;

/// Buckets of every histogram whose name ends in `_seconds`: 0.5 ms to 30 s.
const SECONDS: [f64; 15] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// Installs the recorder of this process. Call it once, before any part makes its handles.
pub fn install() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("the metrics recorder could not start")?;
    metrics::describe_gauge!(
        "fleetwire_build_info",
        "Always 1; the labels say which build runs."
    );
    metrics::gauge!("fleetwire_build_info", "version" => build::VERSION, "commit" => build::COMMIT).set(1.0);
    Ok(handle)
}
