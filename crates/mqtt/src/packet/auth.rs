//! AUTH of MQTT 5. It is decoded so that it can be refused in due form; no method is served.

use bytes::Bytes;

use super::{PacketError, Properties, Property, properties::Allowed, reader::Reader, reason};

/// One step of an extended authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Reason code.
    pub reason: u8,
    /// Properties.
    pub properties: Properties,
}

impl Auth {
    pub(super) fn decode(body: Bytes) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let mut packet = Self { reason: 0, properties: Properties::default() };
        if !reader.is_empty() {
            packet.reason = reader.u8()?;
            if !reason::AUTH.contains(&packet.reason) {
                return Err(PacketError::ReasonCode(packet.reason));
            }
            packet.properties = Properties::read(&mut reader, Allowed::AUTH)?;
        }
        reader.end()?;
        let method = packet.properties.find(|property| match property {
            Property::AuthenticationMethod(method) => Some(method),
            _ => None,
        });
        // Only an empty AUTH may leave its method out, [MQTT-3.15.2.2.2].
        if packet.properties != Properties::default() && method.is_none() {
            return Err(PacketError::PropertyValue(0x15));
        }
        Ok(packet)
    }
}
