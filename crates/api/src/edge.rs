//! Around every request: its id, its problem if it fails, its line in the log, its count.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::{error, info};
use ulid::Ulid;

use crate::app::Shared;
use crate::auth::Actor;
use crate::problem::{self, Code, Refusal};

/// Header with a request's id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of a request's id at most.
const MAX_ID: usize = 128;

/// Facts about a request that changes and problems carry.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// Its id, of safe characters.
    pub(crate) request_id: Arc<str>,
    /// Peer of the connection.
    pub(crate) remote: SocketAddr,
}

/// The outermost layer.
pub(crate) async fn edge(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let given = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let request_id: Arc<str> =
        given.filter(|id| is_id(id)).map_or_else(|| Ulid::generate().to_string(), str::to_owned).into();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let remote = peer.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(Facts { request_id: Arc::clone(&request_id), remote });

    app.metrics.in_flight.increment(1);
    let response = if let Ok(_permit) = app.requests.try_acquire() {
        next.run(request).await
    } else {
        app.metrics.refused.increment("busy");
        Refusal::new(Code::Busy, "too many requests are worked on; try again").retry_after(1).into_response()
    };
    app.metrics.in_flight.decrement(1);

    let mut response = problem::finish(response, &path, &request_id);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (status, took) = (response.status(), begin.elapsed());
    let route = app.templates.of(&path);
    app.metrics.answered(route, &method, status, took);
    // Not the path as it is: what logs are to hide of devices is hidden by the name of the field.
    let device = route.contains("/devices/{id}").then(|| path.split('/').nth(3)).flatten();
    let token = response.extensions().get::<Actor>().map(|actor| actor.token.as_str());
    info!(
        target: "fleetwire_api::access",
        %method,
        route,
        device,
        status = status.as_u16(),
        took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        token,
        peer = %remote,
        request_id = &*request_id,
        "request"
    );
    response
}

/// A client's own id is taken if it cannot spoil a log line or a header.
fn is_id(text: &str) -> bool {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '/' | '+' | '=');
    (1..=MAX_ID).contains(&text.len()) && text.chars().all(safe)
}

/// What a client learns of a defect of ours, and what the log does.
pub(crate) fn panicked(app: &Shared, panic: &(dyn std::any::Any + Send)) -> Response {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
    error!(panic = said, "a request failed by a defect of fleetwire; please report it");
    app.metrics.panics.increment(1);
    let detail = "this is a defect of fleetwire; the log of the API has more under this request's id";
    Refusal::new(Code::Internal, detail).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_that_could_spoil_a_log_line_is_not_taken() {
        assert!(is_id("0192-abc_DEF.1:2/3+4="));
        let long = "x".repeat(129);
        for bad in ["", "a b", "a\nb", "a\"b", "é", long.as_str()] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
