//! What raw records become, on captured payloads and on bad ones.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::sync::Arc;

use bytes::Bytes;
use fleetwire_codec::Options;
use fleetwire_decoder::config::ClockSettings;
use fleetwire_decoder::interpret::{Interpretation, Interpreter, Output, RawRecord};
use fleetwire_model::pb::{DeadLetter, Device, DeviceStatus, FixType, PositionEvent, Quality, RawPublish};
use fleetwire_model::time::{from_unix_ms, to_unix_ms};
use fleetwire_registry::Devices;
use prost::Message as _;

const DEVICE: &str = "867035046242895";
const I00: &str = include_str!("../../codec/tests/fixtures/iotm/i00_field_position.hex");
const RECEIVED_MS: i64 = 1_609_307_512_500;
const NOW_MS: i64 = RECEIVED_MS + 40;

fn devices(status: DeviceStatus) -> Arc<Devices> {
    let devices = Devices::default();
    let device = Device {
        device_id: DEVICE.into(),
        model: "xirgo-fms500-light-iotm".into(),
        status: status.into(),
        ..Device::default()
    };
    devices.apply(DEVICE.as_bytes(), Some(&device.encode_to_vec())).unwrap();
    Arc::new(devices)
}

fn raw(payload: &[u8]) -> RawPublish {
    RawPublish {
        payload: Bytes::copy_from_slice(payload),
        topic: "BCE/D".into(),
        client_id: DEVICE.into(),
        device_id: DEVICE.into(),
        received_time: Some(from_unix_ms(RECEIVED_MS)),
        region: "eu".into(),
        ..RawPublish::default()
    }
}

fn interpret_with(devices: Arc<Devices>, value: &[u8]) -> Interpretation {
    let mut interpreter =
        Interpreter::new(devices, Options::default(), ClockSettings::default(), "0.1.0+test");
    let record = RawRecord { topic: "fleetwire.raw.v1", partition: 3, offset: 42, value };
    interpreter.interpret(record, NOW_MS)
}

fn interpret(raw: &RawPublish) -> Interpretation {
    interpret_with(devices(DeviceStatus::Active), &raw.encode_to_vec())
}

fn vector() -> Vec<u8> {
    let text: String = I00.lines().filter(|line| !line.starts_with('#')).collect();
    hex::decode(text.trim()).unwrap()
}

fn positions(outputs: &[Output]) -> Vec<&PositionEvent> {
    fn position(output: &Output) -> Option<&PositionEvent> {
        if let Output::Position(position) = output { Some(position) } else { None }
    }
    outputs.iter().filter_map(position).collect()
}

fn dead_letter(outputs: &[Output]) -> &DeadLetter {
    match outputs {
        [.., Output::DeadLetter(letter)] => letter,
        other => panic!("no dead letter in {other:?}"),
    }
}

#[test]
fn the_captured_payload_becomes_the_position_that_it_holds() {
    let result = interpret(&raw(&vector()));
    assert_eq!(result.key, DEVICE);
    assert_eq!(result.protocol, "iotm");
    assert_eq!(result.outputs.len(), 1);
    let position = positions(&result.outputs)[0];
    let fix = position.fix.as_ref().unwrap();
    assert!((fix.latitude - 25.162_023).abs() < 1e-6 && (fix.longitude - 55.402_519).abs() < 1e-6);
    assert_eq!((fix.speed_kmh, fix.heading_deg, fix.altitude_m), (Some(18.0), Some(238.0), Some(-2.0)));
    assert_eq!(fix.r#type(), FixType::Fix);
    assert_eq!(position.device_id, DEVICE);
    assert_eq!(position.model, "xirgo-fms500-light-iotm");
    assert_eq!(position.region, "eu");
    assert_eq!(position.decoder_version, "0.1.0+test");
    assert_eq!(to_unix_ms(position.device_time.as_ref().unwrap()), 1_609_307_511_000);
    assert_eq!(to_unix_ms(position.received_time.as_ref().unwrap()), RECEIVED_MS);
    assert_eq!(to_unix_ms(position.decoded_time.as_ref().unwrap()), NOW_MS);
    let place = position.raw_ref.as_ref().unwrap();
    assert_eq!((place.partition, place.offset, place.record_index, place.record_count), (3, 42, 0, 1));
    assert!(position.quality.is_empty());
}

#[test]
fn decoding_again_gives_the_same_ids_and_sending_again_the_same_dedup_key() {
    let first = interpret(&raw(&vector()));
    let again = interpret(&raw(&vector()));
    assert_eq!(first.outputs, again.outputs);

    let mut resent = raw(&vector());
    resent.received_time = Some(from_unix_ms(RECEIVED_MS + 60_000));
    let resent = interpret(&resent);
    let (first, resent) = (positions(&first.outputs)[0], positions(&resent.outputs)[0]);
    assert_ne!(first.event_id, resent.event_id);
    assert_eq!(first.dedup_key, resent.dedup_key);
}

#[test]
fn a_payload_of_another_device_never_becomes_a_position() {
    let mut foreign = raw(&vector());
    foreign.client_id = "865209039554705".into();
    foreign.device_id = "865209039554705".into();
    let devices = devices(DeviceStatus::Active);
    let other = Device {
        device_id: "865209039554705".into(),
        model: "xirgo-lx41".into(),
        status: DeviceStatus::Active.into(),
        ..Device::default()
    };
    devices.apply(b"865209039554705", Some(&other.encode_to_vec())).unwrap();
    let result = interpret_with(devices, &foreign.encode_to_vec());
    assert!(positions(&result.outputs).is_empty());
    let letter = dead_letter(&result.outputs);
    assert_eq!(letter.code, "identity_mismatch");
    assert!(letter.reason.contains(DEVICE) && letter.reason.contains("865209039554705"));
    assert_eq!(letter.raw.as_ref(), Some(&foreign));
}

#[test]
fn a_corrupt_payload_is_a_dead_letter_with_its_bytes_and_the_place() {
    let good = vector();
    let mut checksum = good.clone();
    *checksum.last_mut().unwrap() ^= 1;
    let mut version = good.clone();
    version[0] = 9;
    for (payload, code) in [
        (&good[..good.len() - 5], None),
        (&checksum, Some("checksum")),
        (&version, Some("version")),
        (&[][..], Some("truncated")),
    ] {
        let result = interpret(&raw(payload));
        assert!(positions(&result.outputs).is_empty());
        let letter = dead_letter(&result.outputs);
        if let Some(code) = code {
            assert_eq!(letter.code, code);
        }
        assert!(!letter.reason.is_empty());
        assert_eq!(letter.protocol, "iotm");
        assert_eq!(letter.raw.as_ref().unwrap().payload, payload);
        assert_eq!(letter.raw_ref.as_ref().unwrap().offset, 42);
    }
}

#[test]
fn what_is_not_activated_is_not_decoded() {
    let publish = raw(&vector());
    let unknown = interpret_with(Arc::new(Devices::default()), &publish.encode_to_vec());
    assert_eq!(dead_letter(&unknown.outputs).code, "not_activated");
    let disabled = interpret_with(devices(DeviceStatus::Disabled), &publish.encode_to_vec());
    assert_eq!(dead_letter(&disabled.outputs).code, "disabled");
    let mut nameless = publish;
    nameless.device_id.clear();
    let nameless = interpret(&nameless);
    assert_eq!(dead_letter(&nameless.outputs).code, "no_identity");
    assert_eq!(nameless.key, DEVICE);
}

#[test]
fn a_kafka_value_that_is_no_raw_publish_is_kept_as_it_was() {
    let result = interpret_with(devices(DeviceStatus::Active), b"\xff\xff\xff");
    let letter = dead_letter(&result.outputs);
    assert_eq!(letter.code, "raw_record");
    assert_eq!(&letter.raw_value[..], b"\xff\xff\xff");
    assert_eq!(letter.raw, None);
}

#[test]
fn a_payload_without_an_event_is_not_dropped() {
    // The IMEI record alone, with its checksum.
    let mut payload = vector()[..12].to_vec();
    payload.push(payload.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
    let result = interpret(&raw(&payload));
    assert_eq!(dead_letter(&result.outputs).code, "no_records");
}

#[test]
fn a_clock_that_cannot_be_right_is_flagged() {
    let mut publish = raw(&vector());
    for (received_ms, expected) in [
        (1_609_307_511_000 - 6 * 60_000, Some(Quality::ClockInFuture)),
        (1_609_307_511_000 - 4 * 60_000, None),
        (1_609_307_511_000 + 91 * 24 * 3_600_000, Some(Quality::ClockTooOld)),
    ] {
        publish.received_time = Some(from_unix_ms(received_ms));
        let result = interpret(&publish);
        assert_eq!(positions(&result.outputs)[0].quality().next(), expected);
    }
}
