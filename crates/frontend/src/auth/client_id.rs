//! Under which client id a session is known.
//!
//! Sessions are found by client id, whatever their account. A device's is its IMEI. All others get a prefix that no
//! IMEI can have, so that no client of one account takes over, or resumes, a session of another.

use compact_str::{CompactString, format_compact};
use fleetwire_model::DeviceId;
use fleetwire_mqtt::{ClientCertificate, Peer, Refusal};
use fleetwire_registry::account::CertificateName;
use ulid::Ulid;

/// Longest client id of a subscriber, bytes.
const MAX_FREE: usize = 256;

/// Whose session ids a prefix keeps apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space<'a> {
    /// Clients of a device account that are not one device each.
    Relay(&'a str),
    /// Clients of a subscriber account.
    Subscriber(&'a str),
}

impl Space<'_> {
    fn prefix(self) -> CompactString {
        match self {
            Self::Relay(account) => format_compact!("acc:{account}:"),
            Self::Subscriber(account) => format_compact!("sub:{account}:"),
        }
    }

    /// The session's id for a client's own. A client that was told a session's id may come back with it.
    pub(super) fn session_id(self, client_id: &str) -> CompactString {
        let prefix = self.prefix();
        format_compact!("{prefix}{}", client_id.strip_prefix(prefix.as_str()).unwrap_or(client_id))
    }

    /// The client's own part of an id.
    pub(super) fn own_part(self, client_id: &str) -> CompactString {
        CompactString::new(client_id.strip_prefix(self.prefix().as_str()).unwrap_or(client_id))
    }
}

/// An id that no other client has.
pub(super) fn assigned() -> CompactString {
    format_compact!("{}", Ulid::generate())
}

/// The client id of a CONNECT and of its certificate: the same, or the one of the two that is there. The names of a
/// certificate that are no client ids of the account (`fits`) do not count. Empty if there is none at all.
pub(super) fn choose(
    given: &str,
    peer: &Peer,
    rule: CertificateName,
    fits: impl Fn(&str) -> bool,
) -> Result<CompactString, Refusal> {
    if rule == CertificateName::Ignore {
        return Ok(CompactString::new(given));
    }
    // Without this a client could leave its certificate at home and name any id.
    let certificate = peer.certificate.as_deref().ok_or(Refusal::NotAuthorized)?;
    let mut fitting = names(certificate, rule).filter(|name| fits(name));
    let chosen = if given.is_empty() { fitting.next() } else { fitting.find(|name| *name == given) };
    chosen.map(CompactString::new).ok_or(Refusal::NotAuthorized)
}

fn names(certificate: &ClientCertificate, rule: CertificateName) -> impl Iterator<Item = &str> {
    let (common, alternative) = match rule {
        CertificateName::Ignore => (None, &[][..]),
        CertificateName::CommonName => (certificate.common_name.as_deref(), &[][..]),
        CertificateName::AlternativeName => (None, certificate.alternative_names.as_slice()),
    };
    common.into_iter().chain(alternative.iter().map(String::as_str))
}

/// Whether a client id is fit for an account whose clients are not one device each.
pub(super) fn is_relay_id(client_id: &str) -> bool {
    // The characters are those of a device id, safe in topics and in Kafka keys.
    client_id.parse::<DeviceId>().is_ok()
}

/// Whether a client id is fit for an account whose clients are devices that are no IMEI: the id of a device, and none
/// that the session of another account can have.
pub(super) fn is_device_id(client_id: &str) -> bool {
    let reserved = ["acc:", "sub:"].iter().any(|prefix| client_id.starts_with(prefix));
    !reserved && client_id.parse::<DeviceId>().is_ok()
}

/// Whether a client id is fit for a subscriber.
pub(super) fn is_subscriber_id(client_id: &str) -> bool {
    client_id.len() <= MAX_FREE && !client_id.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_accounts_share_a_session_and_none_has_a_devices() {
        let ids = [
            Space::Relay("ops").session_id("867035046242895"),
            Space::Relay("other").session_id("867035046242895"),
            Space::Subscriber("ops").session_id("867035046242895"),
            Space::Subscriber("ops").session_id("acc:ops:867035046242895"),
            Space::Relay("ops").session_id("sub:ops:867035046242895"),
            Space::Subscriber("other").session_id("sub:ops:867035046242895"),
            CompactString::new("867035046242895"),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id), "{id}");
        }
    }

    #[test]
    fn no_device_has_the_session_of_a_relay_or_of_a_subscriber() {
        assert!(is_device_id("truck-7") && is_device_id("867035046242895") && is_device_id("a:b"));
        for id in [Space::Relay("ops").session_id("x"), Space::Subscriber("ops").session_id("x")] {
            assert!(!is_device_id(&id), "{id}");
        }
        assert!(!is_device_id("") && !is_device_id("a/b"));
    }

    #[test]
    fn a_client_that_was_told_its_sessions_id_finds_its_session_again() {
        let space = Space::Subscriber("ops");
        let told = space.session_id("01K");
        assert_eq!(space.session_id(&told), told);
        assert_eq!(space.own_part(&told), "01K");
    }
}
