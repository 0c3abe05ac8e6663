//! Metrics of the API; docs/metrics.md lists them.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use fleetwire_service::metrics::{CounterFamily, Label, Metric, Section};
use metrics::{Counter, Gauge, Histogram};

const REQUESTS: Metric = Metric::counter("fleetwire_api_requests_total", "Requests answered.")
    .labels(&[
        Label::text("route", ""),
        Label::words("method", &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "other"]),
        Label::text("status", ""),
    ])
    .worry(
        "`status` 500: a defect; 503 grows: Kafka is away, or more is asked than `max_requests` and \
         `max_transfers` allow.",
    );
const REQUEST_SECONDS: Metric = Metric::histogram(
    "fleetwire_api_request_seconds",
    "From the head of a request to the head of its answer. Bodies of imports and exports come after it.",
)
.labels(&[
    Label::text("route", ""),
    Label::words("method", &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "other"]),
])
.worry(
    "Changes above a second: Kafka is slow, or several processes take the registry from each \
     other all the time.",
);
const REQUESTS_IN_FLIGHT: Metric =
    Metric::gauge("fleetwire_api_requests_in_flight", "Requests that are worked on.")
        .worry("Near `max_requests`.");
const CONNECTIONS: Metric = Metric::gauge("fleetwire_api_connections", "Open HTTP connections.")
    .worry("Near `max_connections`: further ones wait to be accepted.");
const ACCEPT_FAILURES: Metric = Metric::counter(
    "fleetwire_api_accept_failures_total",
    "Times a connection could not be accepted, for example for lack of file descriptors.",
)
.worry("Any growth: raise the limit of open files.");
const REFUSED: Metric = Metric::counter(
    "fleetwire_api_refused_total",
    "Requests that were not let in. What `address_rate` counts is in one of the first two as well.",
)
.from_start(&[Label::words(
    "reason",
    &["no_token", "wrong_token", "scope", "token_rate", "address_rate", "busy"],
)])
.worry(
    "`wrong_token` grows: a token was changed and a client was not told, or someone guesses. \
     `token_rate`: a client asks more often than it may. `busy`: raise the bounds, or find who asks \
     so much.",
);
const IMPORT_LINES: Metric = Metric::counter("fleetwire_api_import_lines_total", "Lines of imports.")
    .from_start(&[Label::words("outcome", &["created", "updated", "unchanged", "failed"])]);
const EXPORTED_DEVICES: Metric =
    Metric::counter("fleetwire_api_exported_devices_total", "Devices written to exports.");
const PANICS: Metric = Metric::counter(
    "fleetwire_api_panics_total",
    "Requests that failed by a defect of fleetwire; the log has more.",
)
.worry("Any growth: please report it.");

/// Metrics of the API.
pub const SECTION: Section = Section {
    title: "API",
    intro: "A process that serves the API has these. `route` is a path of [openapi.json](openapi.json), for \
         example `/v1/devices/{id}`, or `unmatched`.",
    metrics: &[
        &[
            REQUESTS,
            REQUEST_SECONDS,
            REQUESTS_IN_FLIGHT,
            CONNECTIONS,
            ACCEPT_FAILURES,
            REFUSED,
            IMPORT_LINES,
            EXPORTED_DEVICES,
            PANICS,
        ],
        crate::commands::METRICS,
    ],
    words: &[],
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
        let panics = PANICS.to_counter();
        panics.increment(0);
        Self {
            requests: RwLock::default(),
            in_flight: REQUESTS_IN_FLIGHT.to_gauge(),
            connections: CONNECTIONS.to_gauge(),
            accept_failures: ACCEPT_FAILURES.to_counter(),
            refused: REFUSED.family(),
            import_lines: IMPORT_LINES.family(),
            exported: EXPORTED_DEVICES.to_counter(),
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
            counted: REQUESTS.counter_of([route, method, &status].map(str::to_owned)),
            took: REQUEST_SECONDS.histogram_of([route, method]),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_listed_and_has_a_handle() {
        let make = || {
            let metrics = ApiMetrics::new();
            metrics.answered("/", &Method::GET, StatusCode::OK, Duration::ZERO);
            crate::commands::make_metrics();
        };
        assert_eq!(fleetwire_service::metrics::undeclared(&[SECTION], make), [""; 0]);
    }
}
