//! What settings say of models, and whether it is usable.

use fleetwire_codec::{Codec, Protocol, iotm};
use serde::Deserialize;

/// One model, as settings give it. For a built-in model, what is left out stays as it is built in.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSettings {
    /// Name for people; empty takes the built-in one, or the key.
    pub name: String,
    /// Account under which it connects.
    pub account: String,
    /// Protocol of its payloads.
    pub protocol: Option<Protocol>,
    /// How its IOTM payloads are read, in place of all of `[decoder.iotm]`.
    pub iotm: Option<iotm::Options>,
}

/// How the payloads of models are read that have no settings of their own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CodecSettings {
    /// IOTM.
    pub iotm: iotm::Options,
}

/// Why models are not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// A key with other characters.
    #[error("model `{0}`: a key has 1 to 64 of a-z, 0-9, `.`, `_` and `-`")]
    Id(String),
    /// A new model of which too little is said.
    #[error("model {model} is not built in, so [models.{model}] needs `{key}`")]
    Missing {
        /// The model.
        model: String,
        /// The key that it lacks.
        key: &'static str,
    },
    /// Settings that would have no effect.
    #[error("model {model} speaks {protocol}, so `{key}` in [models.{model}] would have no effect")]
    Foreign {
        /// The model.
        model: String,
        /// Its protocol.
        protocol: Protocol,
        /// The key.
        key: &'static str,
    },
    /// A protocol that needs more than its name.
    #[error("protocol {0} cannot be used here")]
    Unavailable(Protocol),
}

impl ModelSettings {
    /// How payloads of `protocol` are read for this model.
    pub(crate) fn codec(
        &self,
        model: &str,
        protocol: Protocol,
        defaults: &CodecSettings,
    ) -> Result<Codec, CatalogueError> {
        if self.iotm.is_some() && protocol != Protocol::Iotm {
            return Err(CatalogueError::Foreign { model: model.to_owned(), protocol, key: "iotm" });
        }
        match protocol {
            Protocol::Iotm => Ok(Codec::Iotm(self.iotm.clone().unwrap_or_else(|| defaults.iotm.clone()))),
            other => Err(CatalogueError::Unavailable(other)),
        }
    }
}

/// Whether a text can be the key of a model.
pub(crate) fn is_model_id(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    (1..=64).contains(&text.len()) && text.chars().all(allowed)
}
