//! PUBACK, PUBREC, PUBREL and PUBCOMP, in both directions.

use bytes::{BufMut, BytesMut};

use super::{
    Frame, Level, PacketError, Properties, Property, Reason, properties::Allowed, reader::Reader, reason,
    writer,
};

/// Which of the four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification's own")]
pub enum AckKind {
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
}

/// One of the four packets that answer a PUBLISH or each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Which of the four.
    pub kind: AckKind,
    /// Packet id, not zero.
    pub packet_id: u16,
    /// MQTT 5 reason code; 0 in 3.x.
    pub reason: u8,
    /// MQTT 5 properties.
    pub properties: Properties,
}

impl Ack {
    pub(super) fn decode(frame: Frame, level: Level) -> Result<Self, PacketError> {
        let (kind, codes) = match frame.kind() {
            4 => (AckKind::PubAck, reason::PUBLISH_ACK),
            5 => (AckKind::PubRec, reason::PUBLISH_ACK),
            6 => (AckKind::PubRel, reason::RELEASE),
            _ => (AckKind::PubComp, reason::RELEASE),
        };
        let mut reader = Reader::new(frame.body);
        let packet_id = reader.packet_id()?;
        let mut ack = Self { kind, packet_id, reason: 0, properties: Properties::default() };
        if level.is_v5() && !reader.is_empty() {
            ack.reason = reader.u8()?;
            if !codes.contains(&ack.reason) {
                return Err(PacketError::ReasonCode(ack.reason));
            }
            if !reader.is_empty() {
                ack.properties = Properties::read(&mut reader, Allowed::ACK)?;
            }
        }
        reader.end()?;
        Ok(ack)
    }

    /// An answer without properties.
    pub fn new(kind: AckKind, packet_id: u16, reason: Reason) -> Self {
        Self { kind, packet_id, reason: reason as u8, properties: Properties::default() }
    }

    /// Says in words why, for an MQTT 5 peer that wants to know.
    #[must_use]
    pub fn because(mut self, words: &'static str) -> Self {
        self.properties = vec![Property::ReasonString(words.into())].into();
        self
    }

    /// Writes the whole packet. In 3.x there is no reason code to write.
    pub fn encode(&self, out: &mut BytesMut, level: Level) {
        let bare = self.properties == Properties::default();
        let kind = self.kind as u8;
        let first = kind << 4 | if self.kind == AckKind::PubRel { 2 } else { 0 };
        if !level.is_v5() || self.reason == 0 && bare {
            let [high, low] = self.packet_id.to_be_bytes();
            return out.put_slice(&[first, 2, high, low]);
        }
        writer::header(out, first, 3 + if bare { 0 } else { self.properties.size() });
        out.put_u16(self.packet_id);
        out.put_u8(self.reason);
        if !bare {
            self.properties.write(out);
        }
    }
}
