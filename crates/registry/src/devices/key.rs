//! The key of a registry record.

use fleetwire_model::{DeviceId, Imei};

/// The id that a key names. Nearly all are IMEIs, and those are kept as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Imei(Imei),
    Other(DeviceId),
}

impl Key {
    pub(super) fn parse(key: &[u8]) -> Option<Self> {
        if let Some(imei) = Imei::from_ascii(key) {
            return Some(Self::Imei(imei));
        }
        std::str::from_utf8(key).ok()?.parse().ok().map(Self::Other)
    }

    pub(super) fn to_id(&self) -> DeviceId {
        match self {
            Self::Imei(imei) => (*imei).into(),
            Self::Other(id) => id.clone(),
        }
    }
}
