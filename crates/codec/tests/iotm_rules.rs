//! Frames, records and fixes: rules that no capture shows.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what a test cannot go on without"
)]

#[allow(dead_code, reason = "each test takes what it needs")]
mod made;
#[allow(dead_code, reason = "each test takes what it needs")]
mod opened;

use fleetwire_codec::iotm::write::Payload;
use fleetwire_codec::iotm::{self, Gps, Options, Value};
use fleetwire_codec::{Body, DecodeError, Decoded, SkippedKind};
use fleetwire_model::DeviceId;
use fleetwire_model::pb::attribute_value::Value as Typed;
use fleetwire_model::pb::{FixType, Quality};
use made::{GPS, attribute, decoded, event};

#[test]
fn an_unknown_value_type_keeps_what_came_before_it_and_the_next_record() {
    let mut body = 1_700_000_000_u32.to_le_bytes().to_vec();
    body.extend([4, 0x41, 0x20, 77, 15, 0x01, 0x20, 1, 2, 3]);
    let payload = Payload::new().record(1, &body).unwrap().telemetry(1_700_000_060, &[]).unwrap().finish();
    let decoded = decoded(&payload, &Options::default()).unwrap();
    let [first, second] = decoded.records.as_slice() else { panic!("{decoded:?}") };
    let (Body::Position(first), Body::Position(second)) = (&first.body, &second.body) else { panic!() };
    assert_eq!(first.power.unwrap().battery_level_pct, Some(77.0));
    assert_eq!(first.quality().next().unwrap(), Quality::PartialRecord);
    let rest = Typed::BytesValue(vec![15, 0x01, 0x20, 1, 2, 3].into());
    assert_eq!(attribute(first, "undecoded"), Some(&rest));
    assert!(second.quality.is_empty());
}

#[test]
fn an_item_that_its_record_cuts_off_is_a_partial_record() {
    for cut in [&[6_u8, 0x00, 0x30, 1, 2][..], &[32, 0x00, 0xC0, 9, b'x'], &[64, 0x00, 0xC0, 9], &[4, 0]] {
        let body = [&1_u32.to_le_bytes(), cut].concat();
        let payload = Payload::new().record(1, &body).unwrap().finish();
        let decoded = decoded(&payload, &Options::default()).unwrap();
        let Body::Position(event) = &decoded.records[0].body else { panic!() };
        assert_eq!(event.quality().next().unwrap(), Quality::PartialRecord);
        assert_eq!(attribute(event, "undecoded"), Some(&Typed::BytesValue(cut.to_vec().into())));
    }
}

#[test]
fn what_is_wrong_with_a_payload_has_a_code_and_a_place() {
    let good = Payload::new().telemetry(1, &[(0x3000, Value::Unsigned(12_000))]).unwrap().finish();
    let last = good.len() - 1;
    let mut altered = good.clone();
    altered[9] ^= 1;
    let mut overlong = good.clone();
    overlong[2] += 1;
    let mut version = good.clone();
    version[0] = 3;
    let record = |kind, body: &[u8]| Payload::new().record(kind, body).unwrap().finish();
    let cases: [(&[u8], &str, usize); 10] = [
        (&[], "truncated", 0),
        (&[2], "truncated", 1),
        (&[2, 1, 0], "truncated", 3),
        (&version, "version", 0),
        (&altered, "checksum", last),
        (&overlong, "record_length", 1),
        (&good[..last], "record_length", 1),
        (&record(1, &[1, 2, 3]), "record_length", 1),
        (&record(3, &[1, 2, 3, 4, 5]), "record_length", 1),
        (&record(2, &[0xFF; 8]), "imei", 1),
    ];
    for (payload, code, offset) in cases {
        let error = decoded(payload, &Options::default()).unwrap_err();
        assert_eq!((error.code(), error.byte_offset()), (code, Some(offset)), "{payload:02x?}: {error}");
        assert!(DecodeError::CODES.contains(&error.code()));
    }
}

#[test]
fn a_wrong_checksum_is_accepted_and_marked_where_the_model_says_so() {
    let mut payload = Payload::new().telemetry(1, &[]).unwrap().event(2, 3, 4, "F").unwrap().finish();
    *payload.last_mut().unwrap() ^= 0x55;
    let options = Options { accept_bad_checksum: true, ..Options::default() };
    for record in decoded(&payload, &options).unwrap().records {
        let quality = match &record.body {
            Body::Position(event) => event.quality().next().unwrap(),
            Body::Event(event) => event.quality().next().unwrap(),
        };
        assert_eq!(quality, Quality::Checksum);
    }
}

#[test]
fn an_imei_record_names_the_device_of_the_records_after_it() {
    let payload = Payload::new()
        .telemetry(1, &[])
        .unwrap()
        .imei("867035046242895".parse().unwrap())
        .telemetry(2, &[])
        .unwrap()
        .imei("004999010640000".parse().unwrap())
        .event(3, 0, 0, "")
        .unwrap()
        .record(9, b"later")
        .unwrap()
        .finish();
    let decoded = decoded(&payload, &Options::default()).unwrap();
    let ids: Vec<_> =
        decoded.records.iter().map(|record| record.device_id.as_ref().map(DeviceId::as_str)).collect();
    assert_eq!(ids, [None, Some("867035046242895"), Some("004999010640000")]);
    let [skipped] = decoded.skipped.as_slice() else { panic!() };
    assert_eq!((skipped.kind, skipped.record_type), (SkippedKind::Unknown, 9));
    assert_eq!(&payload[skipped.span.clone()], b"\x09\x05\x00later");
}

#[test]
fn an_error_leaves_the_output_as_it_was() {
    let payload = Payload::new().telemetry(1, &[]).unwrap().record(2, &[0xFF; 8]).unwrap().finish();
    let mut out = Decoded::default();
    assert!(iotm::decode(&payload, &Options::default(), &mut out).is_err());
    assert_eq!(out, Decoded::default());
}

#[test]
fn the_gps_structure_goes_before_sensors_that_repeat_it() {
    let agreed =
        event(&[(0x2000, Value::Unsigned(60)), (0xD000, Value::Gps(GPS)), (0x300B, Value::Unsigned(90))]);
    assert!(agreed.attributes.is_empty());
    let other = event(&[(0xD000, Value::Gps(GPS)), (0x2000, Value::Unsigned(61)), (0x2001, Value::Zero)]);
    assert_eq!(other.fix.unwrap().speed_kmh, Some(60.0));
    assert_eq!(attribute(&other, "io_0x2000"), Some(&Typed::UintValue(61)));
    assert_eq!(attribute(&other, "io_0x2001"), Some(&Typed::UintValue(0)));
}

#[test]
fn without_a_gps_structure_there_is_no_position() {
    let alone =
        event(&[(0x2000, Value::Unsigned(61)), (0x300B, Value::Unsigned(180)), (0x2001, Value::Zero)]);
    let fix = alone.fix.unwrap();
    assert_eq!(fix.r#type(), FixType::NoFix);
    assert_eq!((fix.speed_kmh, fix.heading_deg, fix.satellites), (Some(61.0), Some(180.0), Some(0)));
    assert!(event(&[(0x3000, Value::Zero)]).fix.is_none());
}

#[test]
fn coordinates_that_are_none_are_flagged_and_their_bytes_kept() {
    let lost = event(&[(0xD000, Value::Gps(Gps { latitude: f32::NAN, ..GPS }))]);
    assert_eq!(lost.quality().next().unwrap(), Quality::CoordinatesOutOfRange);
    assert_eq!(lost.fix.unwrap().r#type(), FixType::NoFix);
    assert!(matches!(attribute(&lost, "io_0xD000"), Some(Typed::BytesValue(raw)) if raw.len() == 16));
}

#[test]
fn a_buffer_that_is_used_again_holds_nothing_of_before() {
    let full = [
        (0x0010, Value::Bool(true)),
        (0x5000, Value::Unsigned(7)),
        (0x2005, Value::Unsigned(60)),
        (0xD000, Value::Gps(GPS)),
    ];
    let full = Payload::new().telemetry(1, &full).unwrap().finish();
    let empty = Payload::new().telemetry(2, &[]).unwrap().finish();
    let mut out = Decoded::default();
    iotm::decode(&full, &Options::default(), &mut out).unwrap();
    out.clear();
    assert_eq!(out, Decoded::default());
    iotm::decode(&empty, &Options::default(), &mut out).unwrap();
    assert_eq!(opened::open(&out), decoded(&empty, &Options::default()).unwrap());
}
