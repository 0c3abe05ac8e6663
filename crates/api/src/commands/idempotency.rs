//! Ids of commands: new ones, and those that a repeated request has again.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use fleetwire_model::DeviceId;
use sha2::{Digest as _, Sha256};
use ulid::Ulid;

use crate::app::Shared;
use crate::problem::Refusal;
use crate::query::bad;

/// Characters of a key at most.
const MAX_KEY: usize = 255;

/// `Idempotency-Key`.
#[derive(Debug)]
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl FromRequestParts<Shared> for IdempotencyKey {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Refusal> {
        let Some(value) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let text = value.to_str().unwrap_or_default();
        let is_key = (1..=MAX_KEY).contains(&text.len());
        let detail = format!("Idempotency-Key has 1 to {MAX_KEY} printable ASCII characters");
        if is_key { Ok(Self(Some(text.to_owned()))) } else { Err(bad(detail)) }
    }
}

/// The id of a command: of its key, where the request has one, so that a repeat has the same.
pub(crate) fn command_id(actor: &str, key: Option<&str>, device: &DeviceId) -> String {
    let Some(key) = key else { return Ulid::generate().to_string() };
    let mut digest = Sha256::new();
    for part in [actor, key, device.as_str()] {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part.as_bytes());
    }
    let bits = digest.finalize().iter().take(16).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    uuid(bits)
}

/// As a UUID of version 8, which is for ids of one's own making (RFC 9562).
fn uuid(bits: u128) -> String {
    let bits = bits & !(0xF << 76) & !(0x3 << 62) | 0x8 << 76 | 0x2 << 62;
    let part = |from: u32, digits: u32| bits >> from & ((1 << (digits * 4)) - 1);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        part(96, 8),
        part(80, 4),
        part(64, 4),
        part(48, 4),
        part(0, 12)
    )
}

/// The header that makes a request repeatable.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the document only; `IdempotencyKey` reads it")]
pub(crate) struct KeyHeader {
    /// A text of the client's own. A request of the same token with the same key and device is the same command, which has
    /// its effect once.
    #[param(
        rename = "Idempotency-Key",
        nullable = false,
        required = false,
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]([ -~]*[!-~])?$"
    )]
    idempotency_key: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_has_the_same_id_and_nothing_else_has() {
        let (one, other) = ("867035046242895".parse().unwrap(), "865209039554705".parse().unwrap());
        let first = command_id("token:a", Some("k"), &one);
        assert_eq!(first, command_id("token:a", Some("k"), &one));
        let differing = [
            command_id("token:b", Some("k"), &one),
            command_id("token:a", Some("k2"), &one),
            command_id("token:a", Some("k"), &other),
            command_id("token:ak", Some(""), &one),
            command_id("token:a", None, &one),
            command_id("token:a", None, &one),
        ];
        assert!(differing.iter().all(|id| *id != first), "{differing:?}");
        assert_ne!(differing[4], differing[5]);
    }

    #[test]
    fn an_id_of_a_key_is_a_uuid_of_version_8() {
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_eq!(uuid(0), "00000000-0000-8000-8000-000000000000");
    }
}
