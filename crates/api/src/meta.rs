//! What needs no token: the document, and whether the process can take work.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::Shared;
use crate::openapi;
use crate::problem::Refusal;
use crate::query::Query;

/// Whether the process can take work.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthState {
    /// "ok" or "not_ready".
    #[schema(example = "ok")]
    status: &'static str,
}

/// Whether the API can take work.
///
/// Needs no token. The reasons are at the process's admin address, `/readyz`.
#[utoipa::path(
    get, path = "/healthz", tag = "meta", operation_id = "getHealth", security(()),
    responses(
        (status = 200, description = "It can", body = HealthState),
        (status = 503, description = "It cannot yet, or not now", body = HealthState),
    )
)]
pub(crate) async fn health(State(app): State<Shared>, uri: Uri) -> Result<Response, Refusal> {
    Query::read(&uri, &[])?;
    let (code, status) = if app.needs.health.is_ready() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not_ready")
    };
    Ok((code, Json(HealthState { status })).into_response())
}

/// This document.
///
/// Needs no token.
#[utoipa::path(
    get, path = "/openapi.json", tag = "meta", operation_id = "getOpenApi", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"))
)]
pub(crate) async fn document(uri: Uri) -> Result<Response, Refusal> {
    Query::read(&uri, &[])?;
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((headers, openapi::openapi()).into_response())
}
