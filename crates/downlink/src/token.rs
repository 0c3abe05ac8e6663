//! The token that gateways show: kept as a digest, compared in constant time.

use std::fmt;

use fleetwire_metrics::Metric;
use metrics::Counter;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use tonic::codegen::http::{HeaderMap, HeaderValue};

use crate::error::SettingsError;

const CALLS_REFUSED: Metric = Metric::counter(
    "fleetwire_downlink_calls_refused_total",
    "Calls of gateways without the right token. Nothing was done.",
)
.worry("Any growth: a gateway has an old token, or somebody tries.");

/// What is counted here.
pub const METRICS: &[Metric] = &[CALLS_REFUSED];

/// The environment variable of the token; with `_FILE` behind it names a file that holds it.
pub const TOKEN_VARIABLE: &str = "FLEETWIRE_DOWNLINK_TOKEN";

/// Characters of a token.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=512;

/// The token that a gateway shows, from `secret`, which is asked for [`TOKEN_VARIABLE`]; none if it is not set.
pub fn token<E>(
    secret: impl Fn(&str) -> Result<Option<SecretString>, E>,
) -> Result<Option<SecretString>, SettingsError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    named(TOKEN_VARIABLE, secret)
}

/// The tokens that a frontend accepts, as digests: usually one, and a second while gateways go over to another.
#[derive(Clone, Default)]
pub struct Tokens(Vec<[u8; 32]>);

impl Tokens {
    /// The tokens from `secret`, which is asked for [`TOKEN_VARIABLE`] and the same with `_2`.
    pub fn load<E>(secret: impl Fn(&str) -> Result<Option<SecretString>, E>) -> Result<Self, SettingsError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let mut tokens = Vec::new();
        for name in [TOKEN_VARIABLE.to_owned(), format!("{TOKEN_VARIABLE}_2")] {
            tokens.extend(named(&name, &secret)?.map(|token| digest(token.expose_secret().as_bytes())));
        }
        Ok(Self(tokens))
    }

    /// Whether there is none, so that no token is asked for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a token is one of these. Takes the same time for any of a length.
    fn accept(&self, token: &[u8]) -> bool {
        let given = digest(token);
        self.0.iter().fold(Choice::from(0), |found, own| found | own.ct_eq(&given)).into()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

fn named<E>(
    name: &str,
    secret: impl Fn(&str) -> Result<Option<SecretString>, E>,
) -> Result<Option<SecretString>, SettingsError>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let token = secret(name).map_err(|err| SettingsError::Unreadable(Box::new(err)))?;
    let is_usable = |token: &SecretString| {
        let text = token.expose_secret();
        LENGTH.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if token.as_ref().is_none_or(is_usable) { Ok(token) } else { Err(SettingsError::Token(name.to_owned())) }
}

/// No salt: it is compared in this process only, and never stored.
fn digest(token: &[u8]) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// Lets calls with a token through, or all where there is none.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    tokens: Tokens,
    refused: Counter,
}

impl Guard {
    pub(crate) fn new(tokens: Tokens) -> Self {
        Self { tokens, refused: CALLS_REFUSED.to_counter() }
    }

    /// Whether a call with these headers is let through; one that is not is counted.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let header = headers.get("authorization").map(HeaderValue::as_bytes);
        let token = header.and_then(|header| header.strip_prefix(b"Bearer "));
        let admits = self.tokens.is_empty() || token.is_some_and(|token| self.tokens.accept(token));
        if !admits {
            self.refused.increment(1);
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(set: &[(&str, &str)]) -> Result<Tokens, SettingsError> {
        Tokens::load(|name| -> Result<_, std::io::Error> {
            Ok(set.iter().find(|(variable, _)| *variable == name).map(|(_, token)| (*token).into()))
        })
    }

    fn admits(tokens: &Tokens, header: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert("authorization", header.parse().unwrap());
        }
        Guard::new(tokens.clone()).admits(&headers)
    }

    #[test]
    fn either_of_two_tokens_is_accepted_and_nothing_else() {
        let set = [
            ("FLEETWIRE_DOWNLINK_TOKEN", "the-newest-of-tokens"),
            ("FLEETWIRE_DOWNLINK_TOKEN_2", "the-one-before-that"),
        ];
        let both = tokens(&set).unwrap();
        assert!(admits(&both, Some("Bearer the-newest-of-tokens")));
        assert!(admits(&both, Some("Bearer the-one-before-that")));
        for wrong in [
            None,
            Some("Bearer "),
            Some("the-newest-of-tokens"),
            Some("bearer the-newest-of-tokens"),
            Some("Bearer the-newest-of-token"),
            Some("Bearer the-newest-of-tokens "),
        ] {
            assert!(!admits(&both, wrong), "{wrong:?}");
        }
        assert!(!format!("{both:?}").contains("newest"));
    }

    #[test]
    fn without_a_token_none_is_asked_for() {
        let none = tokens(&[]).unwrap();
        assert!(none.is_empty() && admits(&none, None));
    }

    #[test]
    fn a_token_that_could_be_guessed_is_refused() {
        for weak in ["short", "with a space in it is not a token", "sixteen-bytes-\u{e9}"] {
            let refused = tokens(&[("FLEETWIRE_DOWNLINK_TOKEN", weak)]);
            assert!(matches!(refused, Err(SettingsError::Token(name)) if name == TOKEN_VARIABLE), "{weak}");
        }
    }
}
