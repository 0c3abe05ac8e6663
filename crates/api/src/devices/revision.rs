//! Which device a request is about, and which revision of it.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use fleetwire_model::DeviceId;

use crate::app::Shared;
use crate::problem::Refusal;
use crate::query::{Query, bad};

/// The device of the path.
#[derive(Debug)]
pub(crate) struct DevicePath(pub(crate) DeviceId);

impl FromRequestParts<Shared> for DevicePath {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Refusal> {
        let path = Path::<String>::from_request_parts(parts, app).await;
        let Path(text) = path.map_err(|err| bad(err.body_text()))?;
        text.parse().map(Self).map_err(|err| bad(format!("the id in the path: {err}")))
    }
}

/// The revision that the device must have, of a request without query parameters.
#[derive(Debug)]
pub(crate) struct IfMatch(pub(crate) Option<u64>);

impl FromRequestParts<Shared> for IfMatch {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        Query::read(&parts.uri, &[])?;
        if_match(&parts.headers).map(Self)
    }
}

/// The revision that If-Match names, in the quotes of an ETag or without them.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let number = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let revision = Some(number).filter(|_| is_number).and_then(|number| number.parse().ok());
    let detail = "If-Match is one revision, as the ETag of a device is, for example \"3\"";
    revision.map(Some).ok_or_else(|| bad(detail))
}

/// The ETag of a revision.
pub(crate) fn etag(revision: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{revision}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_is_one_revision() {
        let read = |text: &'static str| {
            if_match(&HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static(text))]))
        };
        assert_eq!(read("\"3\"").unwrap(), Some(3));
        assert_eq!(read("3").unwrap(), Some(3));
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
        for bad in ["\"3", "*", "W/\"3\"", "\"3\", \"4\"", "\"+3\"", "\"\"", ""] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
