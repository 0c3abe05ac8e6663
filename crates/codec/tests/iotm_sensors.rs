//! Sensors, values and settings: rules that no capture shows.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what a test cannot go on without"
)]

#[allow(dead_code, reason = "each test takes what it needs")]
mod made;
mod opened;

use fleetwire_codec::iotm::{Options, Value};
use fleetwire_model::pb::OdometerSource;
use fleetwire_model::pb::attribute_value::Value as Typed;
use made::{attribute, event, event_with};

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
    assert_eq!(attribute(&event_first, "ignition_signal"), Some(&Typed::BoolValue(true)));
    let only = event_with("ignition_sources = ['0x0012']", &items);
    assert_eq!(only.ignition, Some(false));
}

#[test]
fn the_vehicles_odometer_goes_before_the_devices() {
    let both = event(&[(0x4003, Value::Unsigned(200)), (0xB002, Value::Float64(17.5))]);
    assert_eq!((both.odometer_m, both.odometer_source()), (Some(1000.0), OdometerSource::Vehicle));
    assert_eq!(attribute(&both, "distance_m"), Some(&Typed::DoubleValue(17.5)));
    let no_bus = event(&[(0x4003, Value::Zero), (0xB002, Value::Float64(17.5))]);
    assert_eq!((no_bus.odometer_m, no_bus.odometer_source()), (Some(17.5), OdometerSource::Device));
    assert_eq!(attribute(&no_bus, "io_0x4003"), Some(&Typed::UintValue(0)));
}

#[test]
fn scales_are_a_setting_and_keep_the_raw_number() {
    let items = [(0x2007, Value::Unsigned(100)), (0x2008, Value::Zero), (0x300C, Value::Unsigned(8000))];
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
    let own = event_with(own, &[(0x2007, Value::Unsigned(101)), (0x4063, Value::Unsigned(7))]);
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
    assert_eq!(at("io_0xAFFE"), Some(Typed::BytesValue(f32::NAN.to_le_bytes().to_vec().into())));
    assert_eq!(at("io_0xBFFF"), Some(Typed::BytesValue(f64::INFINITY.to_le_bytes().to_vec().into())));
    assert_eq!(at("io_0xCFFF"), Some(Typed::StringValue("caf\u{fffd}".into())));
    assert_eq!(at("io_0xCFFE"), Some(Typed::StringValue("x".repeat(300))));
    assert_eq!(at("io_0xCFFD"), Some(Typed::BytesValue(vec![1, 2].into())));
    assert!(kept.attributes["io_0x0FFF"].value.is_none() && kept.attributes["io_0x3000"].value.is_none());
    assert!(kept.temperatures.is_empty() && kept.attributes.contains_key("io_0xA017"));
    assert_eq!((kept.driver_id.as_deref(), at("io_0x5000")), (None, Some(Typed::UintValue(0))));
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
        lines.iter().map(|line| (line.number, line.on)).collect::<Vec<_>>()
    };
    assert_eq!(full.is_moving, Some(true));
    assert_eq!(lines(&full.inputs), [(2, true), (7, false)]);
    assert_eq!(lines(&full.outputs), [(3, true), (4, true)]);
    assert_eq!((full.analog_inputs[0].number, full.analog_inputs[0].volts), (1, 2.5));
    let power = full.power.unwrap();
    assert_eq!((power.battery_v, power.battery_level_pct), (Some(4.1), Some(80.0)));
    assert_eq!(full.engine.unwrap().load_pct, Some(33.0));
    assert_eq!(full.fuel.unwrap().rate_lph, Some(2.5));
    assert_eq!(full.driver_id.as_deref(), Some("18446744073709551615"));
    let celsius: Vec<_> = full.temperatures.iter().map(|sensor| (sensor.number, sensor.celsius)).collect();
    assert_eq!(celsius, [(0, -12.5), (4, 0.0)]);
    assert_eq!((full.cell.unwrap().mcc, full.cell.unwrap().mnc), (Some(284), Some(3)));
    let names: Vec<_> = full.attributes.keys().map(String::as_str).collect();
    assert_eq!(names, ["cargo_weight_kg", "door_rear_right", "gsm_jamming"]);
}
