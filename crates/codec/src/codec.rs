//! A protocol with what a model sets about it: the one door to decoding.

use std::sync::Arc;

use crate::mapping::Mapping;
use crate::{DecodeError, Decoded, Explanation, Protocol, dt7, iotm, ngp};

/// One payload, and what decoding may know of how it came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Input<'a> {
    /// Bytes of the payload.
    pub payload: &'a [u8],
    /// MQTT topic.
    pub topic: &'a str,
    /// When it was received, Unix milliseconds: the clock that ambiguous times are read against; 0 if not known.
    pub received_ms: i64,
}

/// How the payloads of one model are read. Which protocol a device speaks is said by its model, never guessed.
#[derive(Debug, Clone, PartialEq)]
pub enum Codec {
    /// Xirgo Global (formerly BCE) over MQTT.
    Iotm(iotm::Options),
    /// Navixy Generic Protocol.
    Ngp(ngp::Options),
    /// The older binary format of BCE.
    Dt7(dt7::Options),
    /// GlobalMatix: JSON, by a mapping whose built-in form is a guess.
    GlobalMatix(Arc<Mapping>),
    /// Any JSON, by a mapping of the deployment's own.
    Json(Arc<Mapping>),
}

impl Codec {
    /// The protocol.
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Iotm(_) => Protocol::Iotm,
            Self::Ngp(_) => Protocol::Ngp,
            Self::Dt7(_) => Protocol::Dt7,
            Self::GlobalMatix(_) => Protocol::GlobalMatix,
            Self::Json(_) => Protocol::Json,
        }
    }

    /// Whether nobody has compared its mapping with real payloads. Say so wherever the model shows.
    pub fn is_guess(&self) -> bool {
        match self {
            Self::Iotm(_) | Self::Ngp(_) | Self::Dt7(_) => false,
            Self::GlobalMatix(mapping) | Self::Json(mapping) => mapping.is_guess(),
        }
    }

    /// Appends what the payload holds to `out`; an error appends nothing.
    pub fn decode(&self, input: Input<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
        match self {
            Self::Iotm(options) => iotm::decode(input.payload, options, out),
            Self::Ngp(options) => ngp::decode(input, options, out),
            Self::Dt7(options) => dt7::decode(input, options, out),
            Self::GlobalMatix(mapping) | Self::Json(mapping) => mapping.decode(input.payload, out),
        }
    }

    /// Takes a payload apart for a person, also one that does not decode.
    pub fn explain(&self, input: Input<'_>) -> Explanation {
        match self {
            Self::Ngp(options) => ngp::explain(input, options),
            Self::Iotm(options) => iotm::explain(input.payload, options),
            Self::Dt7(options) => dt7::explain(input, options),
            Self::GlobalMatix(mapping) | Self::Json(mapping) => mapping.explain(input.payload),
        }
    }
}
