//! PUBLISH, in both directions.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use super::{
    Frame, Level, PacketError, Properties, Property, QoS, properties::Allowed, reader::Reader, writer,
};
use crate::topic;

/// A PUBLISH as it stands on the wire. Its `Debug` does not show the payload.
#[derive(Clone, PartialEq, Eq)]
pub struct PublishPacket {
    /// Topic name; empty only where MQTT 5 replaces it by a topic alias.
    pub topic: ByteString,
    /// Payload, a slice of the input.
    pub payload: Bytes,
    /// Quality of service.
    pub qos: QoS,
    /// Sent before, says the sender.
    pub dup: bool,
    /// Retain flag.
    pub retain: bool,
    /// Not zero where `qos` is above 0, else zero.
    pub packet_id: u16,
    /// MQTT 5 properties.
    pub properties: Properties,
}

impl PublishPacket {
    pub(super) fn decode(frame: Frame, level: Level) -> Result<Self, PacketError> {
        let flags = frame.flags();
        let qos = QoS::from_bits(flags >> 1)?;
        let dup = flags & 8 != 0;
        if dup && qos == QoS::AtMostOnce && level != Level::V31 {
            return Err(PacketError::ReservedBits);
        }
        let mut reader = Reader::new(frame.body);
        let topic = reader.text()?;
        let packet_id = if qos == QoS::AtMostOnce { 0 } else { reader.packet_id()? };
        let properties = if level.is_v5() {
            Properties::read(&mut reader, Allowed::PUBLISH)?
        } else {
            Properties::default()
        };
        let packet =
            Self { topic, payload: reader.rest(), qos, dup, retain: flags & 1 != 0, packet_id, properties };
        if !(packet.topic.is_empty() && packet.topic_alias().is_some()) {
            topic::check_name(&packet.topic)?;
        }
        Ok(packet)
    }

    /// The MQTT 5 topic alias.
    pub fn topic_alias(&self) -> Option<u16> {
        self.properties.find(|property| match property {
            Property::TopicAlias(alias) => Some(*alias),
            _ => None,
        })
    }

    /// Writes the whole packet.
    pub fn encode(&self, out: &mut BytesMut, level: Level) {
        let first = 0x30 | u8::from(self.dup) << 3 | (self.qos as u8) << 1 | u8::from(self.retain);
        writer::header(out, first, self.remaining(level));
        writer::text(out, &self.topic);
        if self.qos > QoS::AtMostOnce {
            out.put_u16(self.packet_id);
        }
        if level.is_v5() {
            self.properties.write(out);
        }
        out.put_slice(&self.payload);
    }

    /// Bytes of the whole packet on the wire.
    pub fn size(&self, level: Level) -> usize {
        let remaining = self.remaining(level);
        1 + writer::variable_size(remaining) + remaining
    }

    fn remaining(&self, level: Level) -> usize {
        let id = if self.qos > QoS::AtMostOnce { 2 } else { 0 };
        let properties = if level.is_v5() { self.properties.size() } else { 0 };
        2 + self.topic.len() + id + properties + self.payload.len()
    }
}

impl fmt::Debug for PublishPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishPacket")
            .field("topic", &self.topic)
            .field("qos", &self.qos)
            .field("dup", &self.dup)
            .field("retain", &self.retain)
            .field("packet_id", &self.packet_id)
            .field("payload_len", &self.payload.len())
            .finish_non_exhaustive()
    }
}
