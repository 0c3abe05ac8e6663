//! Commands from gateways to the devices of this frontend: the served end of the gRPC call.
//!
//! A call is checked (term of the gateway, session, expiry), crosses the router to the session, and is answered with what
//! became of that very publish. Whether the same command was handed to the session before is known as long as the
//! session lasts.

mod call;
mod crossing;
mod desk;
mod metrics;
mod service;
mod stage;
mod terms;

pub(crate) use crossing::Crossings;
pub use desk::Desk;
pub(crate) use metrics::METRICS;
pub(crate) use stage::Downlinks;

/// Makes every handle, for the test that compares them with the list.
#[cfg(test)]
pub(crate) fn make_metrics() {
    drop(metrics::CallMetrics::new());
}
