//! What the API refuses, in words for the person who gave the command.

use anyhow::{Error, anyhow};
use serde::Deserialize;

use super::TokenSource;
use crate::process::Usage;

/// A problem answer (RFC 9457), as far as it is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    #[serde(skip)]
    pub(crate) status: u16,
    pub(crate) title: String,
    pub(crate) detail: String,
    pub(crate) request_id: String,
}

/// The API does not know what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotFound(String);

impl Problem {
    /// What is in an answer; one that is no problem answer comes from something before the API.
    pub(super) fn read(status: u16, body: &str) -> Self {
        let mut problem: Self = serde_json::from_str(body).unwrap_or_default();
        problem.status = status;
        problem
    }

    /// The error of the command.
    pub(super) fn explain(self, base: &str, source: TokenSource) -> Error {
        let said = self.said();
        match (self.status, source) {
            (401, TokenSource::Environment) => anyhow!(
                "the API at {base} does not know the token of FLEETWIRE_API_TOKEN (or of the file that \
                 FLEETWIRE_API_TOKEN_FILE names); it must be one of the FLEETWIRE_API_TOKEN_<NAME> that \
                 `fleetwire api` was started with"
            ),
            (401, TokenSource::RunFile | TokenSource::Process) => {
                anyhow!("what answers at {base} does not know our token: another process has taken that port")
            }
            (403, _) => anyhow!("the token may not do that: {said}"),
            (400 | 422, _) => Usage(said).into(),
            (404, _) => NotFound(said).into(),
            (412, _) => anyhow!("{said}, with `fleetwire device show`"),
            (429, _) => anyhow!("the API at {base} wants fewer requests, and waiting did not help: {said}"),
            (500.., _) if self.title.is_empty() => {
                anyhow!("the API at {base} answered {} and nothing more", self.status)
            }
            (500.., _) if self.request_id.is_empty() => anyhow!("the API could not do that: {said}"),
            (500.., _) => anyhow!("the API could not do that: {said} (request {})", self.request_id),
            _ => anyhow!("{said}"),
        }
    }

    fn said(&self) -> String {
        let said = if self.detail.is_empty() { &self.title } else { &self.detail };
        if said.is_empty() {
            format!("the answer is {}", self.status)
        } else {
            said.trim_end_matches('.').to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(status: u16, body: &str, source: TokenSource) -> String {
        Problem::read(status, body).explain("http://api", source).to_string()
    }

    #[test]
    fn a_refused_token_names_the_variables() {
        let text = explained(401, "{\"title\":\"unauthorized\"}", TokenSource::Environment);
        assert!(
            text.contains("FLEETWIRE_API_TOKEN ") && text.contains("FLEETWIRE_API_TOKEN_<NAME>"),
            "{text}"
        );
        assert!(explained(401, "", TokenSource::RunFile).contains("another process"));
    }

    #[test]
    fn the_detail_is_what_people_read_and_failures_name_the_request() {
        let body =
            "{\"title\":\"Not found\",\"detail\":\"device 1 is not registered.\",\"request_id\":\"r7\"}";
        assert_eq!(explained(404, body, TokenSource::Environment), "device 1 is not registered");
        assert!(explained(503, body, TokenSource::Environment).contains("request r7"));
        assert!(explained(502, "<html>", TokenSource::Environment).contains("502"));
        assert!(explained(412, body, TokenSource::Environment).contains("device show"));
    }
}
