//! Packets byte by byte, as the specification prints them.

use bytes::{Bytes, BytesMut};

use super::*;

fn decode(level: Level, bytes: &[u8]) -> Result<Packet, PacketError> {
    let mut input = BytesMut::from(bytes);
    let frame = Frame::next(&mut input, 1024)?.expect("a whole packet");
    assert!(input.is_empty());
    Packet::decode(frame, level)
}

fn encoded(write: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut out = BytesMut::new();
    write(&mut out);
    out.freeze()
}

#[test]
fn a_frame_comes_out_once_its_last_byte_is_there() {
    let mut input = BytesMut::new();
    for byte in [0x30, 0x04, 0x00, 0x01, b'a'] {
        input.extend_from_slice(&[byte]);
        assert_eq!(Frame::next(&mut input, 64), Ok(None));
    }
    input.extend_from_slice(b"x\xc0");
    let frame = Frame::next(&mut input, 64).unwrap().unwrap();
    assert_eq!((frame.first, &*frame.body), (0x30, &b"\0\x01ax"[..]));
    assert_eq!(&*input, b"\xc0");
}

#[test]
fn a_frame_beyond_the_limit_is_refused_by_its_header() {
    let mut input = BytesMut::from(&[0x30, 0x80, 0xc2, 0xd7, 0x5f][..]);
    let size = 200_663_296 + 5;
    assert_eq!(Frame::next(&mut input, 4096), Err(PacketError::TooLarge { size, limit: 4096 }));
    let mut exact = BytesMut::from(&[0x30, 62][..]);
    assert_eq!(Frame::next(&mut exact, 64), Ok(None));
    let mut over = BytesMut::from(&[0x30, 63][..]);
    assert_eq!(Frame::next(&mut over, 64), Err(PacketError::TooLarge { size: 65, limit: 64 }));
}

#[test]
fn a_remaining_length_has_at_most_four_bytes() {
    let mut input = BytesMut::from(&[0x30, 0xff, 0xff, 0xff][..]);
    assert_eq!(Frame::next(&mut input, usize::MAX), Ok(None));
    input.extend_from_slice(&[0xff]);
    assert_eq!(Frame::next(&mut input, usize::MAX), Err(PacketError::VariableInteger));
}

#[test]
fn a_padded_remaining_length_is_malformed_in_v5_only() {
    let padded = [0xC0, 0x80, 0x00];
    assert_eq!(decode(Level::V311, &padded), Ok(Packet::PingReq));
    assert_eq!(decode(Level::V5, &padded), Err(PacketError::VariableInteger));
}

#[test]
fn a_publish_slices_its_input() {
    let mut input = BytesMut::from(&b"\x3b\x0b\x00\x05BCE/D\x00\x0apq"[..]);
    let start = input.as_ptr() as usize;
    let frame = Frame::next(&mut input, 64).unwrap().unwrap();
    let Ok(Packet::Publish(publish)) = Packet::decode(frame, Level::V311) else { panic!("no PUBLISH") };
    assert_eq!((&*publish.topic, &*publish.payload, publish.packet_id), ("BCE/D", &b"pq"[..], 10));
    assert_eq!((publish.qos, publish.dup, publish.retain), (QoS::AtLeastOnce, true, true));
    assert_eq!(publish.payload.as_ptr() as usize, start + 11, "not copied");
    assert_eq!(publish.topic.as_ptr() as usize, start + 4, "not copied");
}

#[test]
fn a_connect_reads_every_field() {
    let bytes = b"\x10\x2c\x00\x04MQTT\x05\xee\x00\x3c\x05\x11\x00\x00\x00\x0a\x00\x02id\
        \x05\x18\x00\x00\x00\x01\x00\x01t\x00\x01w\x00\x01u\x00\x01p";
    let mut bytes = bytes.to_vec();
    bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
    let Ok(Packet::Connect(connect)) = decode(Level::V311, &bytes) else { panic!("no CONNECT") };
    assert_eq!((connect.level, connect.keep_alive, &*connect.client_id), (Level::V5, 60, "id"));
    assert_eq!(connect.user_name.as_deref(), Some("u"));
    assert_eq!(connect.password.as_deref(), Some(&b"p"[..]));
    assert_eq!(connect.properties, vec![Property::SessionExpiry(10)].into());
    let will = connect.will.as_ref().unwrap();
    assert_eq!(
        (&*will.topic, &*will.payload, will.qos, will.retain),
        ("t", &b"w"[..], QoS::AtLeastOnce, true)
    );
    assert_eq!(will.properties, vec![Property::WillDelay(1)].into());
    assert_eq!(encoded(|out| connect.encode(out)), bytes);
}

#[test]
fn a_connect_never_shows_its_password() {
    let connect = Connect {
        level: Level::V311,
        clean_start: true,
        keep_alive: 0,
        client_id: "id".into(),
        will: None,
        user_name: Some("user".into()),
        password: Some("hunter2".into()),
        properties: Properties::default(),
    };
    assert!(!format!("{connect:?} {connect:#?}").contains("hunter2"));
}

#[test]
fn malformed_connects_say_what_is_wrong() {
    let connect = |tail: &[u8]| {
        let mut bytes = vec![0x10, u8::try_from(tail.len()).unwrap()];
        bytes.extend_from_slice(tail);
        decode(Level::V311, &bytes).unwrap_err()
    };
    let cases: [(&[u8], PacketError); 14] = [
        (b"", PacketError::Truncated),
        (b"\0\x04MQTX\x04\x02\0\0\0\x01a", PacketError::ProtocolName),
        (b"\0\x04mqtt\x04\x02\0\0\0\x01a", PacketError::ProtocolName),
        (b"\0\x04MQTT\x03\x02\0\0\0\x01a", PacketError::ProtocolLevel(3)),
        (b"\0\x06MQIsdp\x04\x02\0\0\0\x01a", PacketError::ProtocolLevel(4)),
        (b"\0\x04MQTT\x04\x03\0\0\0\x01a", PacketError::ReservedBits),
        (b"\0\x04MQTT\x04\x0a\0\0\0\x01a", PacketError::ConnectFlags),
        (b"\0\x04MQTT\x04\x22\0\0\0\x01a", PacketError::ConnectFlags),
        (b"\0\x04MQTT\x04\x42\0\0\0\x01a\0\x01p", PacketError::ConnectFlags),
        (b"\0\x04MQTT\x04\x1e\0\0\0\x01a\0\x01t\0\0", PacketError::QoS),
        (b"\0\x04MQTT\x04\x06\0\0\0\x01a\0\x01#\0\0", PacketError::TopicName),
        (b"\0\x04MQTT\x04\x02\0\0\0\x01a!", PacketError::Trailing),
        (b"\0\x04MQTT\x04\x02\0\0\0\x02a", PacketError::Truncated),
        (b"\0\x04MQTT\x04\x02\0\0\0\x01\xff", PacketError::Text),
    ];
    for (tail, expected) in cases {
        assert_eq!(connect(tail), expected, "{tail:x?}");
    }
}

#[test]
fn properties_are_read_strictly() {
    let publish = |properties: &[u8]| {
        let len = u8::try_from(properties.len()).unwrap();
        let mut bytes = vec![0x30, len + 4, 0, 1, b'a', len];
        bytes.extend_from_slice(properties);
        decode(Level::V5, &bytes)
    };
    let cases: [(&[u8], PacketError); 9] = [
        (&[0x11, 0, 0, 0, 1], PacketError::Property(0x11)),
        (&[0x7f], PacketError::Property(0x7f)),
        (&[0xff, 0x01], PacketError::Property(0xff)),
        (&[0x0B, 1], PacketError::Property(0x0B)),
        (&[0x01, 0, 0x01, 0], PacketError::DuplicateProperty(0x01)),
        (&[0x01, 2], PacketError::PropertyValue(0x01)),
        (&[0x02, 0, 0], PacketError::Truncated),
        (&[0x08, 0, 1, b'#'], PacketError::TopicName),
        (&[0x26, 0, 1, b'k', 0, 1, 0], PacketError::Text),
    ];
    for (properties, expected) in cases {
        assert_eq!(publish(properties), Err(expected), "{properties:x?}");
    }
    let twice = [0x26, 0, 1, b'k', 0, 1, b'v'].repeat(2);
    assert!(publish(&twice).is_ok(), "user properties may repeat");
    let longer_than_packet = [0x30, 4, 0, 1, b'a', 9];
    assert_eq!(decode(Level::V5, &longer_than_packet), Err(PacketError::Truncated));
}

#[test]
fn too_many_properties_are_refused() {
    let properties = [0x26, 0, 0, 0, 0].repeat(129);
    let mut bytes = vec![0x30, 0x8a, 0x05, 0, 1, b'a', 0x85, 0x05];
    bytes.extend_from_slice(&properties);
    assert_eq!(decode(Level::V5, &bytes), Err(PacketError::TooMany));
}

#[test]
fn malformed_packets_say_what_is_wrong() {
    let (three, five) = (Level::V311, Level::V5);
    let cases: [(Level, &[u8], PacketError); 23] = [
        (three, &[0x32, 5, 0, 1, b'a', 0, 0], PacketError::PacketId),
        (three, &[0x36, 5, 0, 1, b'a', 0, 1], PacketError::QoS),
        (three, &[0x38, 3, 0, 1, b'a'], PacketError::ReservedBits),
        (three, &[0x30, 2, 0, 0], PacketError::TopicName),
        (five, &[0x30, 3, 0, 0, 0], PacketError::TopicName),
        (three, &[0x41, 2, 0, 1], PacketError::ReservedBits),
        (three, &[0x60, 2, 0, 1], PacketError::ReservedBits),
        (three, &[0x40, 2, 0, 0], PacketError::PacketId),
        (three, &[0x40, 3, 0, 1, 0], PacketError::Trailing),
        (five, &[0x40, 3, 0, 1, 0x01], PacketError::ReasonCode(1)),
        (three, &[0x82, 2, 0, 1], PacketError::NoFilters),
        (three, &[0xA2, 2, 0, 1], PacketError::NoFilters),
        (three, &[0x82, 6, 0, 1, 0, 1, b'a', 3], PacketError::QoS),
        (three, &[0x82, 6, 0, 1, 0, 1, b'a', 4], PacketError::ReservedBits),
        (five, &[0x82, 7, 0, 1, 0, 0, 1, b'a', 0x40], PacketError::ReservedBits),
        (five, &[0x82, 7, 0, 1, 0, 0, 1, b'a', 0x30], PacketError::SubscriptionOptions),
        (five, b"\x82\x0f\0\x01\0\0\x09$share/ga\x04", PacketError::SubscriptionOptions),
        (five, b"\x10\x11\0\x04MQTT\x05\x02\0\0\x04\x16\0\x01x\0\0", PacketError::PropertyValue(0x16)),
        (three, &[0x82, 7, 0, 1, 0, 2, b'a', b'#', 0], PacketError::TopicFilter),
        (three, &[0xC0, 1, 0], PacketError::Trailing),
        (three, &[0xE0, 1, 0], PacketError::Trailing),
        (five, &[0xE0, 1, 0x8B], PacketError::ReasonCode(0x8B)),
        (three, &[0xF0, 0], PacketError::PacketType(15)),
    ];
    for (level, bytes, expected) in cases {
        assert_eq!(decode(level, bytes), Err(expected), "{bytes:x?}");
    }
    let padded = b"\x10\x8d\0\0\x04MQTT\x05\x02\0\0\0\0\0";
    assert_eq!(decode(three, padded), Err(PacketError::VariableInteger));
    for kind in [2, 9, 11, 13] {
        assert_eq!(decode(five, &[kind << 4, 0]), Err(PacketError::ServerOnly(kind)));
    }
}

#[test]
fn answers_have_the_bytes_of_the_specification() {
    let (three, five) = (Level::V311, Level::V5);
    let ok = |kind| Ack::new(kind, 10, Reason::Success);
    assert_eq!(encoded(|out| ok(AckKind::PubAck).encode(out, five)), &b"\x40\x02\0\x0a"[..]);
    assert_eq!(encoded(|out| ok(AckKind::PubRel).encode(out, three)), &b"\x62\x02\0\x0a"[..]);
    let failed = Ack::new(AckKind::PubAck, 10, Reason::QuotaExceeded);
    assert_eq!(encoded(|out| failed.encode(out, five)), &b"\x40\x03\0\x0a\x97"[..]);
    let words = failed.because("no");
    assert_eq!(encoded(|out| words.encode(out, five)), &b"\x40\x09\0\x0a\x97\x05\x1f\0\x02no"[..]);
    let connack = ConnAck { session_present: false, code: 0, properties: Properties::default() };
    assert_eq!(encoded(|out| connack.encode(out, three)), &b"\x20\x02\0\0"[..]);
    assert_eq!(encoded(|out| connack.encode(out, five)), &b"\x20\x03\0\0\0"[..]);
    let suback = SubAck { packet_id: 1, codes: vec![1, 0x80] };
    assert_eq!(encoded(|out| suback.encode(out, three)), &b"\x90\x04\0\x01\x01\x80"[..]);
    assert_eq!(encoded(|out| suback.encode(out, five)), &b"\x90\x05\0\x01\0\x01\x80"[..]);
    let unsuback = UnsubAck { packet_id: 1, codes: vec![0] };
    assert_eq!(encoded(|out| unsuback.encode(out, three)), &b"\xb0\x02\0\x01"[..]);
    assert_eq!(encoded(|out| unsuback.encode(out, five)), &b"\xb0\x04\0\x01\0\0"[..]);
    let bye = Disconnect::new(Reason::SessionTakenOver, None);
    assert_eq!(encoded(|out| bye.encode(out, five)), &b"\xe0\x02\x8e\0"[..]);
    assert_eq!(encoded(write_pingresp), &b"\xd0\0"[..]);
}
