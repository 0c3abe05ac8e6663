//! Bodies of requests: JSON objects of which every member is known.

use axum::extract::{FromRequest, Request};
use axum::http::header;
use hyper::body::Body as _;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::app::Shared;
use crate::problem::{Code, Refusal};

/// A JSON object of the request's body.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Shared> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Refusal> {
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !media_type.is_some_and(is_json) {
            let detail = "send the body as application/json, and say so in Content-Type";
            return Err(Refusal::new(Code::UnsupportedMediaType, detail));
        }
        let (limit, wait) = (app.settings.max_body_bytes.get(), app.settings.body_timeout);
        let read = timeout(wait, axum::body::to_bytes(request.into_body(), limit));
        let body = match read.await {
            Ok(Ok(body)) => body,
            // Whether it was too large or broke off, no error of axum tells; a client that is gone reads neither.
            Ok(Err(_)) => {
                return Err(Refusal::new(Code::TooLarge, format!("a body has at most {limit} bytes here")));
            }
            Err(_) => {
                let seconds = wait.as_secs();
                return Err(Refusal::new(Code::Timeout, format!("the body did not come within {seconds} s")));
            }
        };
        object(&body).map(Self)
    }
}

/// A JSON object of the request's body, or what it is without one.
#[derive(Debug)]
pub(crate) struct MaybeJson<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<Shared> for MaybeJson<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Refusal> {
        if request.headers().contains_key(header::CONTENT_TYPE) || !request.body().is_end_stream() {
            return JsonBody::from_request(request, app).await.map(|JsonBody(read)| Self(read));
        }
        Ok(Self(T::default()))
    }
}

fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Reads a JSON object.
pub(crate) fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    // serde takes an array for a struct as well.
    if body.trim_ascii().first().is_some_and(|&first| first != b'{') {
        serde_json::from_slice::<serde::de::IgnoredAny>(body).map_err(|err| malformed(&err))?;
        return Err(Refusal::new(Code::Invalid, "the body must be a JSON object"));
    }
    serde_json::from_slice(body).map_err(|err| {
        if err.is_data() { Refusal::new(Code::Invalid, err.to_string()) } else { malformed(&err) }
    })
}

fn malformed(err: &serde_json::Error) -> Refusal {
    Refusal::new(Code::InvalidRequest, format!("the body is not JSON: {err}"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        id: String,
    }

    #[test]
    fn what_is_no_object_of_known_members_is_refused_with_the_reason() {
        let read = |text: &str| object::<Sample>(text.as_bytes());
        assert_eq!(read(r#"{"id":"a"}"#).unwrap().id, "a");
        for (text, code, part) in [
            ("", Code::InvalidRequest, "not JSON"),
            ("{\"id\":", Code::InvalidRequest, "line 1"),
            ("[\"a\"]", Code::Invalid, "object"),
            ("[\"a\"", Code::InvalidRequest, "not JSON"),
            (r#"{"id":"a","idd":1}"#, Code::Invalid, "unknown field `idd`"),
            (r#"{"id":1}"#, Code::Invalid, "invalid type"),
            ("{}", Code::Invalid, "missing field `id`"),
        ] {
            let refusal = read(text).unwrap_err();
            assert_eq!(refusal.code(), code, "{text}");
            assert!(refusal.detail().contains(part), "{}", refusal.detail());
        }
    }
}
