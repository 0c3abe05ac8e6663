//! Any bytes, at any split: nothing panics, the split does not matter, and what decodes encodes to the same.
#![no_main]

use bytes::{Bytes, BytesMut};
use fleetwire_mqtt::packet::{Frame, Level, Packet, PacketError};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 4096;

type Outcome = (Vec<Result<Packet, PacketError>>, Option<PacketError>);

fn decode(level: Level, chunks: &[&[u8]]) -> Outcome {
    let (mut input, mut packets) = (BytesMut::new(), Vec::new());
    for chunk in chunks {
        input.extend_from_slice(chunk);
        loop {
            match Frame::next(&mut input, LIMIT) {
                Ok(Some(frame)) => packets.push(Packet::decode(frame, level)),
                Ok(None) => break,
                Err(err) => return (packets, Some(err)),
            }
        }
    }
    (packets, None)
}

fn encode(packet: &Packet, level: Level) -> Option<BytesMut> {
    let mut out = BytesMut::new();
    match packet {
        Packet::Connect(packet) => packet.encode(&mut out),
        Packet::Publish(packet) => packet.encode(&mut out, level),
        Packet::Ack(packet) => packet.encode(&mut out, level),
        Packet::Subscribe(packet) => packet.encode(&mut out, level),
        Packet::Unsubscribe(packet) => packet.encode(&mut out, level),
        Packet::Disconnect(packet) => packet.encode(&mut out, level),
        Packet::PingReq | Packet::Auth(_) => return None,
    }
    Some(out)
}

fuzz_target!(|data: &[u8]| {
    let [mode, split, stream @ ..] = data else { return };
    let level = [Level::V31, Level::V311, Level::V5][usize::from(mode % 3)];
    let (head, tail) = stream.split_at(usize::from(*split).min(stream.len()));
    let whole = decode(level, &[stream]);
    assert_eq!(whole, decode(level, &[head, tail]));
    for packet in whole.0.iter().flatten() {
        let Some(mut bytes) = encode(packet, level) else { continue };
        let frame = Frame::next(&mut bytes, usize::MAX).unwrap().unwrap();
        assert_eq!((Packet::decode(frame, level).as_ref(), bytes.freeze()), (Ok(packet), Bytes::new()));
    }
});
