//! The commands' side of the HTTP API: how it is found, asked, and what its refusals mean for people.

mod events;
mod find;
mod in_process;
mod problem;
mod types;

use std::fmt::Write as _;
use std::io::Read;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tracing::debug;
use ureq::http::{Request, Response, Uri, header};
use ureq::{Agent, AsSendBody, Body};

pub(crate) use events::{Event, Events};
pub(crate) use find::ApiFlags;
pub(crate) use problem::{NotFound, Problem};
pub(crate) use types::{
    Counts, Device, Devices, Held, HeldDevice, ImportLine, LineError, Model, ModelOutput, Models, Position,
    Setup, State,
};

use crate::process::Usage;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// How long the API may take to begin its answer. A change waits for Kafka there.
const ANSWER: Duration = Duration::from_mins(1);

/// How long all waits together may take that the API asks for with Retry-After.
const PATIENCE: Duration = Duration::from_mins(2);

/// The largest answer that is read whole, bytes: a page of devices with all their labels is smaller.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

/// Where the token comes from; what a person is told when it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenSource {
    /// `FLEETWIRE_API_TOKEN`, or the file of `FLEETWIRE_API_TOKEN_FILE`.
    Environment,
    /// The run file of a `fleetwire run`.
    RunFile,
    /// Made for the API of this process.
    Process,
}

/// An API to talk to.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    agent: Agent,
    /// Without a slash at its end.
    base: String,
    token: SecretString,
    source: TokenSource,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    method: &'static str,
    path: &'a str,
    /// The revision that the device must have.
    if_revision: Option<u64>,
    /// Type and bytes of the body.
    body: Option<(&'static str, &'a [u8])>,
    /// One more header.
    header: Option<(&'static str, &'a str)>,
    /// How long the body of the answer may take.
    body_within: Option<Duration>,
}

impl<'a> Ask<'a> {
    pub(crate) const fn new(method: &'static str, path: &'a str) -> Self {
        Self { method, path, if_revision: None, body: None, header: None, body_within: None }
    }

    pub(crate) const fn if_revision(self, revision: Option<u64>) -> Self {
        Self { if_revision: revision, ..self }
    }

    pub(crate) const fn body(self, kind: &'static str, bytes: &'a [u8]) -> Self {
        Self { body: Some((kind, bytes)), ..self }
    }

    pub(crate) const fn header(self, name: &'static str, value: &'a str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    pub(crate) const fn body_within(self, limit: Duration) -> Self {
        Self { body_within: Some(limit), ..self }
    }
}

impl Api {
    /// The API at a URL such as "http://127.0.0.1:8080".
    pub(crate) fn new(url: &str, token: SecretString, source: TokenSource) -> Result<Self> {
        let base = url.trim_end_matches('/').to_owned();
        let wrong = || Usage(format!("--api wants a URL such as http://127.0.0.1:8080, not `{url}`"));
        let uri: Uri = base.parse().map_err(|_| wrong())?;
        if !matches!(uri.scheme_str(), Some("http" | "https"))
            || uri.host().is_none()
            || uri.query().is_some()
        {
            return Err(wrong().into());
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .user_agent(concat!("fleetwire/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: agent.into(), base, token, source })
    }

    /// Asks for JSON.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        self.json(Ask::new("GET", path))
    }

    /// Asks, with a body of JSON where there is one.
    pub(crate) fn change(&self, ask: Ask<'_>, body: Option<&Value>) -> Result<Value> {
        let Some(body) = body else { return self.json(ask) };
        let bytes = serde_json::to_vec(body)?;
        self.json(ask.body("application/json", &bytes))
    }

    fn json(&self, ask: Ask<'_>) -> Result<Value> {
        let mut response = self.open(ask)?;
        if response.status() == 204 {
            return Ok(Value::Null);
        }
        let text = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
        let text = text.with_context(|| format!("the answer of the API at {} broke off", self.base))?;
        serde_json::from_str(&text).with_context(|| {
            format!("what answers at {} is no fleetwire API: {} is no JSON", self.base, ask.path)
        })
    }

    /// Asks, and gives the answer to be read piece by piece.
    pub(crate) fn stream(&self, ask: Ask<'_>) -> Result<impl Read + use<>> {
        Ok(self.open(ask)?.into_body().into_reader())
    }

    /// Asks, and asks again where the API says that it is too early, as long as that is bearable.
    fn open(&self, ask: Ask<'_>) -> Result<Response<Body>> {
        let mut waited = Duration::ZERO;
        loop {
            let mut response = self.once(ask)?;
            let status = response.status().as_u16();
            if response.status().is_success() {
                return Ok(response);
            }
            let wait = (status == 429).then(|| retry_after(&response)).flatten();
            if let Some(wait) = wait.filter(|&wait| waited + wait <= PATIENCE) {
                debug!(seconds = wait.as_secs(), "the API wants fewer requests");
                waited += wait;
                std::thread::sleep(wait);
                continue;
            }
            let text =
                response.body_mut().with_config().limit(MAX_ANSWER).read_to_string().unwrap_or_default();
            return Err(Problem::read(status, &text).explain(&self.base, self.source));
        }
    }

    fn once(&self, ask: Ask<'_>) -> Result<Response<Body>> {
        let mut request = Request::builder()
            .method(ask.method)
            .uri(format!("{}{}", self.base, ask.path))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token.expose_secret()));
        if let Some(revision) = ask.if_revision {
            request = request.header(header::IF_MATCH, format!("\"{revision}\""));
        }
        if let Some((name, value)) = ask.header {
            request = request.header(name, value);
        }
        let limit = ask.body_within;
        let answer = match ask.body {
            Some((kind, bytes)) => self.send(request.header(header::CONTENT_TYPE, kind).body(bytes)?, limit),
            None => self.send(request.body(())?, limit),
        };
        answer.map_err(|err| {
            let hint = match self.source {
                TokenSource::Environment => "is `fleetwire api` running there?",
                TokenSource::RunFile => "is `fleetwire run` stuck, or just stopping?",
                TokenSource::Process => "it runs in this process",
            };
            anyhow!("the API at {} does not answer: {err}; {hint}", self.base)
        })
    }

    fn send(
        &self,
        request: Request<impl AsSendBody>,
        body_within: Option<Duration>,
    ) -> Result<Response<Body>, ureq::Error> {
        match body_within {
            None => self.agent.run(request),
            Some(limit) => {
                self.agent.run(self.agent.configure_request(request).timeout_recv_body(Some(limit)).build())
            }
        }
    }
}

/// What the answer says of when to ask again; a second where it says nothing.
fn retry_after(response: &Response<Body>) -> Option<Duration> {
    match response.headers().get(header::RETRY_AFTER) {
        None => Some(Duration::from_secs(1)),
        Some(value) => value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs),
    }
}

/// A text as part of a URL.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_is_a_url_with_a_host() {
        let api = |url: &str| Api::new(url, "x".into(), TokenSource::Environment);
        assert_eq!(api("http://127.0.0.1:8080/").unwrap().base, "http://127.0.0.1:8080");
        assert_eq!(
            api("https://tracks.example.com/fleetwire").unwrap().base,
            "https://tracks.example.com/fleetwire"
        );
        for url in ["127.0.0.1:8080", "localhost", "ftp://x", "http://x?y=1", ""] {
            let message = api(url).unwrap_err().to_string();
            assert!(message.contains("http://127.0.0.1:8080"), "{url}: {message}");
        }
    }

    #[test]
    fn what_a_url_could_misread_is_encoded() {
        assert_eq!(encoded("vehicle:truck 7&x=ü"), "vehicle%3Atruck%207%26x%3D%C3%BC");
        assert_eq!(encoded("867035046242895"), "867035046242895");
    }
}
