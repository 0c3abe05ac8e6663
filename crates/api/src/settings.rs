//! Settings of the API, section `[api]`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use serde::Deserialize;

use crate::commands::CommandSettings;

/// `[api]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiSettings {
    /// Where HTTP is served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections at a time; further ones wait to be accepted.
    pub max_connections: NonZeroUsize,
    /// Requests at a time; further ones are answered 503.
    pub max_requests: NonZeroUsize,
    /// Imports and exports at a time; further ones are answered 503.
    pub max_transfers: NonZeroUsize,
    /// Body of a request, bytes, imports apart; larger ones are answered 413.
    pub max_body_bytes: NonZeroUsize,
    /// Body of one import, bytes; what is beyond it is not read.
    pub max_import_bytes: NonZeroUsize,
    /// How long the head of a request may take to come. A connection without a request is closed after it.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// How long the body of a request may take to come, imports apart; it is answered 408 then.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// How long a request may take in all, imports and exports apart; it is answered 503 then.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// How long a client may neither send nor take a byte of what it began.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// Requests of one token a second, in the long run; further ones are answered 429.
    pub requests_per_second: NonZeroU32,
    /// Requests of one token at once.
    pub burst: NonZeroU32,
    /// Requests without a valid token from one address (IPv6: one /64) a minute; further ones are answered 429.
    pub failed_logins_per_minute: NonZeroU32,
    /// Commands to devices.
    pub commands: CommandSettings,
    /// Who may do what: tokens by their names. The token itself is a secret, `FLEETWIRE_API_TOKEN_<NAME>`.
    pub tokens: BTreeMap<String, TokenSettings>,
}

/// `[api.tokens.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// What the token may do.
    pub scopes: BTreeSet<Scope>,
}

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Read everything that the API shows.
    Read,
    /// Change devices.
    Devices,
    /// Send commands to devices.
    Commands,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Read, Self::Devices, Self::Commands];
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Devices => "devices",
            Self::Commands => "commands",
        })
    }
}

const fn size(number: usize) -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(number.saturating_sub(1))
}

const fn count(number: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(number.saturating_sub(1))
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            max_connections: size(512),
            max_requests: size(128),
            max_transfers: size(4),
            max_body_bytes: size(64 << 10),
            max_import_bytes: size(1 << 30),
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_mins(1),
            requests_per_second: count(50),
            burst: count(200),
            failed_logins_per_minute: count(30),
            commands: CommandSettings::default(),
            tokens: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_needs_scopes_and_unknown_ones_are_refused() {
        let read: Result<ApiSettings, _> = toml::from_str("[tokens.ops]\nscopes = ['read', 'devices']");
        let scopes = read.unwrap().tokens["ops"].scopes.clone();
        assert_eq!(scopes, BTreeSet::from([Scope::Read, Scope::Devices]));
        for bad in ["[tokens.ops]", "[tokens.ops]\nscopes = ['write']", "burst = 0", "lisen = '0.0.0.0:1'"] {
            assert!(toml::from_str::<ApiSettings>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn defaults_are_what_they_say() {
        let ApiSettings { max_requests, max_body_bytes, burst, .. } = ApiSettings::default();
        assert_eq!((max_requests.get(), max_body_bytes.get(), burst.get()), (128, 65536, 200));
    }
}
