//! What settings say of models, and whether it is usable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleetwire_codec::iotm::output::Polarity;
use fleetwire_codec::mapping::Mapping;
use fleetwire_codec::{Codec, Protocol, dt7, iotm, ngp};
use serde::Deserialize;

use crate::outputs::{Output, OutputError, OutputProfile};

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
    /// How its NGP messages are read, in place of all of `[decoder.ngp]`.
    pub ngp: Option<ngp::Options>,
    /// How its DT7 payloads are read, in place of all of `[decoder.dt7]`.
    pub dt7: Option<dt7::Options>,
    /// File with the mapping of its JSON, from the folder of the configuration. `globalmatix` has one built in, which
    /// is a guess; `json` has none.
    pub mapping: Option<PathBuf>,
    /// Its outputs, in place of all that are built in for its protocol.
    pub outputs: Option<Vec<Output>>,
    /// What it takes the function byte of a timed output for.
    pub output_polarity: Option<Polarity>,
}

/// How the payloads of models are read that have no settings of their own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CodecSettings {
    /// IOTM.
    pub iotm: iotm::Options,
    /// NGP.
    pub ngp: ngp::Options,
    /// DT7.
    pub dt7: dt7::Options,
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
    /// JSON of which nobody said what it means.
    #[error("model {0} speaks json, so [models.{0}] needs `mapping`, the file that says what is what in it")]
    NoMapping(String),
    /// A mapping that cannot be used.
    #[error("model {model}: mapping {}: {reason}", path.display())]
    Mapping {
        /// The model.
        model: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// More than devices can be told to be of.
    #[error("there are {0} models, with those that are built in; at most {max} are possible", max = crate::Catalogue::MAX)]
    TooMany(usize),
    /// Outputs that cannot be meant.
    #[error("model {model} {reason}")]
    Outputs {
        /// The model.
        model: String,
        /// Why.
        reason: OutputError,
    },
}

impl ModelSettings {
    /// Its outputs: those of the settings, or what is built in for its protocol.
    pub(crate) fn outputs(&self, model: &str, protocol: Protocol) -> Result<OutputProfile, CatalogueError> {
        let built_in = OutputProfile::of(protocol);
        let outputs = self.outputs.clone().unwrap_or(built_in.outputs);
        let polarity = self.output_polarity.unwrap_or(built_in.polarity);
        OutputProfile::new(protocol, outputs, polarity)
            .map_err(|reason| CatalogueError::Outputs { model: model.to_owned(), reason })
    }

    /// How payloads of `protocol` are read for this model.
    pub(crate) fn codec(
        &self,
        model: &str,
        protocol: Protocol,
        defaults: &CodecSettings,
        folder: &Path,
    ) -> Result<Codec, CatalogueError> {
        let is_mapped = matches!(protocol, Protocol::GlobalMatix | Protocol::Json);
        let given = [
            ("iotm", protocol == Protocol::Iotm, self.iotm.is_some()),
            ("ngp", protocol == Protocol::Ngp, self.ngp.is_some()),
            ("dt7", protocol == Protocol::Dt7, self.dt7.is_some()),
            ("mapping", is_mapped, self.mapping.is_some()),
            ("output_polarity", protocol == Protocol::Iotm, self.output_polarity.is_some()),
        ];
        if let Some((key, ..)) = given.into_iter().find(|(_, fits, is_given)| *is_given && !fits) {
            return Err(CatalogueError::Foreign { model: model.to_owned(), protocol, key });
        }
        match protocol {
            Protocol::Iotm => Ok(Codec::Iotm(self.iotm.clone().unwrap_or_else(|| defaults.iotm.clone()))),
            Protocol::Ngp => Ok(Codec::Ngp(self.ngp.clone().unwrap_or_else(|| defaults.ngp.clone()))),
            Protocol::Dt7 => Ok(Codec::Dt7(self.dt7.clone().unwrap_or_else(|| defaults.dt7.clone()))),
            Protocol::GlobalMatix => self.mapping(model, folder).map(Codec::GlobalMatix),
            Protocol::Json if self.mapping.is_none() => Err(CatalogueError::NoMapping(model.to_owned())),
            Protocol::Json => self.mapping(model, folder).map(Codec::Json),
        }
    }

    /// The mapping of its file, or the one that is built in.
    fn mapping(&self, model: &str, folder: &Path) -> Result<Arc<Mapping>, CatalogueError> {
        let path = self.mapping.as_ref().map(|path| folder.join(path));
        let mapping = match &path {
            None => Mapping::globalmatix().map_err(|err| err.to_string()),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|err| err.to_string())
                .and_then(|text| Mapping::from_toml(&text).map_err(|err| err.to_string())),
        };
        mapping.map(Arc::new).map_err(|reason| CatalogueError::Mapping {
            model: model.to_owned(),
            path: path.unwrap_or_default(),
            reason,
        })
    }
}

/// Whether a text can be the key of a model.
pub(crate) fn is_model_id(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    (1..=64).contains(&text.len()) && text.chars().all(allowed)
}
