//! The list of protocols. A new one is a module, a line in each of these lists, and fixtures.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::{DecodeError, Decoded, Options, iotm};

/// A protocol that can be decoded. Which one a device speaks is said by its model, never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Xirgo Global (formerly BCE) over MQTT.
    Iotm,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: &'static [Self] = &[Self::Iotm];

    /// Its name in the contract, in settings and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iotm => "iotm",
        }
    }

    /// Appends what the payload holds to `out`; an error appends nothing.
    pub fn decode(self, payload: &[u8], options: &Options, out: &mut Decoded) -> Result<(), DecodeError> {
        match self {
            Self::Iotm => iotm::decode(payload, options, out),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no protocol has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no protocol is called {0:?}; known is \"iotm\"")]
pub struct UnknownProtocol(String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Self, UnknownProtocol> {
        let found = Self::ALL.iter().find(|protocol| protocol.name() == name);
        found.copied().ok_or_else(|| UnknownProtocol(name.to_owned()))
    }
}
