//! Metrics of the API; docs/metrics.md lists them.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use fleetwire_service::metrics::CounterFamily;
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

/// Requests of one kind.
#[derive(Debug, Clone)]
struct Requests {
    counted: Counter,
    took: Histogram,
}

/// What tells kinds of requests apart; each part has few values.
type Kind = (&'static str, &'static str, u16);

/// Handles, made once each.
#[derive(Debug)]
pub(crate) struct ApiMetrics {
    requests: RwLock<HashMap<Kind, Requests>>,
    /// Requests that are worked on.
    pub(crate) in_flight: Gauge,
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Times a connection could not be accepted.
    pub(crate) accept_failures: Counter,
    /// Requests that were not let in, by why.
    pub(crate) refused: CounterFamily,
    /// Lines of imports, by what became of them.
    pub(crate) import_lines: CounterFamily,
    /// Devices that were exported.
    pub(crate) exported: Counter,
    /// Handlers that panicked.
    pub(crate) panics: Counter,
}

impl ApiMetrics {
    /// Makes the handles.
    pub(crate) fn new() -> Self {
        describe();
        let panics = counter!("fleetwire_api_panics_total");
        panics.increment(0);
        Self {
            requests: RwLock::default(),
            in_flight: gauge!("fleetwire_api_requests_in_flight"),
            connections: gauge!("fleetwire_api_connections"),
            accept_failures: counter!("fleetwire_api_accept_failures_total"),
            refused: CounterFamily::new(
                "fleetwire_api_refused_total",
                "reason",
                &["no_token", "wrong_token", "scope", "token_rate", "address_rate", "busy"],
            ),
            import_lines: CounterFamily::new(
                "fleetwire_api_import_lines_total",
                "outcome",
                &["created", "updated", "unchanged", "failed"],
            ),
            exported: counter!("fleetwire_api_exported_devices_total"),
            panics,
        }
    }

    /// A request was answered.
    pub(crate) fn answered(&self, route: &'static str, method: &Method, status: StatusCode, took: Duration) {
        let kind = (route, word(method), status.as_u16());
        let known = self.requests.read().unwrap_or_else(PoisonError::into_inner).get(&kind).cloned();
        let requests = known.unwrap_or_else(|| {
            let mut requests = self.requests.write().unwrap_or_else(PoisonError::into_inner);
            requests.entry(kind).or_insert_with(|| Requests::new(kind)).clone()
        });
        requests.counted.increment(1);
        requests.took.record(took);
    }
}

impl Requests {
    fn new((route, method, status): Kind) -> Self {
        let status = status.to_string();
        Self {
            counted: counter!(
                "fleetwire_api_requests_total", "route" => route, "method" => method, "status" => status
            ),
            took: histogram!("fleetwire_api_request_seconds", "route" => route, "method" => method),
        }
    }
}

/// The method as a label; clients may make some up.
fn word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn describe() {
    describe_counter!("fleetwire_api_requests_total", "Requests answered.");
    describe_histogram!(
        "fleetwire_api_request_seconds",
        Unit::Seconds,
        "From the head of a request to the head of its answer."
    );
    describe_gauge!("fleetwire_api_requests_in_flight", "Requests that are worked on.");
    describe_gauge!("fleetwire_api_connections", "Open HTTP connections.");
    describe_counter!(
        "fleetwire_api_accept_failures_total",
        "Times a connection could not be accepted, for example for lack of file descriptors."
    );
    describe_counter!("fleetwire_api_refused_total", "Requests that were not let in.");
    describe_counter!("fleetwire_api_import_lines_total", "Lines of imports.");
    describe_counter!("fleetwire_api_exported_devices_total", "Devices written to exports.");
    describe_counter!("fleetwire_api_panics_total", "Requests that failed by a defect of ours.");
}
