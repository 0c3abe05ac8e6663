//! CONNECT, with its will.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use super::{Level, PacketError, Properties, Property, QoS, properties::Allowed, reader::Reader, writer};
use crate::topic;

/// A client's first packet. Its `Debug` shows neither password nor will payload.
#[derive(Clone, PartialEq, Eq)]
pub struct Connect {
    /// The level that decides how every later packet reads.
    pub level: Level,
    /// `CleanStart` of MQTT 5, `CleanSession` of 3.x.
    pub clean_start: bool,
    /// Seconds; 0 turns keep-alive off.
    pub keep_alive: u16,
    /// May be empty here; whether that is served is the session's matter.
    pub client_id: ByteString,
    /// What to publish if the connection ends without DISCONNECT.
    pub will: Option<Will>,
    /// User name.
    pub user_name: Option<ByteString>,
    /// Password.
    pub password: Option<Bytes>,
    /// MQTT 5 properties.
    pub properties: Properties,
}

/// A message that the server publishes for a client that went away.
#[derive(Clone, PartialEq, Eq)]
pub struct Will {
    /// Topic name, already checked.
    pub topic: ByteString,
    /// Payload.
    pub payload: Bytes,
    /// Quality of service.
    pub qos: QoS,
    /// Retain flag.
    pub retain: bool,
    /// MQTT 5 properties.
    pub properties: Properties,
}

const CLEAN_START: u8 = 0x02;
const WILL: u8 = 0x04;
const WILL_QOS: u8 = 0x18;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

impl Connect {
    /// Decodes the body of a CONNECT.
    pub fn decode(body: Bytes) -> Result<Self, PacketError> {
        let mut reader = Reader::new(body);
        let name = reader.binary()?;
        let level = match (name.as_ref(), reader.u8()?) {
            (b"MQIsdp", 3) => Level::V31,
            (b"MQTT", 4) => Level::V311,
            (b"MQTT", 5) => Level::V5,
            (b"MQTT" | b"MQIsdp", level) => return Err(PacketError::ProtocolLevel(level)),
            _ => return Err(PacketError::ProtocolName),
        };
        let flags = reader.u8()?;
        check_flags(flags, level)?;
        let keep_alive = reader.u16()?;
        let properties = properties(&mut reader, level, Allowed::CONNECT)?;
        let has = |wanted: fn(&Property) -> bool| properties.iter().any(wanted);
        // Data of an authentication that has no method, section 3.1.2.11.10.
        if has(|p| matches!(p, Property::AuthenticationData(_)))
            && !has(|p| matches!(p, Property::AuthenticationMethod(_)))
        {
            return Err(PacketError::PropertyValue(0x16));
        }
        let client_id = reader.text()?;
        let will = if flags & WILL == 0 { None } else { Some(Will::read(&mut reader, flags, level)?) };
        let user_name = if flags & USER_NAME == 0 { None } else { Some(reader.text()?) };
        let password = if flags & PASSWORD == 0 { None } else { Some(reader.binary()?) };
        reader.end()?;
        let clean_start = flags & CLEAN_START != 0;
        Ok(Self { level, clean_start, keep_alive, client_id, will, user_name, password, properties })
    }

    /// Writes the whole packet, for clients: the simulator, tests and benches.
    pub fn encode(&self, out: &mut BytesMut) {
        let mut body = BytesMut::new();
        writer::text(&mut body, if self.level == Level::V31 { "MQIsdp" } else { "MQTT" });
        body.put_u8(self.level as u8);
        body.put_u8(self.flags());
        body.put_u16(self.keep_alive);
        if self.level.is_v5() {
            self.properties.write(&mut body);
        }
        writer::text(&mut body, &self.client_id);
        if let Some(will) = &self.will {
            if self.level.is_v5() {
                will.properties.write(&mut body);
            }
            writer::text(&mut body, &will.topic);
            writer::binary(&mut body, &will.payload);
        }
        if let Some(user_name) = &self.user_name {
            writer::text(&mut body, user_name);
        }
        if let Some(password) = &self.password {
            writer::binary(&mut body, password);
        }
        writer::header(out, 0x10, body.len());
        out.put_slice(&body);
    }

    fn flags(&self) -> u8 {
        let mut flags = if self.clean_start { CLEAN_START } else { 0 };
        if let Some(will) = &self.will {
            flags |= WILL | (will.qos as u8) << 3 | if will.retain { WILL_RETAIN } else { 0 };
        }
        flags |= self.user_name.as_ref().map_or(0, |_| USER_NAME);
        flags | self.password.as_ref().map_or(0, |_| PASSWORD)
    }
}

impl Will {
    fn read(reader: &mut Reader, flags: u8, level: Level) -> Result<Self, PacketError> {
        let properties = properties(reader, level, Allowed::WILL)?;
        let topic = reader.text()?;
        topic::check_name(&topic)?;
        let payload = reader.binary()?;
        let qos = QoS::from_bits((flags & WILL_QOS) >> 3)?;
        Ok(Self { topic, payload, qos, retain: flags & WILL_RETAIN != 0, properties })
    }
}

fn properties(reader: &mut Reader, level: Level, allowed: Allowed) -> Result<Properties, PacketError> {
    if level.is_v5() { Properties::read(reader, allowed) } else { Ok(Properties::default()) }
}

fn check_flags(flags: u8, level: Level) -> Result<(), PacketError> {
    // MQTT 3.1 calls bit 0 unused, not reserved.
    if flags & 1 != 0 && level != Level::V31 {
        return Err(PacketError::ReservedBits);
    }
    let will_bits_without_will = flags & WILL == 0 && flags & (WILL_QOS | WILL_RETAIN) != 0;
    let password_alone = flags & (PASSWORD | USER_NAME) == PASSWORD && !level.is_v5();
    if will_bits_without_will || password_alone {
        return Err(PacketError::ConnectFlags);
    }
    QoS::from_bits((flags & WILL_QOS) >> 3).map(drop)
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("level", &self.level)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name)
            .field("will", &self.will)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Will {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Will")
            .field("topic", &self.topic)
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .finish_non_exhaustive()
    }
}
