//! Refusals and failures as RFC 9457 problem details.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Media type of every problem.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was refused or failed (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// What kind of problem it is: `urn:fleetwire:problem:` and its code.
    #[serde(rename = "type")]
    #[schema(example = "urn:fleetwire:problem:not_found")]
    kind: String,
    /// The kind in words.
    #[schema(example = "There is no such thing")]
    title: &'static str,
    /// HTTP status code.
    #[schema(example = 404, minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request, and what to do.
    #[schema(example = "no device 867035046242895 is registered")]
    detail: String,
    /// Path of the request.
    #[schema(example = "/v1/devices/867035046242895")]
    instance: String,
    /// Id of the request, as in the header X-Request-Id and in logs.
    #[schema(example = "01JDH3ZK6W4T4Q6ZV0Q8X9Y7AB")]
    request_id: String,
    /// The device's revision, where the one that was named is not it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = 4)]
    revision: Option<u64>,
}

/// Every kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidRequest,
    InvalidCursor,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Timeout,
    Exists,
    Disabled,
    Ambiguous,
    Finished,
    RevisionMismatch,
    TooLarge,
    UnsupportedMediaType,
    Invalid,
    RateLimited,
    Internal,
    Busy,
    Unavailable,
    TimedOut,
}

impl Code {
    /// The word, the status, and the title.
    const fn facts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::InvalidRequest => ("invalid_request", StatusCode::BAD_REQUEST, "The request is malformed"),
            Self::InvalidCursor => ("invalid_cursor", StatusCode::BAD_REQUEST, "The cursor is not one"),
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "A valid token is needed"),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "The token does not allow this"),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "There is no such thing"),
            Self::MethodNotAllowed => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, "The path has no such method")
            }
            Self::Timeout => ("timeout", StatusCode::REQUEST_TIMEOUT, "The request came too slowly"),
            Self::Exists => ("exists", StatusCode::CONFLICT, "The device is registered already"),
            Self::Disabled => ("disabled", StatusCode::CONFLICT, "The device is disabled"),
            Self::Ambiguous => ("ambiguous", StatusCode::CONFLICT, "There are several of this id"),
            Self::Finished => ("finished", StatusCode::CONFLICT, "Nothing more comes of the command"),
            Self::RevisionMismatch => {
                ("revision_mismatch", StatusCode::PRECONDITION_FAILED, "The device was changed meanwhile")
            }
            Self::TooLarge => ("too_large", StatusCode::PAYLOAD_TOO_LARGE, "The request is too large"),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body is of another media type than this needs",
            ),
            Self::Invalid => ("invalid", StatusCode::UNPROCESSABLE_ENTITY, "A value cannot be taken"),
            Self::RateLimited => ("rate_limited", StatusCode::TOO_MANY_REQUESTS, "Too many requests"),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "The request failed"),
            Self::Busy => ("busy", StatusCode::SERVICE_UNAVAILABLE, "Too much is going on"),
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "This cannot be done now"),
            Self::TimedOut => ("timed_out", StatusCode::SERVICE_UNAVAILABLE, "The request took too long"),
        }
    }

    /// The word.
    pub(crate) const fn word(self) -> &'static str {
        self.facts().0
    }

    /// The kind for an answer that was not made here.
    fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::Timeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            status if status.is_client_error() => Self::InvalidRequest,
            _ => Self::Internal,
        }
    }
}

/// A problem, before it is known of which request. As an answer it has no body yet: [`finish`] writes it.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    code: Code,
    detail: String,
    revision: Option<u64>,
    retry_after_s: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), revision: None, retry_after_s: None }
    }

    /// With the seconds after which it is worth to try again.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// With the revision that the device has.
    pub(crate) fn revision(self, revision: u64) -> Self {
        Self { revision: Some(revision), ..self }
    }

    /// The word of its kind.
    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    /// What is wrong.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.code.facts().1.into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code == Code::Unauthorized {
            let challenge = HeaderValue::from_static("Bearer realm=\"fleetwire\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Makes every failed answer a problem, also those that were not made here.
pub(crate) fn finish(mut response: Response, path: &str, request_id: &str) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let refusal = response.extensions_mut().remove::<Refusal>().unwrap_or_else(|| {
        let code = Code::of(status);
        let detail = match code {
            Code::NotFound => format!("there is no path {path}"),
            Code::MethodNotAllowed => format!("{path} has other methods than this, as Allow says"),
            _ => code.facts().2.to_owned(),
        };
        Refusal::new(code, detail)
    });
    let (word, _, title) = refusal.code.facts();
    let problem = Problem {
        kind: format!("urn:fleetwire:problem:{word}"),
        title,
        status: status.as_u16(),
        detail: refusal.detail,
        instance: path.to_owned(),
        request_id: request_id.to_owned(),
        revision: refusal.revision,
    };
    let mut finished = (status, Json(problem)).into_response();
    for (name, value) in response.headers() {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            finished.headers_mut().append(name, value.clone());
        }
    }
    finished.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    *finished.extensions_mut() = std::mem::take(response.extensions_mut());
    finished
}
