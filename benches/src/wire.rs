//! MQTT as a device writes and reads it, byte by byte from the specification. It shares no code with the server, so
//! that a mistake there cannot hide here.

use anyhow::{Result, bail};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Protocol version of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 3.1.1.
    V311,
    /// 5.0.
    V5,
}

/// Quality of service with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qos {
    /// 1: PUBACK.
    AtLeastOnce = 1,
    /// 2: PUBREC, PUBREL, PUBCOMP.
    ExactlyOnce = 2,
}

/// Packet types that a server sends to a publisher, as the first byte's high half.
pub mod kind {
    /// Answer to CONNECT.
    pub const CONNACK: u8 = 2;
    /// Answer to a publish of quality of service 1.
    pub const PUBACK: u8 = 4;
    /// First answer to a publish of quality of service 2.
    pub const PUBREC: u8 = 5;
    /// Last answer to a publish of quality of service 2.
    pub const PUBCOMP: u8 = 7;
}

/// A packet from the server.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Its type; see [`kind`].
    pub kind: u8,
    /// What follows the fixed header.
    pub body: Bytes,
}

/// A publish to write.
#[derive(Debug, Clone, Copy)]
pub struct Publish<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Payload.
    pub payload: &'a [u8],
    /// Quality of service.
    pub qos: Qos,
    /// Packet id, not 0.
    pub packet_id: u16,
    /// Sent before.
    pub dup: bool,
}

/// Writes a CONNECT with a clean session.
pub fn connect(out: &mut BytesMut, version: Version, client_id: &str, user: &str, password: &str) {
    let mut body = BytesMut::new();
    text(&mut body, "MQTT");
    body.put_u8(if version == Version::V5 { 5 } else { 4 });
    body.put_u8(0b1100_0010); // user name, password, clean session
    body.put_u16(60);
    if version == Version::V5 {
        body.put_u8(0);
    }
    text(&mut body, client_id);
    text(&mut body, user);
    text(&mut body, password);
    out.put_u8(0x10);
    length(out, body.len());
    out.put(body);
}

/// Writes a PUBLISH.
pub fn publish(out: &mut BytesMut, version: Version, publish: Publish<'_>) {
    let Publish { topic, payload, qos, packet_id, dup } = publish;
    let properties = usize::from(version == Version::V5);
    out.put_u8(0x30 | u8::from(dup) << 3 | (qos as u8) << 1);
    length(out, 2 + topic.len() + 2 + properties + payload.len());
    text(out, topic);
    out.put_u16(packet_id);
    if version == Version::V5 {
        out.put_u8(0);
    }
    out.put_slice(payload);
}

/// Writes a PUBREL.
pub fn release(out: &mut BytesMut, packet_id: u16) {
    out.put_u8(0x62);
    out.put_u8(2);
    out.put_u16(packet_id);
}

/// Writes a DISCONNECT.
pub fn disconnect(out: &mut BytesMut) {
    out.put_slice(&[0xe0, 0]);
}

/// Takes the next packet off what was read, if it is whole.
pub fn next(input: &mut BytesMut) -> Result<Option<Packet>> {
    let Some((first, rest)) = input.split_first() else { return Ok(None) };
    let (first, mut size, mut shift, mut header) = (*first, 0_usize, 0, 1);
    loop {
        let Some(&byte) = rest.get(header - 1) else {
            if header > 4 {
                bail!("a remaining length of more than four bytes");
            }
            return Ok(None);
        };
        size |= usize::from(byte & 0x7f) << shift;
        (shift, header) = (shift + 7, header + 1);
        if byte & 0x80 == 0 {
            break;
        }
        if header > 4 {
            bail!("a remaining length of more than four bytes");
        }
    }
    if input.len() < header + size {
        return Ok(None);
    }
    input.advance(header);
    Ok(Some(Packet { kind: first >> 4, body: input.split_to(size).freeze() }))
}

impl Packet {
    /// The packet id of an answer to a publish.
    pub fn packet_id(&self) -> Result<u16> {
        match *self.body {
            [high, low, ..] => Ok(u16::from_be_bytes([high, low])),
            _ => bail!("an answer without a packet id"),
        }
    }

    /// The reason code of an answer to a publish; 0 where there is none.
    pub fn reason(&self) -> u8 {
        self.body.get(2).copied().unwrap_or(0)
    }

    /// The return or reason code of a CONNACK.
    pub fn connack(&self) -> Result<u8> {
        match *self.body {
            [_, code, ..] if self.kind == kind::CONNACK => Ok(code),
            _ => bail!("packet type {} where CONNACK must be", self.kind),
        }
    }
}

fn text(out: &mut BytesMut, text: &str) {
    // Longer texts do not occur here.
    out.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
    out.put_slice(text.as_bytes());
}

fn length(out: &mut BytesMut, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or(0);
        length >>= 7;
        out.put_u8(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_cut_where_they_end() {
        let mut input = BytesMut::from(&[0x40, 2, 0, 7, 0x50][..]);
        let packet = next(&mut input).unwrap().unwrap();
        assert_eq!((packet.kind, packet.packet_id().unwrap(), packet.reason()), (kind::PUBACK, 7, 0));
        assert!(next(&mut input).unwrap().is_none());
        input.put_slice(&[3, 1, 2, 0x97]);
        let packet = next(&mut input).unwrap().unwrap();
        assert_eq!((packet.kind, packet.packet_id().unwrap(), packet.reason()), (kind::PUBREC, 258, 0x97));
        assert!(next(&mut BytesMut::from(&[0x40, 0xff, 0xff, 0xff, 0xff, 1][..])).is_err());
    }

    #[test]
    fn a_long_publish_has_a_long_length() {
        let mut out = BytesMut::new();
        let payload = [1; 300];
        let what =
            Publish { topic: "a/b", payload: &payload, qos: Qos::ExactlyOnce, packet_id: 9, dup: true };
        publish(&mut out, Version::V311, what);
        let packet = next(&mut out).unwrap().unwrap();
        assert_eq!((packet.kind, packet.body.len(), out.len()), (3, 307, 0));
    }
}
