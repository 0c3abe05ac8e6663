//! The MQTT wire format: 3.1, 3.1.1 and 5.0, as a server reads and writes it.
//!
//! Payloads and topics are slices of the input; nothing is copied. Reading is strict: what the specification
//! calls malformed is a [`PacketError`]. Nothing here knows a socket, a session or a clock.

mod ack;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod error;
mod frame;
mod properties;
mod publish;
mod reader;
mod reason;
mod subscribe;
#[cfg(test)]
mod tests;
mod writer;

pub use ack::{Ack, AckKind};
pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::{Connect, Will};
pub use disconnect::Disconnect;
pub use error::PacketError;
pub use frame::Frame;
pub use properties::{Properties, Property};
pub use publish::PublishPacket;
pub use reason::Reason;
pub use subscribe::{SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe};

use bytes::{BufMut, BytesMut};

/// More filters than this in one SUBSCRIBE or UNSUBSCRIBE are refused.
const MOST_FILTERS: usize = 64;

/// The protocol level of a CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// MQTT 3.1, protocol name `MQIsdp`.
    V31 = 3,
    /// MQTT 3.1.1.
    V311 = 4,
    /// MQTT 5.0.
    V5 = 5,
}

impl Level {
    /// Whether packets have properties and reason codes.
    pub fn is_v5(self) -> bool {
        self == Self::V5
    }
}

/// Quality of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the specification's own")]
pub enum QoS {
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

impl QoS {
    const fn from_bits(bits: u8) -> Result<Self, PacketError> {
        match bits & 3 {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            _ => Err(PacketError::QoS),
        }
    }
}

/// A packet from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification's own")]
pub enum Packet {
    Connect(Box<Connect>),
    Publish(PublishPacket),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack(Ack),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    PingReq,
    Disconnect(Disconnect),
    Auth(Auth),
}

impl Packet {
    /// Decodes one packet of a connection whose CONNECT named `level`.
    ///
    /// A CONNECT names its own level, so `level` does not matter for it.
    pub fn decode(frame: Frame, level: Level) -> Result<Self, PacketError> {
        if frame.padded && level.is_v5() {
            return Err(PacketError::VariableInteger);
        }
        let kind = frame.kind();
        if kind != 3 {
            let expected = if matches!(kind, 6 | 8 | 10) { 2 } else { 0 };
            // MQTT 3.1 lets DUP and QoS 1 stand in the headers of PUBREL, SUBSCRIBE and UNSUBSCRIBE.
            let flags = if level == Level::V31 { frame.flags() & !0x08 } else { frame.flags() };
            if flags != expected && matches!(kind, 1 | 4..=8 | 10 | 12 | 14 | 15) {
                return Err(PacketError::ReservedBits);
            }
        }
        match kind {
            1 => {
                let connect = Connect::decode(frame.body)?;
                // Only its own level says whether this matters.
                if frame.padded && connect.level.is_v5() {
                    return Err(PacketError::VariableInteger);
                }
                Ok(Self::Connect(Box::new(connect)))
            }
            3 => PublishPacket::decode(frame, level).map(Self::Publish),
            4..=7 => Ack::decode(frame, level).map(Self::Ack),
            8 => Subscribe::decode(frame.body, level).map(Self::Subscribe),
            10 => Unsubscribe::decode(frame.body, level).map(Self::Unsubscribe),
            12 if frame.body.is_empty() => Ok(Self::PingReq),
            12 => Err(PacketError::Trailing),
            14 => Disconnect::decode(frame.body, level).map(Self::Disconnect),
            15 if level.is_v5() => Auth::decode(frame.body).map(Self::Auth),
            2 | 9 | 11 | 13 => Err(PacketError::ServerOnly(kind)),
            _ => Err(PacketError::PacketType(kind)),
        }
    }
}

/// Writes a PINGRESP.
pub fn write_pingresp(out: &mut BytesMut) {
    out.put_slice(&[0xD0, 0]);
}
