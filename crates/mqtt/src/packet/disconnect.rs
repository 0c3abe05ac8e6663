//! DISCONNECT, in both directions.

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use super::{
    Level, PacketError, Properties, Property, Reason, properties::Allowed, reader::Reader, reason, writer,
};

/// The last packet of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// MQTT 5 reason code; 0 in 3.x.
    pub reason: u8,
    /// MQTT 5 properties.
    pub properties: Properties,
}

impl Disconnect {
    pub(super) fn decode(body: Bytes, level: Level) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let mut packet = Self { reason: 0, properties: Properties::default() };
        if level.is_v5() && !reader.is_empty() {
            packet.reason = reader.u8()?;
            if !reason::DISCONNECT.contains(&packet.reason) {
                return Err(PacketError::ReasonCode(packet.reason));
            }
            if !reader.is_empty() {
                packet.properties = Properties::read(&mut reader, Allowed::DISCONNECT)?;
            }
        }
        reader.end()?;
        Ok(packet)
    }

    /// A server's goodbye, with words for a peer that wants to know.
    pub fn new(reason: Reason, words: Option<&'static str>) -> Self {
        let properties = words.map(|words| Property::ReasonString(words.into()));
        Self { reason: reason as u8, properties: Vec::from_iter(properties).into() }
    }

    /// Names the server that the client should use instead.
    #[must_use]
    pub fn refer(mut self, server: &ByteString) -> Self {
        let all = self.properties.iter().cloned().chain([Property::ServerReference(server.clone())]);
        self.properties = all.collect::<Vec<_>>().into();
        self
    }

    /// The session expiry interval, seconds.
    pub fn session_expiry(&self) -> Option<u32> {
        self.properties.find(|property| match property {
            Property::SessionExpiry(seconds) => Some(*seconds),
            _ => None,
        })
    }

    /// Bytes of the whole packet in MQTT 5.
    pub fn size(&self) -> usize {
        let remaining = 1 + self.properties.size();
        1 + writer::variable_size(remaining) + remaining
    }

    /// Writes the whole packet.
    pub fn encode(&self, out: &mut BytesMut, level: Level) {
        if !level.is_v5() {
            return out.put_slice(&[0xE0, 0]);
        }
        writer::header(out, 0xE0, 1 + self.properties.size());
        out.put_u8(self.reason);
        self.properties.write(out);
    }
}
