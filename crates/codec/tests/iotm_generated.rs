//! Generated payloads: no bytes panic, mutations of captures stay bounded, and what is written is read.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what a test cannot go on without"
)]

mod opened;
#[expect(dead_code, reason = "each test takes what it needs")]
mod vectors;

use fleetwire_codec::iotm::write::Payload;
use fleetwire_codec::iotm::{self, Gps, Options, Profile, Value};
use fleetwire_codec::{Body, DecodeError, Decoded};
use fleetwire_model::pb::PositionEvent;
use fleetwire_model::pb::attribute_value::Value as Typed;
use fleetwire_model::{DeviceId, Imei};
use proptest::prelude::*;

/// Decodes with every setting that changes the path, and checks what holds for any input.
fn check(payload: &[u8]) -> Result<(), TestCaseError> {
    let lenient = Options { accept_bad_checksum: true, profile: Profile::J1939, ..Options::default() };
    for options in [Options::default(), lenient] {
        let mut out = Decoded::default();
        match iotm::decode(payload, &options, &mut out) {
            Ok(()) => bounded(payload, &out)?,
            Err(error) => {
                prop_assert!(DecodeError::CODES.contains(&error.code()));
                prop_assert!(error.byte_offset().is_none_or(|offset| offset <= payload.len()));
                prop_assert_eq!(out, Decoded::default());
            }
        }
    }
    Ok(())
}

/// Records do not overlap, and hold no more than their bytes allow.
fn bounded(payload: &[u8], out: &Decoded) -> Result<(), TestCaseError> {
    let mut end = 1;
    for record in &opened::open(out).records {
        prop_assert!(record.span.start >= end && record.span.end < payload.len());
        end = record.span.end;
        if let Body::Position(event) = &record.body {
            // An item is 3 bytes at least; two attributes more come from the record as a whole.
            prop_assert!(event.attributes.len() <= record.span.len() / 3 * 2 + 2);
            finite(event)?;
        }
    }
    Ok(())
}

fn finite(event: &PositionEvent) -> Result<(), TestCaseError> {
    if let Some(fix) = &event.fix {
        prop_assert!(fix.latitude.abs() <= 90.0 && fix.longitude.abs() <= 180.0);
        prop_assert!(fix.heading_deg.is_none_or(|heading| (0.0..=360.0).contains(&heading)));
    }
    prop_assert!(event.odometer_m.is_none_or(|metres| metres.is_finite() && metres >= 0.0));
    for attribute in event.attributes.values() {
        if let Some(Typed::DoubleValue(number)) = attribute.value {
            prop_assert!(number.is_finite());
        }
    }
    Ok(())
}

fn capture() -> impl Strategy<Value = Vec<u8>> {
    let payloads: Vec<_> =
        vectors::all().iter().map(|vector| hex::decode(vector["hex"].as_str().unwrap()).unwrap()).collect();
    prop::sample::select(payloads)
}

/// The same payload with the checksum that its bytes ask for.
fn resealed(mut payload: Vec<u8>) -> Vec<u8> {
    if let Some((last, content)) = payload.split_last_mut() {
        *last = content.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    }
    payload
}

#[derive(Debug, Clone)]
enum Item {
    Bool(bool),
    Null,
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Item {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Bool(on) => Value::Bool(*on),
            Self::Null => Value::Null,
            Self::Unsigned(number) => Value::Unsigned(*number),
            Self::Signed(number) => Value::Signed(*number),
            Self::Float(number) => Value::Float64(*number),
            Self::Text(text) => Value::Text(text.as_bytes()),
            Self::Bytes(raw) => Value::Bytes(raw),
        }
    }

    fn attribute(&self) -> Option<Typed> {
        Some(match self {
            Self::Bool(on) => Typed::BoolValue(*on),
            Self::Null => return None,
            Self::Unsigned(number) => Typed::UintValue(*number),
            // A zero has no type, and this sensor's class is unsigned.
            Self::Signed(0) => Typed::UintValue(0),
            Self::Float(number) if number.to_bits() == 0 => Typed::UintValue(0),
            Self::Signed(number) => Typed::IntValue(*number),
            Self::Float(number) => Typed::DoubleValue(*number),
            Self::Text(text) => Typed::StringValue(text.clone()),
            Self::Bytes(raw) => Typed::BytesValue(raw.clone().into()),
        })
    }
}

fn item() -> impl Strategy<Value = Item> {
    let narrow = (any::<u64>(), 0_u32..64).prop_map(|(number, shift)| number >> shift);
    let signed = (any::<i64>(), 0_u32..64).prop_map(|(number, shift)| number >> shift);
    prop_oneof![
        any::<bool>().prop_map(Item::Bool),
        Just(Item::Null),
        narrow.prop_map(Item::Unsigned),
        signed.prop_map(Item::Signed),
        prop::num::f64::NORMAL.prop_map(Item::Float),
        ".{0,300}".prop_map(Item::Text),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Item::Bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_bytes_panic(payload in prop::collection::vec(any::<u8>(), 0..600)) {
        check(&payload)?;
    }

    #[test]
    fn no_telemetry_panics(body in prop::collection::vec(any::<u8>(), 0..600), kind in 0_u8..6) {
        check(&Payload::new().record(kind, &body).unwrap().finish())?;
    }

    #[test]
    fn a_mutated_capture_is_an_error_or_bounded(
        payload in capture(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        seal in any::<bool>(),
    ) {
        let mut payload = payload;
        for (index, byte) in changes {
            let length = payload.len();
            payload[index.index(length)] = byte;
        }
        check(&payload)?;
        let payload = if seal { resealed(payload) } else { payload };
        check(&payload)?;
        check(&payload[..cut.index(payload.len())])?;
    }

    #[test]
    fn one_changed_byte_never_passes_for_another_payload(
        payload in capture(),
        index in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut payload = payload;
        let length = payload.len();
        payload[index.index(length)] ^= flip;
        let mut out = Decoded::default();
        prop_assert!(iotm::decode(&payload, &Options::default(), &mut out).is_err());
    }

    #[test]
    fn what_is_written_is_read(
        time in any::<u32>(),
        imei in 0..=999_999_999_999_999_u64,
        items in prop::collection::vec(item(), 0..20),
        codes in any::<(u8, u8)>(),
        firmware in "[ -~]{0,20}",
    ) {
        let imei = Imei::from_number(imei).unwrap();
        // Ids of no known sensor, in a class whose zeros are unsigned.
        let listed: Vec<_> = (0x2F00..).zip(items.iter().map(Item::value)).collect();
        let payload = Payload::new()
            .imei(imei)
            .telemetry(time, &listed).unwrap()
            .event(time, codes.0, codes.1, &firmware).unwrap()
            .finish();
        let decoded = vectors::decode(&payload, &Options::default());
        prop_assert_eq!(decoded.records.len(), 2);
        prop_assert!(decoded.records.iter().all(|record| record.device_id == Some(DeviceId::from(imei))));
        let (Body::Position(position), Body::Event(event)) = (&decoded.records[0].body, &decoded.records[1].body)
        else { panic!("{decoded:?}") };
        prop_assert_eq!(position.device_time.unwrap().seconds, i64::from(time));
        prop_assert_eq!(position.attributes.len(), items.len());
        for (id, item) in (0x2F00..).zip(&items) {
            prop_assert_eq!(&position.attributes[&format!("io_{id:#06X}")].value, &item.attribute());
        }
        prop_assert_eq!((event.function, event.code), (Some(codes.0.into()), Some(codes.1.into())));
        prop_assert_eq!(&event.text, &firmware);
    }

    #[test]
    fn a_written_fix_is_read(
        latitude in -90_f32..=90.0, longitude in -180_f32..=180.0, speed_kmh in any::<u16>(),
        hdop_tenths in 1_u8..255, satellites in any::<u8>(), course_deg in 0_u16..=360, altitude_m in any::<i16>(),
    ) {
        let gps = Gps { latitude, longitude, speed_kmh, hdop_tenths, satellites, course_deg, altitude_m };
        prop_assume!(latitude != 0.0 || longitude != 0.0);
        let payload = Payload::new().telemetry(1, &[(0xD000, Value::Gps(gps))]).unwrap().finish();
        let decoded = vectors::decode(&payload, &Options::default());
        let Body::Position(event) = &decoded.records[0].body else { panic!("{decoded:?}") };
        let fix = event.fix.unwrap();
        prop_assert_eq!((fix.latitude, fix.longitude), (latitude.into(), longitude.into()));
        prop_assert_eq!(fix.speed_kmh, Some(speed_kmh.into()));
        prop_assert_eq!(fix.heading_deg, Some(course_deg.into()));
        prop_assert_eq!((fix.altitude_m, fix.satellites), (Some(altitude_m.into()), Some(satellites.into())));
        prop_assert_eq!(fix.hdop, Some(f64::from(hdop_tenths) / 10.0));
    }
}
