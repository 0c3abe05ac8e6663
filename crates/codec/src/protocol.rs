//! The names of protocols. A new one is a module, a line in each of these lists, and fixtures.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// A protocol that can be decoded. Which one a device speaks is said by its model, never guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Xirgo Global (formerly BCE) over MQTT.
    Iotm,
    /// Navixy Generic Protocol.
    Ngp,
    /// GlobalMatix, through the vendor's cloud: a JSON mapping.
    GlobalMatix,
    /// The older binary format of BCE.
    Dt7,
    /// Any JSON, by a mapping of the deployment's own.
    Json,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: &'static [Self] = &[Self::Iotm, Self::Ngp, Self::GlobalMatix, Self::Dt7, Self::Json];

    /// Its name in the contract, in settings and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iotm => "iotm",
            Self::Ngp => "ngp",
            Self::GlobalMatix => "globalmatix",
            Self::Dt7 => "dt7",
            Self::Json => "json",
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
#[error("no protocol is called {0:?}; known are iotm, ngp, globalmatix, dt7 and json")]
pub struct UnknownProtocol(String);

impl FromStr for Protocol {
    type Err = UnknownProtocol;

    fn from_str(name: &str) -> Result<Self, UnknownProtocol> {
        let found = Self::ALL.iter().find(|protocol| protocol.name() == name);
        found.copied().ok_or_else(|| UnknownProtocol(name.to_owned()))
    }
}
