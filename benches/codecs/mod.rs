//! Four MQTT codecs behind one pair of functions, for the bench and the robustness test.

use std::sync::Arc;

use bytes::BytesMut;
use fleetwire_mqtt::packet::{Frame, Level, Packet};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait as _, Packet as CorePacket, v3_1_1, v5_0};
use rumqttd::protocol::{v4::V4, v5::V5};
use tokio_util::codec::{Decoder as _, Encoder as _};

/// The most that any codec may take.
pub(crate) const LIMIT: usize = 1 << 20;

/// A codec under comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Ours,
    Rmqtt,
    Core,
    Rumqttd,
}

impl Codec {
    pub(crate) const ALL: [Self; 4] = [Self::Ours, Self::Rmqtt, Self::Core, Self::Rumqttd];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "fleetwire",
            Self::Rmqtt => "rmqtt-codec",
            Self::Core => "mqtt-protocol-core",
            Self::Rumqttd => "rumqttd",
        }
    }

    /// Decodes every packet of `input`; each is written to `out`, unless there is none. Counts the packets.
    pub(crate) fn run(
        self,
        level: Level,
        input: &mut BytesMut,
        out: Option<&mut BytesMut>,
    ) -> Result<usize, String> {
        match (self, level) {
            (Self::Ours, _) => ours(level, input, out),
            (Self::Rmqtt, Level::V5) => rmqtt_v5(input, out),
            (Self::Rmqtt, _) => rmqtt_v3(input, out),
            (Self::Core, _) => core(level, input, out),
            (Self::Rumqttd, Level::V5) => rumqttd(V5, input, out),
            (Self::Rumqttd, _) => rumqttd(V4, input, out),
        }
    }
}

fn ours(level: Level, input: &mut BytesMut, mut out: Option<&mut BytesMut>) -> Result<usize, String> {
    let mut count = 0;
    while let Some(frame) = Frame::next(input, LIMIT).map_err(|err| err.code())? {
        let packet = Packet::decode(frame, level).map_err(|err| err.code())?;
        if let Some(out) = out.as_deref_mut() {
            match &packet {
                Packet::Connect(packet) => packet.encode(out),
                Packet::Publish(packet) => packet.encode(out, level),
                Packet::Ack(packet) => packet.encode(out, level),
                _ => return Err("not benched".into()),
            }
        }
        std::hint::black_box(packet);
        count += 1;
    }
    Ok(count)
}

fn rmqtt_v3(input: &mut BytesMut, mut out: Option<&mut BytesMut>) -> Result<usize, String> {
    let mut codec = rmqtt_codec::v3::Codec::new(u32::try_from(LIMIT).unwrap_or(u32::MAX));
    let mut count = 0;
    while let Some((packet, _)) = codec.decode(input).map_err(|err| err.to_string())? {
        match out.as_deref_mut() {
            Some(out) => codec.encode(packet, out).map_err(|err| err.to_string())?,
            None => drop(std::hint::black_box(packet)),
        }
        count += 1;
    }
    Ok(count)
}

fn rmqtt_v5(input: &mut BytesMut, mut out: Option<&mut BytesMut>) -> Result<usize, String> {
    let limit = u32::try_from(LIMIT).unwrap_or(u32::MAX);
    let mut codec = rmqtt_codec::v5::Codec::new(limit, limit);
    let mut count = 0;
    while let Some((packet, _)) = codec.decode(input).map_err(|err| err.to_string())? {
        match out.as_deref_mut() {
            Some(out) => codec.encode(packet, out).map_err(|err| err.to_string())?,
            None => drop(std::hint::black_box(packet)),
        }
        count += 1;
    }
    Ok(count)
}

/// It has no framing of its own outside its connection object, so it gets ours; what it leaves over is an error.
fn core(level: Level, input: &mut BytesMut, mut out: Option<&mut BytesMut>) -> Result<usize, String> {
    let mut count = 0;
    while let Some(frame) = Frame::next(input, LIMIT).map_err(|err| err.code())? {
        let packet = if level.is_v5() { core_v5(&frame) } else { core_v3(&frame) }?;
        if let Some(out) = out.as_deref_mut() {
            for buffer in packet.to_buffers() {
                out.extend_from_slice(&buffer);
            }
        }
        std::hint::black_box(packet);
        count += 1;
    }
    Ok(count)
}

macro_rules! core_parser {
    ($name:ident, $version:ident) => {
        fn $name(frame: &Frame) -> Result<CorePacket, String> {
            let body = &*frame.body;
            macro_rules! parse {
                ($packet:ident) => {
                    $version::$packet::parse(body).map(|(packet, len)| (CorePacket::from(packet), len))
                };
            }
            let parsed = match frame.kind() {
                1 => parse!(Connect),
                3 => $version::Publish::parse(frame.first & 15, Arc::from(body))
                    .map(|(packet, len)| (CorePacket::from(packet), len)),
                4 => parse!(Puback),
                5 => parse!(Pubrec),
                6 => parse!(Pubrel),
                7 => parse!(Pubcomp),
                8 => parse!(Subscribe),
                10 => parse!(Unsubscribe),
                12 => parse!(Pingreq),
                14 => parse!(Disconnect),
                _ => return Err("type".into()),
            };
            match parsed {
                Ok((packet, len)) if len == body.len() => Ok(packet),
                Ok(_) => Err("trailing".into()),
                Err(err) => Err(format!("{err:?}")),
            }
        }
    };
}
core_parser!(core_v3, v3_1_1);
core_parser!(core_v5, v5_0);

fn rumqttd(
    mut protocol: impl rumqttd::protocol::Protocol,
    input: &mut BytesMut,
    mut out: Option<&mut BytesMut>,
) -> Result<usize, String> {
    let mut count = 0;
    while !input.is_empty() {
        let packet = protocol.read_mut(input, LIMIT).map_err(|err| err.to_string())?;
        match out.as_deref_mut() {
            Some(out) => drop(protocol.write(packet, out).map_err(|err| err.to_string())?),
            None => drop(std::hint::black_box(packet)),
        }
        count += 1;
    }
    Ok(count)
}
