//! Which log fields are not shown, and what is shown in their place.
//!
//! It goes by the field's name: every log line that tells of a device or of the other end of a connection uses one of
//! the names below, and says nothing of them in its text. A listener's own `address` is none of them.

use std::hash::{BuildHasher as _, RandomState};

use serde::Deserialize;

/// Fields that hold the address of a device, or of whoever is at the other end of its connection.
const ADDRESSES: &[&str] = &["peer", "proxy", "remote", "remote_addr", "remote_address"];
/// Fields that hold the id of a device or of a client.
const DEVICES: &[&str] = &["client", "client_id", "device", "device_id", "imei"];

/// What log lines do not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// Everything is shown.
    #[default]
    None,
    /// Addresses of devices are not shown.
    Addresses,
    /// Ids of devices and clients are not shown.
    Devices,
    /// Neither is shown.
    All,
}

impl Mask {
    fn hides(self, field: &str) -> bool {
        let (addresses, devices) = match self {
            Self::None => (false, false),
            Self::Addresses => (true, false),
            Self::Devices => (false, true),
            Self::All => (true, true),
        };
        addresses && ADDRESSES.contains(&field) || devices && DEVICES.contains(&field)
    }
}

/// Hides values. The same value has the same word until the process ends, so that one device can be followed through
/// a log; the word says nothing about the value to whoever has not the process's memory.
#[derive(Debug, Clone)]
pub(super) struct Masker {
    mask: Mask,
    key: RandomState,
}

impl Masker {
    pub(super) fn new(mask: Mask) -> Self {
        Self { mask, key: RandomState::new() }
    }

    /// What stands in a hidden field; `None` if the field is shown. `value` is made only if it is needed.
    pub(super) fn word(&self, field: &str, value: impl FnOnce() -> String) -> Option<String> {
        // An address with another port is the same device.
        let of = |value: String| match value.parse::<std::net::SocketAddr>() {
            Ok(address) => address.ip().to_string(),
            Err(_) => value.trim_matches('"').to_owned(),
        };
        self.mask.hides(field).then(|| format!("masked-{:08x}", self.key.hash_one(of(value())) >> 32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(masker: &Masker, field: &str, value: &str) -> String {
        masker.word(field, || value.to_owned()).unwrap_or_else(|| value.to_owned())
    }

    #[test]
    fn each_setting_hides_its_fields_and_no_listener() {
        let (peer, device) = (("peer", "192.0.2.1:4000"), ("device", "867035046242895"));
        for (mask, hides_peer, hides_device) in [
            (Mask::None, false, false),
            (Mask::Addresses, true, false),
            (Mask::Devices, false, true),
            (Mask::All, true, true),
        ] {
            let masker = Masker::new(mask);
            assert_eq!(shown(&masker, peer.0, peer.1) != peer.1, hides_peer, "{mask:?}");
            assert_eq!(shown(&masker, device.0, device.1) != device.1, hides_device, "{mask:?}");
            assert_eq!(shown(&masker, "address", "0.0.0.0:1883"), "0.0.0.0:1883");
        }
    }

    #[test]
    fn one_device_can_be_followed_and_two_are_told_apart() {
        let masker = Masker::new(Mask::All);
        let word = |value| shown(&masker, "peer", value);
        assert_eq!(word("192.0.2.1:4000"), word("192.0.2.1:4001"));
        assert_ne!(word("192.0.2.1:4000"), word("192.0.2.2:4000"));
        assert_eq!(shown(&masker, "client", "\"a\""), shown(&masker, "device", "a"));
        let other_process = Masker::new(Mask::All);
        assert_ne!(word("192.0.2.1:4000"), shown(&other_process, "peer", "192.0.2.1:4000"));
    }
}
