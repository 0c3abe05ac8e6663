//! Rules of the decoder that no capture shows, on payloads made for them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what a test cannot go on without"
)]

use fleetwire_codec::iotm::write::Payload;
use fleetwire_codec::iotm::{Gps, Value};
use fleetwire_codec::{Body, DecodeError, Decoded, Options, Protocol, SkippedKind};
use fleetwire_model::DeviceId;
use fleetwire_model::pb::attribute_value::Value as Typed;
use fleetwire_model::pb::{FixType, OdometerSource, PositionEvent, Quality};

const GPS: Gps = Gps {
    latitude: 54.5,
    longitude: 24.25,
    speed_kmh: 60,
    hdop_tenths: 8,
    satellites: 9,
    course_deg: 90,
    altitude_m: 120,
};

fn decoded(payload: &[u8], options: &Options) -> Result<Decoded, DecodeError> {
    let mut out = Decoded::default();
    Protocol::Iotm.decode(payload, options, &mut out).map(|()| out)
}

/// The event of one telemetry record.
fn event_with(options: &str, items: &[(u16, Value<'_>)]) -> PositionEvent {
    let payload = Payload::new().telemetry(1_700_000_000, items).unwrap().finish();
    let decoded = decoded(&payload, &toml::from_str(options).unwrap()).unwrap();
    match &decoded.records[0].body {
        Body::Position(event) => (**event).clone(),
        Body::Event(_) => panic!("an event"),
    }
}

fn event(items: &[(u16, Value<'_>)]) -> PositionEvent {
    event_with("", items)
}

fn attribute<'a>(event: &'a PositionEvent, name: &str) -> Option<&'a Typed> {
    event.attributes.get(name)?.value.as_ref()
}

#[test]
fn an_unknown_value_type_keeps_what_came_before_it_and_the_next_record() {
    let mut body = 1_700_000_000_u32.to_le_bytes().to_vec();
    body.extend([4, 0x41, 0x20, 77, 15, 0x01, 0x20, 1, 2, 3]);
    let payload = Payload::new()
        .record(1, &body)
        .unwrap()
        .telemetry(1_700_000_060, &[])
        .unwrap()
        .finish();
    let decoded = decoded(&payload, &Options::default()).unwrap();
    let [first, second] = decoded.records.as_slice() else {
        panic!("{decoded:?}")
    };
    let (Body::Position(first), Body::Position(second)) = (&first.body, &second.body) else {
        panic!()
    };
    assert_eq!(first.power.unwrap().battery_level_pct, Some(77.0));
    assert_eq!(first.quality().next().unwrap(), Quality::PartialRecord);
    let rest = Typed::BytesValue(vec![15, 0x01, 0x20, 1, 2, 3].into());
    assert_eq!(attribute(first, "undecoded"), Some(&rest));
    assert!(second.quality.is_empty());
}

#[test]
fn an_item_that_its_record_cuts_off_is_a_partial_record() {
    for cut in [
        &[6_u8, 0x00, 0x30, 1, 2][..],
        &[32, 0x00, 0xC0, 9, b'x'],
        &[64, 0x00, 0xC0, 9],
        &[4, 0],
    ] {
        let body = [&1_u32.to_le_bytes(), cut].concat();
        let payload = Payload::new().record(1, &body).unwrap().finish();
        let decoded = decoded(&payload, &Options::default()).unwrap();
        let Body::Position(event) = &decoded.records[0].body else {
            panic!()
        };
        assert_eq!(event.quality().next().unwrap(), Quality::PartialRecord);
        assert_eq!(
            attribute(event, "undecoded"),
            Some(&Typed::BytesValue(cut.to_vec().into()))
        );
    }
}

#[test]
fn what_is_wrong_with_a_payload_has_a_code_and_a_place() {
    let good = Payload::new()
        .telemetry(1, &[(0x3000, Value::Unsigned(12_000))])
        .unwrap()
        .finish();
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
        assert_eq!(
            (error.code(), error.byte_offset()),
            (code, Some(offset)),
            "{payload:02x?}: {error}"
        );
        assert!(DecodeError::CODES.contains(&error.code()));
    }
}

#[test]
fn a_wrong_checksum_is_accepted_and_marked_where_the_model_says_so() {
    let mut payload = Payload::new()
        .telemetry(1, &[])
        .unwrap()
        .event(2, 3, 4, "F")
        .unwrap()
        .finish();
    *payload.last_mut().unwrap() ^= 0x55;
    let options = Options {
        accept_bad_checksum: true,
        ..Options::default()
    };
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
    let ids: Vec<_> = decoded
        .records
        .iter()
        .map(|record| record.device_id.as_ref().map(DeviceId::as_str))
        .collect();
    assert_eq!(ids, [None, Some("867035046242895"), Some("004999010640000")]);
    let [skipped] = decoded.skipped.as_slice() else {
        panic!()
    };
    assert_eq!((skipped.kind, skipped.record_type), (SkippedKind::Unknown, 9));
    assert_eq!(&payload[skipped.span.clone()], b"\x09\x05\x00later");
}

#[test]
fn an_error_leaves_the_output_as_it_was() {
    let payload = Payload::new()
        .telemetry(1, &[])
        .unwrap()
        .record(2, &[0xFF; 8])
        .unwrap()
        .finish();
    let mut out = Decoded::default();
    assert!(
        Protocol::Iotm
            .decode(&payload, &Options::default(), &mut out)
            .is_err()
    );
    assert_eq!(out, Decoded::default());
}

#[test]
fn ignition_is_the_signal_or_the_wired_input() {
    let on = |signal, wired| event(&[(0x006D, Value::Bool(signal)), (0x0013, Value::Bool(wired))]).ignition;
    assert_eq!(on(true, false), Some(true));
    assert_eq!(on(false, true), Some(true));
    assert_eq!(on(false, false), Some(false));
    assert_eq!(event(&[(0x0013, Value::Bool(true))]).ignition, Some(true));
    assert_eq!(event(&[(0x006D, Value::Bool(false))]).ignition, Some(false));
    assert_eq!(event(&[]).ignition, None);
}

#[test]
fn ignition_sources_are_a_setting() {
    let items = [(0x006D, Value::Bool(true)), (0x0012, Value::Bool(false))];
    let first = "ignition_sources = ['0x0012', '0x006D']\nignition_rule = 'first_reported'";
    let event_first = event_with(first, &items);
    assert_eq!(event_first.ignition, Some(false));
    assert_eq!(
        attribute(&event_first, "ignition_signal"),
        Some(&Typed::BoolValue(true))
    );
    let only = event_with("ignition_sources = ['0x0012']", &items);
    assert_eq!(only.ignition, Some(false));
}

#[test]
fn the_gps_structure_goes_before_sensors_that_repeat_it() {
    let agreed = event(&[
        (0x2000, Value::Unsigned(60)),
        (0xD000, Value::Gps(GPS)),
        (0x300B, Value::Unsigned(90)),
    ]);
    assert!(agreed.attributes.is_empty());
    let other = event(&[
        (0xD000, Value::Gps(GPS)),
        (0x2000, Value::Unsigned(61)),
        (0x2001, Value::Zero),
    ]);
    assert_eq!(other.fix.unwrap().speed_kmh, Some(60.0));
    assert_eq!(attribute(&other, "io_0x2000"), Some(&Typed::UintValue(61)));
    assert_eq!(attribute(&other, "io_0x2001"), Some(&Typed::UintValue(0)));
}

#[test]
fn without_a_gps_structure_there_is_no_position() {
    let alone = event(&[
        (0x2000, Value::Unsigned(61)),
        (0x300B, Value::Unsigned(180)),
        (0x2001, Value::Zero),
    ]);
    let fix = alone.fix.unwrap();
    assert_eq!(fix.r#type(), FixType::NoFix);
    assert_eq!(
        (fix.speed_kmh, fix.heading_deg, fix.satellites),
        (Some(61.0), Some(180.0), Some(0))
    );
    assert!(event(&[(0x3000, Value::Zero)]).fix.is_none());
}

#[test]
fn coordinates_that_are_none_are_flagged_and_their_bytes_kept() {
    let lost = event(&[(
        0xD000,
        Value::Gps(Gps {
            latitude: f32::NAN,
            ..GPS
        }),
    )]);
    assert_eq!(lost.quality().next().unwrap(), Quality::CoordinatesOutOfRange);
    assert_eq!(lost.fix.unwrap().r#type(), FixType::NoFix);
    assert!(matches!(attribute(&lost, "io_0xD000"), Some(Typed::BytesValue(raw)) if raw.len() == 16));
}

#[test]
fn the_vehicles_odometer_goes_before_the_devices() {
    let both = event(&[(0x4003, Value::Unsigned(200)), (0xB002, Value::Float64(17.5))]);
    assert_eq!(
        (both.odometer_m, both.odometer_source()),
        (Some(1000.0), OdometerSource::Vehicle)
    );
    assert_eq!(attribute(&both, "distance_m"), Some(&Typed::DoubleValue(17.5)));
    let no_bus = event(&[(0x4003, Value::Zero), (0xB002, Value::Float64(17.5))]);
    assert_eq!(
        (no_bus.odometer_m, no_bus.odometer_source()),
        (Some(17.5), OdometerSource::Device)
    );
    assert_eq!(attribute(&no_bus, "io_0x4003"), Some(&Typed::UintValue(0)));
}

#[test]
fn scales_are_a_setting_and_keep_the_raw_number() {
    let items = [
        (0x2007, Value::Unsigned(100)),
        (0x2008, Value::Zero),
        (0x300C, Value::Unsigned(8000)),
    ];
    let raw = event(&items);
    assert!(raw.fuel.is_none() && raw.engine.is_none());
    assert_eq!(attribute(&raw, "io_0x2007"), Some(&Typed::UintValue(100)));

    let j1939 = event_with("profile = 'j1939'", &items);
    assert_eq!(j1939.fuel.unwrap().level_pct, Some(40.0));
    assert_eq!(
        (j1939.engine.unwrap().coolant_c, j1939.engine.unwrap().speed_rpm),
        (Some(-40.0), Some(1000.0))
    );
    assert_eq!(attribute(&j1939, "io_0x2007"), Some(&Typed::UintValue(100)));

    let own = "profile = 'j1939'\n[scales]\n0x2007 = { to = 'fuel.level_pct' }\n0x4063 = { to = 'axle_kg', scale = 2, offset = 1 }";
    let own = event_with(
        own,
        &[(0x2007, Value::Unsigned(101)), (0x4063, Value::Unsigned(7))],
    );
    assert!(own.fuel.is_none(), "101 % is no level");
    assert_eq!(attribute(&own, "io_0x2007"), Some(&Typed::UintValue(101)));
    assert_eq!(attribute(&own, "axle_kg"), Some(&Typed::DoubleValue(15.0)));
}

#[test]
fn a_setting_that_is_none_is_refused_with_what_would_be_one() {
    for (text, hint) in [
        ("profle = 'j1939'", "profile"),
        ("profile = 'obd'", "j1939"),
        ("[scales]\n0x207 = { to = 'x' }", "4 hexadecimal digits"),
        ("[scales]\n0x2007 = { to = 'fuel.lvl' }", "fuel.level_pct"),
        ("[scales]\n0x2007 = { to = 'x', factor = 2 }", "scale"),
        ("no_fix_rule = 'always'", "zero_satellites"),
    ] {
        let error = toml::from_str::<Options>(text).unwrap_err().to_string();
        assert!(error.contains(hint), "{error}");
    }
}

#[test]
fn every_type_of_value_is_kept() {
    let long = vec![b'x'; 300];
    let kept = event(&[
        (0x2FFF, Value::Unsigned(u64::MAX)),
        (0x7FFF, Value::Signed(i64::MIN)),
        (0x6FFF, Value::Zero),
        (0xAFFF, Value::Float32(1.5)),
        (0xAFFE, Value::Float32(f32::NAN)),
        (0xBFFF, Value::Float64(f64::INFINITY)),
        (0xCFFF, Value::Text(b"caf\xe9")),
        (0xCFFE, Value::Text(&long)),
        (0xCFFD, Value::Bytes(&[1, 2])),
        (0x0FFF, Value::Null),
        (0x3000, Value::Null),
        (0xA017, Value::Float32(f32::NAN)),
        (0x5000, Value::Zero),
        (0x2041, Value::Unsigned(255)),
    ]);
    let at = |name: &str| attribute(&kept, name).cloned();
    assert_eq!(at("io_0x2FFF"), Some(Typed::UintValue(u64::MAX)));
    assert_eq!(at("io_0x7FFF"), Some(Typed::IntValue(i64::MIN)));
    assert_eq!(at("io_0x6FFF"), Some(Typed::IntValue(0)));
    assert_eq!(at("io_0xAFFF"), Some(Typed::DoubleValue(1.5)));
    assert_eq!(
        at("io_0xAFFE"),
        Some(Typed::BytesValue(f32::NAN.to_le_bytes().to_vec().into()))
    );
    assert_eq!(
        at("io_0xBFFF"),
        Some(Typed::BytesValue(f64::INFINITY.to_le_bytes().to_vec().into()))
    );
    assert_eq!(at("io_0xCFFF"), Some(Typed::StringValue("caf\u{fffd}".into())));
    assert_eq!(at("io_0xCFFE"), Some(Typed::StringValue("x".repeat(300))));
    assert_eq!(at("io_0xCFFD"), Some(Typed::BytesValue(vec![1, 2].into())));
    assert!(kept.attributes["io_0x0FFF"].value.is_none() && kept.attributes["io_0x3000"].value.is_none());
    assert!(kept.temperatures.is_empty() && kept.attributes.contains_key("io_0xA017"));
    assert_eq!(
        (kept.driver_id.as_deref(), at("io_0x5000")),
        (None, Some(Typed::UintValue(0)))
    );
    assert_eq!(at("io_0x2041"), Some(Typed::UintValue(255)));
    assert!(kept.power.is_none());
}

#[test]
fn verified_sensors_fill_their_fields() {
    let full = event(&[
        (0x0002, Value::Bool(true)),
        (0x0010, Value::Bool(true)),
        (0x0015, Value::Bool(false)),
        (0x0096, Value::Bool(true)),
        (0x009A, Value::Bool(true)),
        (0x3001, Value::Unsigned(2500)),
        (0x3004, Value::Unsigned(4100)),
        (0x2041, Value::Unsigned(80)),
        (0x200A, Value::Unsigned(33)),
        (0x3021, Value::Unsigned(50)),
        (0x3037, Value::Unsigned(600)),
        (0x5000, Value::Unsigned(u64::MAX)),
        (0xA000, Value::Float32(-12.5)),
        (0xA01A, Value::Zero),
        (0x3008, Value::Unsigned(284)),
        (0x2003, Value::Unsigned(3)),
        (0x0065, Value::Bool(true)),
        (0x0008, Value::Bool(true)),
    ]);
    let lines = |lines: &[fleetwire_model::pb::DigitalLine]| {
        lines
            .iter()
            .map(|line| (line.number, line.on))
            .collect::<Vec<_>>()
    };
    assert_eq!(full.is_moving, Some(true));
    assert_eq!(lines(&full.inputs), [(2, true), (7, false)]);
    assert_eq!(lines(&full.outputs), [(3, true), (4, true)]);
    assert_eq!(
        (full.analog_inputs[0].number, full.analog_inputs[0].volts),
        (1, 2.5)
    );
    let power = full.power.unwrap();
    assert_eq!(
        (power.battery_v, power.battery_level_pct),
        (Some(4.1), Some(80.0))
    );
    assert_eq!(full.engine.unwrap().load_pct, Some(33.0));
    assert_eq!(full.fuel.unwrap().rate_lph, Some(2.5));
    assert_eq!(full.driver_id.as_deref(), Some("18446744073709551615"));
    let celsius: Vec<_> = full
        .temperatures
        .iter()
        .map(|sensor| (sensor.number, sensor.celsius))
        .collect();
    assert_eq!(celsius, [(0, -12.5), (4, 0.0)]);
    assert_eq!(
        (full.cell.unwrap().mcc, full.cell.unwrap().mnc),
        (Some(284), Some(3))
    );
    let names: Vec<_> = full.attributes.keys().map(String::as_str).collect();
    assert_eq!(names, ["cargo_weight_kg", "door_rear_right", "gsm_jamming"]);
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
    Protocol::Iotm
        .decode(&full, &Options::default(), &mut out)
        .unwrap();
    out.clear();
    assert_eq!(out, Decoded::default());
    Protocol::Iotm
        .decode(&empty, &Options::default(), &mut out)
        .unwrap();
    assert_eq!(out, decoded(&empty, &Options::default()).unwrap());
}
