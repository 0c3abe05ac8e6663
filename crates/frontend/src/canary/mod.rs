//! The canary: an MQTT client in this process that connects through the frontend's own listener, publishes, and waits for
//! the acknowledgement, again and again. What it finds decides about liveness, and sooner about readiness: an open port
//! says nothing about what is behind it.
//!
//! Its account exists in this process's memory only. It has a new password at each start, one client id, and one topic,
//! which is no device's; it comes from the one address that the process has just bound. What it publishes is
//! acknowledged by the ingest itself, so that Kafka has no part in it.

mod account;
mod client;
mod metrics;
mod settings;
mod task;
mod unseen;

pub use settings::CanarySettings;

pub(crate) use account::{CLIENT_ID, CanaryAccount};
pub(crate) use metrics::METRICS;
pub(crate) use task::Canary;
pub(crate) use unseen::Unseen;

/// Makes every handle, for the test that compares them with the list.
#[cfg(test)]
pub(crate) fn make_metrics() {
    drop(metrics::CanaryMetrics::new());
}
