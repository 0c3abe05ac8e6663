//! How the process does: build, CPU, memory, files, tasks.

use fleetwire_metrics::{Label, Metric};
use metrics::Gauge;
use metrics_process::Collector;
use tokio::runtime::Handle;

use crate::build;

const BUILD: Metric = Metric::gauge("fleetwire_build_info", "Always 1; the labels say which build runs.")
    .labels(&[Label::text("version", ""), Label::text("commit", "")])
    .worry("Two versions for longer than a rollout.");
const TASKS: Metric = Metric::gauge("fleetwire_process_tasks", "Tasks of the runtime that are alive.")
    .worry("Grows without end. A frontend has some for each connection.");
const QUEUED: Metric = Metric::gauge(
    "fleetwire_process_queued_tasks",
    "Tasks that wait in the runtime's shared queue for a thread.",
)
.worry("Stays above 0: too few cores, or something blocks them.");
const CPU: Metric = Metric::counter(
    "process_cpu_seconds_total",
    "CPU time of the process, in user and system mode together; whole seconds.",
)
.worry("Its rate comes near the number of cores, or near the container's limit.");
const RESIDENT: Metric =
    Metric::gauge("process_resident_memory_bytes", "Memory that the process has in RAM.")
        .worry("Near the container's limit: it would be killed.");
const VIRTUAL: Metric = Metric::gauge("process_virtual_memory_bytes", "Address space of the process.");
const VIRTUAL_MAX: Metric =
    Metric::gauge("process_virtual_memory_max_bytes", "The limit of its address space, if it has one.");
const OPEN_FILES: Metric =
    Metric::gauge("process_open_fds", "File descriptors that are open; every connection is one.")
        .worry("Near `process_max_fds`: further connections are not accepted.");
const MAX_FILES: Metric = Metric::gauge(
    "process_max_fds",
    "The limit of open file descriptors (the soft one, which the start raises).",
);
const STARTED: Metric =
    Metric::gauge("process_start_time_seconds", "When the process started, unix time in seconds.")
        .worry("Changes outside of a rollout: it was restarted.");
const THREADS: Metric = Metric::gauge("process_threads", "Threads of the process.");

/// All of them.
pub(super) const METRICS: &[Metric] =
    &[BUILD, TASKS, QUEUED, CPU, RESIDENT, VIRTUAL, VIRTUAL_MAX, OPEN_FILES, MAX_FILES, STARTED, THREADS];

/// Looks at the process.
#[derive(Debug, Default)]
pub(super) struct Process {
    collector: Collector,
}

impl Process {
    /// Describes what [`Self::look`] sets, and tells which build this is.
    pub(super) fn describe() {
        METRICS.iter().for_each(Metric::describe);
        BUILD.gauge_of([build::VERSION, build::COMMIT]).set(1.0);
    }

    /// Sets what the system and the runtime say now.
    pub(super) fn look(&self) {
        self.collector.collect();
        if let Ok(runtime) = Handle::try_current() {
            set(&TASKS.to_gauge(), runtime.metrics().num_alive_tasks());
            set(&QUEUED.to_gauge(), runtime.metrics().global_queue_depth());
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge")]
fn set(gauge: &Gauge, count: usize) {
    gauge.set(count as f64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_of_the_process_is_listed() {
        let make = || {
            Process::describe();
            let health = crate::health::Health::default();
            health.condition("any").ready();
            health.export();
            crate::logs::count_nothing();
        };
        assert_eq!(fleetwire_metrics::undeclared(&[super::super::SECTION], make), [""; 0]);
    }
}
