//! A protocol with what a model sets about it: the one door to decoding.

use crate::{DecodeError, Decoded, Protocol, iotm};

/// One payload, and what decoding may know of how it came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Input<'a> {
    /// Bytes of the payload.
    pub payload: &'a [u8],
    /// MQTT topic.
    pub topic: &'a str,
    /// When it was received, Unix milliseconds: the clock that ambiguous times are read against.
    pub received_ms: i64,
}

/// How the payloads of one model are read. Which protocol a device speaks is said by its model, never guessed.
#[derive(Debug, Clone, PartialEq)]
pub enum Codec {
    /// Xirgo Global (formerly BCE) over MQTT.
    Iotm(iotm::Options),
}

impl Codec {
    /// The protocol.
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Iotm(_) => Protocol::Iotm,
        }
    }

    /// Appends what the payload holds to `out`; an error appends nothing.
    pub fn decode(&self, input: Input<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
        match self {
            Self::Iotm(options) => iotm::decode(input.payload, options, out),
        }
    }
}
