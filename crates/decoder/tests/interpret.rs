//! What raw records become, on captured payloads and on bad ones.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fleetwire_codec::iotm::write::Payload;
use fleetwire_decoder::config::{ClockSettings, ForeignRule};
use fleetwire_decoder::interpret::{Interpreter, OutputKind, RawRecord};
use fleetwire_model::pb::{DeadLetter, Device, DeviceEvent, DeviceStatus, FixType};
use fleetwire_model::pb::{PositionEvent, Quality, RawPublish, RawRef};
use fleetwire_model::time::{from_unix_ms, to_unix_ms};
use fleetwire_registry::{Catalogue, CodecSettings, Devices, ModelSettings};
use prost::Message as _;

const DEVICE: &str = "867035046242895";
const I00: &str = include_str!("../../codec/tests/fixtures/iotm/i00_field_position.hex");
const TOPIC: &str = "fleetwire.raw.v1";
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
        host: "mqtt.eu.example.com".into(),
        ..RawPublish::default()
    }
}

/// What one raw record became, opened.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    keys: Vec<String>,
    protocol: &'static str,
    positions: Vec<PositionEvent>,
    events: Vec<DeviceEvent>,
    letters: Vec<DeadLetter>,
}

fn interpret_with(devices: Arc<Devices>, value: &[u8]) -> Seen {
    let catalogue = devices.catalogue();
    let mut interpreter = Interpreter::new(devices, catalogue, ClockSettings::default(), "0.1.0+test");
    let record = RawRecord { topic: TOPIC, partition: 3, offset: 42, key: DEVICE.as_bytes(), value };
    // A buffer that is used again holds nothing of before.
    interpreter.interpret(RawRecord { value: b"other", ..record }, 0);
    let result = interpreter.interpret(record, NOW_MS);
    let mut seen = Seen { protocol: result.protocol, ..Seen::default() };
    for output in result.outputs() {
        seen.keys.push(String::from_utf8(output.key.to_vec()).unwrap());
        match output.kind {
            OutputKind::Position => {
                let position = PositionEvent::decode(output.value).unwrap();
                assert_eq!(output.dedup_key.unwrap()[..], position.dedup_key[..]);
                seen.positions.push(position);
            }
            OutputKind::Event => seen.events.push(DeviceEvent::decode(output.value).unwrap()),
            OutputKind::DeadLetter => {
                let letter = DeadLetter::decode(output.value).unwrap();
                assert_eq!(output.code, Some(letter.code.as_str()));
                seen.letters.push(letter);
            }
        }
    }
    seen
}

fn interpret(raw: &RawPublish) -> Seen {
    interpret_with(devices(DeviceStatus::Active), &raw.encode_to_vec())
}

fn vector() -> Vec<u8> {
    let text: String = I00.lines().filter(|line| !line.starts_with('#')).collect();
    hex::decode(text.trim()).unwrap()
}

/// The one dead letter, which is all that there is.
fn dead_letter(seen: &Seen) -> &DeadLetter {
    match seen.letters.as_slice() {
        [letter] if seen.positions.is_empty() && seen.events.is_empty() => letter,
        _ => panic!("not one dead letter: {seen:?}"),
    }
}

#[test]
fn the_captured_payload_becomes_the_position_that_it_holds() {
    let result = interpret(&raw(&vector()));
    assert_eq!(result.keys, [DEVICE]);
    assert_eq!(result.protocol, "iotm");
    let [position] = result.positions.as_slice() else { panic!("{result:?}") };
    let fix = position.fix.as_ref().unwrap();
    assert!((fix.latitude - 25.162_023).abs() < 1e-6 && (fix.longitude - 55.402_519).abs() < 1e-6);
    assert_eq!((fix.speed_kmh, fix.heading_deg, fix.altitude_m), (Some(18.0), Some(238.0), Some(-2.0)));
    assert_eq!(fix.r#type(), FixType::Fix);
    assert_eq!(position.device_id, DEVICE);
    assert_eq!(position.model, "xirgo-fms500-light-iotm");
    assert_eq!((position.region.as_str(), position.host.as_str()), ("eu", "mqtt.eu.example.com"));
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
    assert_eq!(first, again);

    let mut resent = raw(&vector());
    resent.received_time = Some(from_unix_ms(RECEIVED_MS + 60_000));
    let resent = interpret(&resent);
    let (first, resent) = (&first.positions[0], &resent.positions[0]);
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
    let letter = dead_letter(&result);
    assert_eq!(letter.code, "identity_mismatch");
    assert!(letter.reason.contains(DEVICE) && letter.reason.contains("865209039554705"));
    assert_eq!(letter.raw.as_ref(), Some(&foreign));
}

#[test]
fn a_record_of_another_device_can_be_taken_for_the_sessions_own_and_is_flagged() {
    let mut foreign = raw(&vector());
    foreign.device_id = "865209039554705".into();
    let devices = devices(DeviceStatus::Active);
    let other = Device {
        device_id: "865209039554705".into(),
        model: "xirgo-lx41".into(),
        status: DeviceStatus::Active.into(),
        ..Device::default()
    };
    devices.apply(b"865209039554705", Some(&other.encode_to_vec())).unwrap();
    let catalogue = devices.catalogue();
    let mut interpreter = Interpreter::new(devices, catalogue, ClockSettings::default(), "test")
        .with_foreign(ForeignRule::Flag);
    let value = foreign.encode_to_vec();
    let record = RawRecord { topic: TOPIC, partition: 3, offset: 42, key: b"865209039554705", value: &value };
    let result = interpreter.interpret(record, NOW_MS);
    let output = result.outputs().next().unwrap();
    let position = PositionEvent::decode(output.value).unwrap();
    assert_eq!((position.device_id.as_str(), result.outputs().len()), ("865209039554705", 1));
    assert!(position.quality().any(|flag| flag == Quality::IdentityMismatch));
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
        let letter = dead_letter(&result);
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
    assert_eq!(dead_letter(&unknown).code, "not_activated");
    let disabled = interpret_with(devices(DeviceStatus::Disabled), &publish.encode_to_vec());
    assert_eq!(dead_letter(&disabled).code, "disabled");
    let mut nameless = publish;
    nameless.device_id.clear();
    let nameless = interpret(&nameless);
    assert_eq!(dead_letter(&nameless).code, "no_identity");
    assert_eq!(nameless.keys, [DEVICE]);
}

#[test]
fn a_kafka_value_that_is_no_raw_publish_is_kept_as_it_was() {
    let result = interpret_with(devices(DeviceStatus::Active), b"\xff\xff\xff");
    let letter = dead_letter(&result);
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
    assert_eq!(dead_letter(&result).code, "no_records");
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
        assert_eq!(result.positions[0].quality().next(), expected);
    }
}

/// A session of many devices: the payload names each of them.
fn relayed(payload: &[u8]) -> RawPublish {
    RawPublish {
        client_id: "cloud".into(),
        account: "cloud".into(),
        device_id: String::new(),
        ..raw(payload)
    }
}

fn relayed_devices(models: &str, registered: &[(&str, &str)]) -> Arc<Devices> {
    let models: BTreeMap<String, ModelSettings> = toml::from_str(models).unwrap();
    let devices = Devices::new(Catalogue::load(&models, &CodecSettings::default(), Path::new("")).unwrap());
    for (id, model) in registered {
        let device = Device {
            device_id: (*id).into(),
            model: (*model).into(),
            status: DeviceStatus::Active.into(),
            ..Device::default()
        };
        devices.apply(id.as_bytes(), Some(&device.encode_to_vec())).unwrap();
    }
    Arc::new(devices)
}

const CLOUD: &str = "[cloud-box]\naccount = 'cloud'\nprotocol = 'iotm'";

#[test]
fn a_session_of_many_devices_speaks_for_those_of_its_account() {
    let devices = relayed_devices(CLOUD, &[(DEVICE, "cloud-box")]);
    let seen = interpret_with(devices, &relayed(&vector()).encode_to_vec());
    assert_eq!((seen.positions.len(), seen.letters.len()), (1, 0));
    assert_eq!(seen.keys, [DEVICE]);
    assert_eq!(
        (seen.positions[0].device_id.as_str(), seen.positions[0].model.as_str()),
        (DEVICE, "cloud-box")
    );
}

#[test]
fn a_session_of_many_devices_speaks_for_no_others() {
    let publish = relayed(&vector()).encode_to_vec();
    let foreign = relayed_devices(CLOUD, &[(DEVICE, "xirgo-lx41")]);
    assert_eq!(dead_letter(&interpret_with(foreign, &publish)).code, "identity_mismatch");
    let unknown = relayed_devices(CLOUD, &[]);
    assert_eq!(dead_letter(&interpret_with(unknown, &publish)).code, "not_activated");
    let nobody = Payload::new().telemetry(1, &[]).unwrap().telemetry(2, &[]).unwrap().finish();
    let seen = interpret_with(relayed_devices(CLOUD, &[]), &relayed(&nobody).encode_to_vec());
    assert_eq!(dead_letter(&seen).code, "no_identity");
    assert!(dead_letter(&seen).reason.contains("1 more"), "{}", dead_letter(&seen).reason);
}

#[test]
fn an_account_whose_models_are_read_differently_is_not_guessed() {
    let models =
        format!("{CLOUD}\n[other-box]\naccount = 'cloud'\nprotocol = 'iotm'\niotm = {{ profile = 'j1939' }}");
    let devices = relayed_devices(&models, &[(DEVICE, "cloud-box")]);
    let seen = interpret_with(devices, &relayed(&vector()).encode_to_vec());
    assert_eq!(dead_letter(&seen).code, "no_identity");
}

/// The messages are written by hand: this is what their types would have written.
#[test]
fn events_and_dead_letters_are_the_contracts_messages() {
    let payload = Payload::new()
        .imei(DEVICE.parse().unwrap())
        .event(1_609_307_511, 100, 51, "FT2P")
        .unwrap()
        .imei("865209039554705".parse().unwrap())
        .telemetry(1, &[])
        .unwrap()
        .finish();
    let publish = raw(&payload);
    let seen = interpret_with(devices(DeviceStatus::Active), &publish.encode_to_vec());
    let place = |record_index, record_count| {
        Some(RawRef { topic: TOPIC.into(), partition: 3, offset: 42, record_index, record_count })
    };
    let event = DeviceEvent {
        device_id: DEVICE.into(),
        model: "xirgo-fms500-light-iotm".into(),
        protocol: "iotm".into(),
        device_time: Some(from_unix_ms(1_609_307_511_000)),
        received_time: Some(from_unix_ms(RECEIVED_MS)),
        function: Some(100),
        code: Some(51),
        text: "FT2P".into(),
        raw_ref: place(0, 2),
        decoded_time: Some(from_unix_ms(NOW_MS)),
        decoder_version: "0.1.0+test".into(),
        region: "eu".into(),
        host: "mqtt.eu.example.com".into(),
        ..DeviceEvent::default()
    };
    let [found] = seen.events.as_slice() else { panic!("{seen:?}") };
    assert_eq!((found.event_id.len(), found.dedup_key.len()), (32, 16));
    let ids = (event.event_id.clone(), event.dedup_key.clone());
    let found = DeviceEvent { event_id: ids.0, dedup_key: ids.1, ..found.clone() };
    assert_eq!(found, event);
    let letter = DeadLetter {
        raw: Some(publish),
        raw_ref: place(0, 0),
        model: "xirgo-fms500-light-iotm".into(),
        protocol: "iotm".into(),
        code: "identity_mismatch".into(),
        reason: format!("the session is {DEVICE}, the payload says 865209039554705"),
        byte_offset: Some(36),
        rejected_time: Some(from_unix_ms(NOW_MS)),
        decoder_version: "0.1.0+test".into(),
        raw_value: Bytes::new(),
    };
    assert_eq!(seen.letters, [letter]);
}
