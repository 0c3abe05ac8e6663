//! The bytes that are written by hand are what the contract's types say.

use std::collections::BTreeMap;

use fleetwire_model::pb::attribute_value::Value;
use fleetwire_model::pb::{AnalogInput, AttributeValue, DigitalLine, PositionEvent, Temperature};
use fleetwire_model::time::from_unix_ms;
use prost::Message as _;

use super::*;

/// A position in which every field is told, and its message.
#[expect(clippy::too_many_lines, reason = "a list of fields")]
fn full() -> (Position, PositionEvent) {
    let fix = Fix {
        r#type: FixType::Fix3d.into(),
        latitude: -12.5,
        longitude: 0.0,
        altitude_m: Some(-2.0),
        speed_kmh: Some(0.0),
        heading_deg: Some(359.5),
        satellites: Some(0),
        hdop: Some(0.9),
        accuracy_m: Some(4.0),
    };
    let power = Power { supply_v: Some(0.0), battery_v: Some(3.7), battery_level_pct: Some(99.0) };
    let engine = Engine {
        speed_rpm: Some(900.0),
        hours: Some(1.0),
        coolant_c: Some(-40.0),
        load_pct: Some(2.0),
        accelerator_pct: Some(3.0),
    };
    let fuel = Fuel { level_pct: Some(1.0), used_l: Some(2.0), rate_lph: Some(3.0), level_2_pct: Some(0.0) };
    let cell =
        Cell { mcc: Some(0), mnc: Some(3), lac: Some(4), cell_id: Some(u64::MAX), signal_dbm: Some(-113) };
    let mut position = Position {
        device_time_ms: Some(-1),
        fix_time_ms: Some(1_609_307_511_123),
        fix: Some(fix),
        ignition: Some(false),
        is_moving: Some(true),
        power,
        odometer_m: Some((0.0, OdometerSource::Device)),
        engine,
        fuel,
        driver_id: Some("".into()),
        cell,
        ..Position::default()
    };
    assert!(position.inputs.set(1, false) && position.outputs.set(64, true));
    assert!(position.analog_inputs.set(1, 0.0) && position.temperatures.set(0, -3.5));
    assert!(position.temperatures.set(2, 1.0));
    position.temperature_sensors.push((2, "28ff".into()));
    position.quality.insert(Quality::Checksum);
    position.quality.insert(Quality::CoordinatesOutOfRange);
    let event = PositionEvent {
        device_time: Some(from_unix_ms(-1)),
        fix_time: Some(from_unix_ms(1_609_307_511_123)),
        fix: Some(fix),
        ignition: Some(false),
        is_moving: Some(true),
        inputs: vec![DigitalLine { number: 1, on: false }],
        outputs: vec![DigitalLine { number: 64, on: true }],
        analog_inputs: vec![AnalogInput { number: 1, volts: 0.0 }],
        power: Some(power),
        odometer_m: Some(0.0),
        engine: Some(engine),
        fuel: Some(fuel),
        temperatures: vec![
            Temperature { number: 0, celsius: -3.5, sensor_id: String::new() },
            Temperature { number: 2, celsius: 1.0, sensor_id: "28ff".into() },
        ],
        driver_id: Some(String::new()),
        cell: Some(cell),
        odometer_source: OdometerSource::Device.into(),
        quality: vec![Quality::CoordinatesOutOfRange.into(), Quality::Checksum.into()],
        ..PositionEvent::default()
    };
    (position, event)
}

fn written(position: &Position) -> PositionEvent {
    let mut out = Vec::new();
    position.write(&mut out);
    PositionEvent::decode(&*out).unwrap()
}

#[test]
fn every_field_is_written_as_the_contract_says() {
    let (position, event) = full();
    assert_eq!(written(&position), event);
}

#[test]
fn coordinates_that_are_no_fix_of_this_instant_are_flagged() {
    for (kind, flagged) in
        [(FixType::NoFix, true), (FixType::LastKnown, true), (FixType::Fix, false), (FixType::Network, false)]
    {
        let position =
            Position { fix: Some(Fix { r#type: kind.into(), ..Fix::default() }), ..Position::default() };
        assert_eq!(written(&position).quality().any(|flag| flag == Quality::NoFix), flagged, "{kind:?}");
    }
    assert!(written(&Position::default()).quality.is_empty());
}

#[test]
fn nothing_is_left_of_a_position_that_is_cleared() {
    let (mut position, _) = full();
    position.put("left", Attribute::Bool(true));
    position.clear();
    assert_eq!(written(&position), PositionEvent::default());
}

#[test]
fn attributes_keep_their_types_and_the_later_of_a_name_counts() {
    let long = "x".repeat(300);
    let cases = [
        ("absent", Attribute::Absent, None),
        ("bool", Attribute::Bool(false), Some(Value::BoolValue(false))),
        ("int", Attribute::Int(i64::MIN), Some(Value::IntValue(i64::MIN))),
        ("true", Attribute::Bool(true), Some(Value::BoolValue(true))),
        ("zero", Attribute::Uint(0), Some(Value::UintValue(0))),
        ("small", Attribute::Uint(127), Some(Value::UintValue(127))),
        ("next", Attribute::Uint(128), Some(Value::UintValue(128))),
        (&long[..100], Attribute::Uint(1), Some(Value::UintValue(1))),
        ("uint", Attribute::Uint(u64::MAX), Some(Value::UintValue(u64::MAX))),
        ("double", Attribute::Double(-0.5), Some(Value::DoubleValue(-0.5))),
        ("text", Attribute::Text(&long), Some(Value::StringValue(long.clone()))),
        ("empty", Attribute::Text(""), Some(Value::StringValue(String::new()))),
        ("bytes", Attribute::Bytes(long.as_bytes()), Some(Value::BytesValue(long.clone().into()))),
    ];
    let mut position = Position::default();
    assert!(position.attributes.is_empty());
    position.put("bool", Attribute::Uint(1));
    let mut expected = BTreeMap::new();
    for (name, attribute, value) in cases {
        position.put(name, attribute);
        expected.insert(name.to_owned(), AttributeValue { value });
    }
    assert_eq!(written(&position).attributes, expected);
}
