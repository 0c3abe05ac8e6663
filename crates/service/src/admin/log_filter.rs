//! `/v1/log-filter`: what is logged, to look at and to change while the process runs.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use crate::logs::{ChangeError, LogFilter};

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Change(#[from] ChangeError),
    #[error("`for` must be a duration such as 10m or 1h30m: {0}")]
    Duration(#[from] humantime::DurationError),
    #[error(
        "`{0}` is not known here; use /v1/log-filter or /v1/log-filter?for=10m, with the filter as the body"
    )]
    Query(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Change(ChangeError::Ended) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        (status, format!("{self}\n")).into_response()
    }
}

/// What can be done with the filter.
pub(super) fn methods<S: Clone + Send + Sync + 'static>(filter: LogFilter) -> MethodRouter<S> {
    get(show).put(change).delete(restore).with_state(filter)
}

async fn show(State(filter): State<LogFilter>) -> Response {
    Json(filter.shown(Instant::now())).into_response()
}

async fn change(
    State(filter): State<LogFilter>,
    RawQuery(query): RawQuery,
    body: String,
) -> Result<Response, Refusal> {
    let lasts = lasts(query.as_deref().unwrap_or_default())?;
    filter.change(&body, lasts, Instant::now())?;
    Ok(show(State(filter)).await)
}

async fn restore(State(filter): State<LogFilter>) -> Result<Response, Refusal> {
    filter.restore()?;
    Ok(show(State(filter)).await)
}

/// How long a filter is to last, if the query says so.
fn lasts(query: &str) -> Result<Option<Duration>, Refusal> {
    match query.split_once('=') {
        _ if query.is_empty() => Ok(None),
        Some(("for", text)) => Ok(Some(humantime::parse_duration(text)?)),
        _ => Err(Refusal::Query(query.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_says_for_how_long_or_is_refused_with_what_to_do() {
        assert_eq!(lasts("").unwrap(), None);
        assert_eq!(lasts("for=10m").unwrap(), Some(Duration::from_mins(10)));
        for wrong in ["for=", "for=ten", "until=10m", "for"] {
            let message = lasts(wrong).unwrap_err().to_string();
            assert!(message.contains("10m"), "{message}");
        }
    }
}
