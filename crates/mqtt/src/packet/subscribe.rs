//! SUBSCRIBE and UNSUBSCRIBE, and their answers.

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use super::{
    Level, MOST_FILTERS, PacketError, Properties, Property, QoS, properties::Allowed, reader::Reader, writer,
};
use crate::topic;

/// A SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// Packet id, not zero.
    pub packet_id: u16,
    /// At least one.
    pub subscriptions: Vec<Subscription>,
    /// MQTT 5 properties.
    pub properties: Properties,
}

/// One entry of a SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// A well-formed topic filter, possibly a shared one.
    pub filter: ByteString,
    /// The most that the client asks for.
    pub qos: QoS,
    /// The MQTT 5 options No Local, Retain As Published and Retain Handling, as bits 2 to 5 of the wire.
    pub options: u8,
}

/// An UNSUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Packet id, not zero.
    pub packet_id: u16,
    /// At least one.
    pub filters: Vec<ByteString>,
    /// MQTT 5 properties.
    pub properties: Properties,
}

impl Subscribe {
    pub(super) fn decode(body: Bytes, level: Level) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = if level.is_v5() {
            Properties::read(&mut reader, Allowed::SUBSCRIBE)?
        } else {
            Properties::default()
        };
        let mut subscriptions = Vec::new();
        while !reader.is_empty() {
            if subscriptions.len() == MOST_FILTERS {
                return Err(PacketError::TooMany);
            }
            subscriptions.push(Subscription::read(&mut reader, level)?);
        }
        if subscriptions.is_empty() {
            return Err(PacketError::NoFilters);
        }
        Ok(Self { packet_id, subscriptions, properties })
    }

    /// The MQTT 5 subscription identifier.
    pub fn identifier(&self) -> Option<u32> {
        self.properties.find(|property| match property {
            Property::SubscriptionIdentifier(id) => Some(*id),
            _ => None,
        })
    }

    /// Writes the whole packet, for clients: the simulator, tests and benches.
    pub fn encode(&self, out: &mut BytesMut, level: Level) {
        let mut body = BytesMut::new();
        body.put_u16(self.packet_id);
        if level.is_v5() {
            self.properties.write(&mut body);
        }
        for Subscription { filter, qos, options } in &self.subscriptions {
            writer::text(&mut body, filter);
            body.put_u8(options | *qos as u8);
        }
        writer::header(out, 0x82, body.len());
        out.put_slice(&body);
    }
}

impl Subscription {
    fn read(reader: &mut Reader, level: Level) -> Result<Self, PacketError> {
        let filter = filter(reader)?;
        let byte = reader.u8()?;
        let options = byte & 0x3C;
        if byte & 0xC0 != 0 || options != 0 && !level.is_v5() {
            return Err(PacketError::ReservedBits);
        }
        let qos = QoS::from_bits(byte)?;
        // Retain Handling 3, and No Local on a shared subscription, [MQTT-3.8.3-4].
        if options >> 4 == 3 || options & 0x04 != 0 && topic::is_shared(&filter) {
            return Err(PacketError::SubscriptionOptions);
        }
        Ok(Self { filter, qos, options })
    }
}

impl Unsubscribe {
    pub(super) fn decode(body: Bytes, level: Level) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let packet_id = reader.packet_id()?;
        let properties = if level.is_v5() {
            Properties::read(&mut reader, Allowed::UNSUBSCRIBE)?
        } else {
            Properties::default()
        };
        let mut filters = Vec::new();
        while !reader.is_empty() {
            if filters.len() == MOST_FILTERS {
                return Err(PacketError::TooMany);
            }
            filters.push(filter(&mut reader)?);
        }
        if filters.is_empty() {
            return Err(PacketError::NoFilters);
        }
        Ok(Self { packet_id, filters, properties })
    }

    /// Writes the whole packet, for clients: the simulator, tests and benches.
    pub fn encode(&self, out: &mut BytesMut, level: Level) {
        let mut body = BytesMut::new();
        body.put_u16(self.packet_id);
        if level.is_v5() {
            self.properties.write(&mut body);
        }
        for filter in &self.filters {
            writer::text(&mut body, filter);
        }
        writer::header(out, 0xA2, body.len());
        out.put_slice(&body);
    }
}

fn filter(reader: &mut Reader) -> Result<ByteString, PacketError> {
    let filter = reader.text()?;
    topic::check_filter(&filter)?;
    Ok(filter)
}

/// The answer to a SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubAck {
    /// Packet id of the SUBSCRIBE.
    pub packet_id: u16,
    /// One code per filter: the granted `QoS`, or a refusal.
    pub codes: Vec<u8>,
}

/// The answer to an UNSUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsubAck {
    /// Packet id of the UNSUBSCRIBE.
    pub packet_id: u16,
    /// One code per filter; not written in 3.x.
    pub codes: Vec<u8>,
}

impl SubAck {
    /// Writes the whole packet.
    pub fn encode(&self, out: &mut BytesMut, level: Level) {
        write_answer(out, 0x90, self.packet_id, &self.codes, level);
    }
}

impl UnsubAck {
    /// Writes the whole packet.
    pub fn encode(&self, out: &mut BytesMut, level: Level) {
        let codes = if level.is_v5() { self.codes.as_slice() } else { &[] };
        write_answer(out, 0xB0, self.packet_id, codes, level);
    }
}

fn write_answer(out: &mut BytesMut, first: u8, packet_id: u16, codes: &[u8], level: Level) {
    let properties = usize::from(level.is_v5());
    writer::header(out, first, 2 + properties + codes.len());
    out.put_u16(packet_id);
    if level.is_v5() {
        out.put_u8(0);
    }
    out.put_slice(codes);
}
