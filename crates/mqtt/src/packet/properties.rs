//! MQTT 5 properties: read strictly, kept as a short list, written back.
//!
//! Most packets have none, and none costs no allocation.

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use super::{PacketError, reader::Reader, writer};

/// More properties than this in one packet are refused, so that a small packet never becomes a large list.
const MOST: usize = 128;

/// One property of MQTT 5, section 2.2.2.2.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification's own")]
pub enum Property {
    PayloadFormat(u8),
    MessageExpiry(u32),
    ContentType(ByteString),
    ResponseTopic(ByteString),
    CorrelationData(Bytes),
    SubscriptionIdentifier(u32),
    SessionExpiry(u32),
    AssignedClientIdentifier(ByteString),
    ServerKeepAlive(u16),
    AuthenticationMethod(ByteString),
    AuthenticationData(Bytes),
    RequestProblemInformation(u8),
    WillDelay(u32),
    RequestResponseInformation(u8),
    ServerReference(ByteString),
    ReasonString(ByteString),
    ReceiveMaximum(u16),
    TopicAliasMaximum(u16),
    TopicAlias(u16),
    MaximumQoS(u8),
    RetainAvailable(u8),
    UserProperty(ByteString, ByteString),
    MaximumPacketSize(u32),
    WildcardSubscriptionAvailable(u8),
    SubscriptionIdentifierAvailable(u8),
    SharedSubscriptionAvailable(u8),
}

/// Identifiers that a packet may carry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed(u64);

impl Allowed {
    const fn of(ids: &[u8]) -> Self {
        let mut mask = 0;
        let mut rest = ids;
        while let [id, tail @ ..] = rest {
            mask |= 1 << *id;
            rest = tail;
        }
        Self(mask)
    }

    const fn holds(self, id: u8) -> bool {
        id < 64 && self.0 >> id & 1 == 1
    }

    pub(super) const CONNECT: Self = Self::of(&[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27]);
    pub(super) const WILL: Self = Self::of(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26]);
    /// From a client; a subscription identifier comes from a server only.
    pub(super) const PUBLISH: Self = Self::of(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26]);
    pub(super) const ACK: Self = Self::of(&[0x1F, 0x26]);
    pub(super) const SUBSCRIBE: Self = Self::of(&[0x0B, 0x26]);
    pub(super) const UNSUBSCRIBE: Self = Self::of(&[0x26]);
    /// From a client; a server reference comes from a server only.
    pub(super) const DISCONNECT: Self = Self::of(&[0x11, 0x1F, 0x26]);
    pub(super) const AUTH: Self = Self::of(&[0x15, 0x16, 0x1F, 0x26]);
}

/// The properties of one packet, in the order in which they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties(Box<[Property]>);

impl Properties {
    /// Reads the property length and what it counts.
    pub(super) fn read(reader: &mut Reader, allowed: Allowed) -> Result<Self, PacketError> {
        let len = reader.variable()?;
        if len == 0 {
            return Ok(Self::default());
        }
        let mut inner = Reader::new(reader.take(len as usize)?);
        let mut list = Vec::new();
        let mut seen = 0u64;
        while !inner.is_empty() {
            let id = inner.u8()?;
            if !allowed.holds(id) {
                return Err(PacketError::Property(id));
            }
            if seen >> id & 1 == 1 && id != 0x26 {
                return Err(PacketError::DuplicateProperty(id));
            }
            if list.len() == MOST {
                return Err(PacketError::TooMany);
            }
            seen |= 1 << id;
            list.push(read_one(id, &mut inner)?);
        }
        Ok(Self(list.into()))
    }

    /// Writes the property length and the properties.
    pub(super) fn write(&self, out: &mut BytesMut) {
        writer::variable(out, self.len());
        for property in &self.0 {
            write_one(property, out);
        }
    }

    /// Bytes that [`Self::write`] adds.
    pub(super) fn size(&self) -> usize {
        let len = self.len();
        writer::variable_size(len) + len
    }

    fn len(&self) -> usize {
        self.0.iter().map(size_of_one).sum()
    }

    /// Each property.
    pub fn iter(&self) -> std::slice::Iter<'_, Property> {
        self.0.iter()
    }

    /// The first value that `pick` recognises.
    pub fn find<'a, T>(&'a self, pick: impl Fn(&'a Property) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(pick)
    }
}

impl From<Vec<Property>> for Properties {
    fn from(list: Vec<Property>) -> Self {
        Self(list.into())
    }
}

impl<'a> IntoIterator for &'a Properties {
    type Item = &'a Property;
    type IntoIter = std::slice::Iter<'a, Property>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Reads the value of a property that [`Allowed`] let through; the server's own never come here.
fn read_one(id: u8, from: &mut Reader) -> Result<Property, PacketError> {
    Ok(match id {
        0x01 => Property::PayloadFormat(flag(id, from)?),
        0x02 => Property::MessageExpiry(from.u32()?),
        0x03 => Property::ContentType(from.text()?),
        0x08 => Property::ResponseTopic(response_topic(from)?),
        0x09 => Property::CorrelationData(from.binary()?),
        0x0B => Property::SubscriptionIdentifier(not_zero(id, from.variable()?)?),
        0x11 => Property::SessionExpiry(from.u32()?),
        0x15 => Property::AuthenticationMethod(from.text()?),
        0x16 => Property::AuthenticationData(from.binary()?),
        0x17 => Property::RequestProblemInformation(flag(id, from)?),
        0x18 => Property::WillDelay(from.u32()?),
        0x19 => Property::RequestResponseInformation(flag(id, from)?),
        0x1F => Property::ReasonString(from.text()?),
        0x21 => Property::ReceiveMaximum(not_zero(id, from.u16()?)?),
        0x22 => Property::TopicAliasMaximum(from.u16()?),
        0x23 => Property::TopicAlias(from.u16()?),
        0x26 => Property::UserProperty(from.text()?, from.text()?),
        0x27 => Property::MaximumPacketSize(not_zero(id, from.u32()?)?),
        _ => return Err(PacketError::Property(id)),
    })
}

fn flag(id: u8, from: &mut Reader) -> Result<u8, PacketError> {
    match from.u8()? {
        value @ (0 | 1) => Ok(value),
        _ => Err(PacketError::PropertyValue(id)),
    }
}

fn not_zero<T: Default + PartialEq>(id: u8, value: T) -> Result<T, PacketError> {
    if value == T::default() { Err(PacketError::PropertyValue(id)) } else { Ok(value) }
}

fn response_topic(from: &mut Reader) -> Result<ByteString, PacketError> {
    let topic = from.text()?;
    crate::topic::check_name(&topic)?;
    Ok(topic)
}

fn write_one(property: &Property, out: &mut BytesMut) {
    use Property as P;
    match property {
        P::PayloadFormat(v) => byte(out, 0x01, *v),
        P::MessageExpiry(v) => long(out, 0x02, *v),
        P::ContentType(v) => text(out, 0x03, v),
        P::ResponseTopic(v) => text(out, 0x08, v),
        P::CorrelationData(v) => binary(out, 0x09, v),
        P::SubscriptionIdentifier(v) => {
            out.put_u8(0x0B);
            writer::variable(out, *v as usize);
        }
        P::SessionExpiry(v) => long(out, 0x11, *v),
        P::AssignedClientIdentifier(v) => text(out, 0x12, v),
        P::ServerKeepAlive(v) => short(out, 0x13, *v),
        P::AuthenticationMethod(v) => text(out, 0x15, v),
        P::AuthenticationData(v) => binary(out, 0x16, v),
        P::RequestProblemInformation(v) => byte(out, 0x17, *v),
        P::WillDelay(v) => long(out, 0x18, *v),
        P::RequestResponseInformation(v) => byte(out, 0x19, *v),
        P::ServerReference(v) => text(out, 0x1C, v),
        P::ReasonString(v) => text(out, 0x1F, v),
        P::ReceiveMaximum(v) => short(out, 0x21, *v),
        P::TopicAliasMaximum(v) => short(out, 0x22, *v),
        P::TopicAlias(v) => short(out, 0x23, *v),
        P::MaximumQoS(v) => byte(out, 0x24, *v),
        P::RetainAvailable(v) => byte(out, 0x25, *v),
        P::UserProperty(key, value) => {
            text(out, 0x26, key);
            writer::text(out, value);
        }
        P::MaximumPacketSize(v) => long(out, 0x27, *v),
        P::WildcardSubscriptionAvailable(v) => byte(out, 0x28, *v),
        P::SubscriptionIdentifierAvailable(v) => byte(out, 0x29, *v),
        P::SharedSubscriptionAvailable(v) => byte(out, 0x2A, *v),
    }
}

fn byte(out: &mut BytesMut, id: u8, value: u8) {
    out.put_slice(&[id, value]);
}

fn short(out: &mut BytesMut, id: u8, value: u16) {
    out.put_u8(id);
    out.put_u16(value);
}

fn long(out: &mut BytesMut, id: u8, value: u32) {
    out.put_u8(id);
    out.put_u32(value);
}

fn text(out: &mut BytesMut, id: u8, value: &ByteString) {
    out.put_u8(id);
    writer::text(out, value);
}

fn binary(out: &mut BytesMut, id: u8, value: &Bytes) {
    out.put_u8(id);
    writer::binary(out, value);
}

fn size_of_one(property: &Property) -> usize {
    use Property as P;
    match property {
        P::PayloadFormat(_)
        | P::RequestProblemInformation(_)
        | P::RequestResponseInformation(_)
        | P::MaximumQoS(_)
        | P::RetainAvailable(_)
        | P::WildcardSubscriptionAvailable(_)
        | P::SubscriptionIdentifierAvailable(_)
        | P::SharedSubscriptionAvailable(_) => 2,
        P::ServerKeepAlive(_) | P::ReceiveMaximum(_) | P::TopicAliasMaximum(_) | P::TopicAlias(_) => 3,
        P::MessageExpiry(_) | P::SessionExpiry(_) | P::WillDelay(_) | P::MaximumPacketSize(_) => 5,
        P::SubscriptionIdentifier(v) => 1 + writer::variable_size(*v as usize),
        P::ContentType(v)
        | P::ResponseTopic(v)
        | P::AssignedClientIdentifier(v)
        | P::AuthenticationMethod(v)
        | P::ServerReference(v)
        | P::ReasonString(v) => 3 + v.len(),
        P::CorrelationData(v) | P::AuthenticationData(v) => 3 + v.len(),
        P::UserProperty(key, value) => 5 + key.len() + value.len(),
    }
}
