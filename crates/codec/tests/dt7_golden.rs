//! Captures of DT7: a comparison of every field with a decode that another program made (`vectors.json`), by the
//! rules of docs/protocols/dt7.md.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what a test cannot go on without"
)]

#[expect(dead_code, reason = "each test takes what it needs")]
mod facts;
mod opened;

use facts::Facts;
use fleetwire_codec::dt7::Options;
use fleetwire_codec::{Body, Codec, Input, SkippedKind};
use fleetwire_model::DeviceId;
use fleetwire_model::pb::attribute_value::Value as Typed;
use opened::Record;
use serde_json::Value;

fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("fixtures/dt7/vectors.json")).unwrap()
}

fn hex_number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

#[test]
fn every_field_is_where_another_decoder_found_it() {
    let codec = Codec::Dt7(Options::default());
    let mut compared = (0, 0);
    for vector in vectors() {
        let payload = hex::decode(vector["hex"].as_str().unwrap()).unwrap();
        // Without a time of reception the first turn of the counter is meant, as in `vectors.json`.
        let decoded = opened::decode(&codec, Input { payload: &payload, ..Input::default() }).unwrap();
        let expected = &vector["decoded"];
        let mut records = decoded.records.iter();
        let mut skipped = decoded.skipped.iter();
        let alone = [expected.clone()];
        for block in expected["blocks"].as_array().map_or(&alone[..], Vec::as_slice) {
            match hex_number(&block["service"]) {
                0xA5 | 0xA0 => {
                    for structure in block["structs"].as_array().unwrap() {
                        let record = records.next().unwrap();
                        assert_eq!(
                            record.device_id.as_ref().map(DeviceId::as_str),
                            expected["imei"].as_str()
                        );
                        assert_eq!(record.span.len(), field(structure, "len") + 1);
                        match &record.body {
                            Body::Position(_) => compared.0 += 1,
                            Body::Event(_) => compared.1 += 1,
                        }
                        compare(record, structure);
                    }
                }
                0xC1 => compare_answer(records.next().unwrap(), block),
                service => {
                    let block = skipped.next().unwrap();
                    assert_eq!((block.kind, u64::from(block.record_type)), (SkippedKind::Command, service));
                }
            }
        }
        assert!(records.next().is_none() && skipped.next().is_none() && decoded.rejected.is_empty());
    }
    assert_eq!(compared, (72, 52));
}

fn field(structure: &Value, name: &str) -> usize {
    usize::try_from(structure[name].as_u64().unwrap()).unwrap()
}

fn compare_answer(record: &Record, block: &Value) {
    let Body::Event(event) = &record.body else { panic!("no event") };
    assert!(event.device_time.is_none() && event.function.is_none() && event.code.is_none());
    let uint = |name: &str| match event.attributes[name].value {
        Some(Typed::UintValue(number)) => number,
        _ => panic!("{name}"),
    };
    assert_eq!(uint("output_id"), hex_number(&block["key"]));
    assert_eq!(uint("unique_id"), hex_number(&block["rest"]));
    assert_eq!(event.attributes.len(), 2);
}

fn compare(record: &Record, structure: &Value) {
    match &record.body {
        Body::Event(event) => {
            assert_eq!(structure["data_type"], 6);
            assert_eq!(event.device_time.unwrap().seconds, structure["time"].as_i64().unwrap());
            assert_eq!(event.function.map(u64::from), structure["function"].as_u64());
            assert_eq!(event.code.map(u64::from), structure["event"].as_u64());
            assert_eq!(Some(event.text.as_str()), structure["tag_ascii"].as_str());
            assert!(event.quality.is_empty() && event.attributes.is_empty());
        }
        Body::Position(event) => {
            assert_eq!(structure["data_type"], 7);
            assert_eq!(event.device_time.unwrap().seconds, structure["time"].as_i64().unwrap());
            assert_eq!(Facts::of(event), expected(structure), "{structure:#}");
        }
    }
}

/// The facts of a structure of `vectors.json`.
fn expected(structure: &Value) -> Facts {
    let mut facts = Facts::default();
    for (name, value) in structure.as_object().unwrap() {
        match name.as_str() {
            // Compared elsewhere, or another reading of the same bytes.
            "len"
            | "data_type"
            | "time"
            | "time_iso"
            | "time_if_one_rollover"
            | "distance_u32"
            | "masks"
            | "latitude"
            | "longitude"
            | "speed_kmh"
            | "satellites"
            | "course"
            | "altitude" => {}
            "coords_in_range" => place(&mut facts, structure),
            "hdop_raw" => facts.attribute("hdop_raw", value),
            "distance_f32_m" => facts.attribute_number("distance_m", value.as_f64().unwrap()),
            "inputs" => {
                let bits = hex_number(value);
                for number in 1..=16 {
                    facts.put(format!("input {number}"), bits >> (number - 1) & 1 == 1);
                }
            }
            "adc2" => facts.number("supply_v", value.as_f64().unwrap() / 1000.0),
            "adc6" => facts.number("battery_v", value.as_f64().unwrap() / 1000.0),
            "adc1" | "adc3" | "adc4" | "adc5" | "adc7" | "adc8" => {
                let number = name.trim_start_matches("adc");
                facts.number(format!("analog {number}"), value.as_f64().unwrap() / 1000.0);
            }
            "cell" => cell(&mut facts, value),
            "drivers_hex" | "ibutton_id" => driver(&mut facts, name, value),
            "lls1_hex" | "lls2_hex" => levels(&mut facts, name, value),
            "temp4_hex" => temperatures(&mut facts, value),
            "max_acc_brake_corner_hex" => {
                let raw = hex::decode(value.as_str().unwrap()).unwrap();
                for (name, byte) in ["acceleration", "braking", "cornering"].iter().zip(raw) {
                    facts.attribute_number(&format!("max_{name}_g"), f64::from(byte) / 50.0);
                }
            }
            // The one bit of unknown meaning and known width that this decode leaves out.
            "undecoded_tail_hex" => facts.attribute("mask4_bit14", value.as_str().unwrap()),
            _ => other(&mut facts, name, value),
        }
    }
    facts
}

fn place(facts: &mut Facts, structure: &Value) {
    let number = |name: &str| structure[name].as_f64().unwrap();
    if structure["coords_in_range"].as_bool().unwrap() {
        facts.put("fix", "FIX_TYPE_FIX");
        facts.number("latitude", number("latitude"));
        facts.number("longitude", number("longitude"));
    } else {
        facts.put("fix", "FIX_TYPE_NO_FIX");
        facts.put("QUALITY_COORDINATES_OUT_OF_RANGE", "");
        #[expect(clippy::cast_possible_truncation, reason = "they were single")]
        let single = |name: &str| (number(name) as f32).to_le_bytes();
        let byte = |name: &str, scale: u8| u8::try_from(structure[name].as_u64().unwrap()).unwrap() / scale;
        let mut raw = [single("longitude"), single("latitude")].concat();
        raw.extend([byte("speed_kmh", 1), byte("hdop_raw", 1) << 4 | byte("satellites", 1)]);
        raw.push(u8::try_from(structure["course"].as_u64().unwrap() / 2).unwrap());
        raw.extend(u16::try_from(structure["altitude"].as_u64().unwrap()).unwrap().to_le_bytes());
        raw.extend(single("distance_f32_m"));
        facts.attribute("position_raw", hex::encode(raw));
    }
    for (name, key) in [
        ("speed_kmh", "speed_kmh"),
        ("satellites", "satellites"),
        ("heading_deg", "course"),
        ("altitude_m", "altitude"),
    ] {
        facts.number(name, number(key));
    }
}

fn cell(facts: &mut Facts, value: &Value) {
    let number = |name: &str| value[name].as_u64().unwrap();
    let small = |name: &str| u32::try_from(number(name)).unwrap();
    let signal = -i32::try_from(number("b8")).unwrap();
    let codes =
        (Some(small("mcc")), Some(small("mnc")), Some(small("lac")), Some(number("cid")), Some(signal));
    facts.put("cell", format!("{codes:?}"));
    facts.attribute("timing_advance", number("b7"));
}

fn driver(facts: &mut Facts, name: &str, value: &Value) {
    match (name, value.as_u64()) {
        (_, Some(0)) => facts.attribute("ibutton_id", 0),
        (_, Some(number)) => facts.put("driver_id", number),
        _ => {
            let text = String::from_utf8(hex::decode(value.as_str().unwrap()).unwrap()).unwrap();
            let (first, second) = text.split_at(16);
            assert!(second.trim().is_empty());
            facts.attribute("driver_card_1", first.trim());
            facts.put("driver_id", first.trim());
        }
    }
}

fn levels(facts: &mut Facts, name: &str, value: &Value) {
    // All captures have the same: no sensor.
    assert_eq!(value, "008081008081");
    let sensors = if name == "lls1_hex" { ["lls1", "lls2"] } else { ["lls3", "lls4"] };
    for sensor in sensors {
        facts.attribute(&format!("{sensor}_level"), "absent");
        facts.attribute(&format!("{sensor}_c"), "absent");
    }
}

fn temperatures(facts: &mut Facts, value: &Value) {
    let raw = hex::decode(value.as_str().unwrap()).unwrap();
    for (number, sensor) in (1..).zip(raw.chunks_exact(10)) {
        let tenths = u16::from_le_bytes([sensor[0], sensor[1]]);
        let id = hex::encode(&sensor[2..]);
        if tenths != 0 {
            facts.number(format!("temperature {number}"), f64::from(tenths) / 10.0 - 273.0);
            facts.put(format!("temperature {number} sensor"), id);
        } else if id != "0000000000000000" {
            facts.attribute(&format!("temperature_{number}_sensor"), id);
        }
    }
}

/// Numbers with or without a scale, and bytes.
fn other(facts: &mut Facts, name: &str, value: &Value) {
    if let Some(raw) = name.strip_suffix("_hex").and(value.as_str()) {
        let name = match name {
            "tco1_hex" => "tachograph_tco1",
            other => other.trim_end_matches("_hex"),
        };
        return facts.attribute(name, raw);
    }
    let raw = value.as_f64().unwrap();
    let mut scaled = |attribute: &str, field: &str, number: f64| {
        facts.attribute(attribute, value);
        facts.number(field, number);
    };
    match name {
        "wheel_speed_raw" => scaled("wheel_speed_raw", "attribute wheel_speed_kmh", raw / 256.0),
        "accel_pedal_raw" => scaled("accelerator_raw", "accelerator_pct", raw * 0.4),
        "total_fuel_used_raw" => scaled("fuel_used_raw", "used_l", raw / 2.0),
        "fuel_level_raw" => scaled("fuel_level_raw", "level_pct", raw * 0.4),
        "engine_speed_raw" => scaled("engine_speed_raw", "speed_rpm", raw / 8.0),
        "engine_hours_raw" => scaled("engine_hours_raw", "hours", raw / 20.0),
        "fuel_level2_raw" => scaled("fuel_level_2_raw", "level_2_pct", raw * 0.4),
        "engine_load_raw" => scaled("engine_load_raw", "load_pct", raw),
        "fuel_rate_raw" => scaled("fuel_rate_raw", "rate_lph", raw / 20.0),
        "coolant_raw" if raw > 0.0 => scaled("coolant_raw", "coolant_c", raw - 40.0),
        "service_distance_raw" if raw > 0.0 => {
            scaled("service_distance_raw", "attribute service_distance_km", raw * 5.0 - 160_635.0);
        }
        "vehicle_distance_raw" if raw > 0.0 => facts.number("odometer_m", raw * 5.0),
        "distance2_raw" => facts.attribute_number("distance_2_m", raw * 5.0),
        "dallas_temp_raw" => facts.attribute("one_wire_temperature_raw", value),
        "dallas_humidity_raw" => facts.attribute("one_wire_humidity_raw", value),
        // Bits whose meaning is not known are bytes.
        "m4b0_raw" => facts.attribute("mask4_bit0", hex::encode([0; 4])),
        "m4b4_raw" => facts.attribute("mask4_bit4", hex::encode([0; 1])),
        // Zeros that stand for no value, and numbers without a scale.
        _ => facts.attribute(name, value),
    }
    if name.starts_with('m') {
        assert_eq!(value, 0, "{name}");
    }
}

#[test]
fn a_time_is_of_the_turn_nearest_to_its_reception() {
    let file = include_str!("fixtures/dt7/b01_events_and_positions.hex");
    let payload = hex::decode(file.trim()).unwrap();
    let first = |received_ms| {
        let input = Input { payload: &payload, topic: "BCE/D", received_ms };
        let decoded = opened::decode(&Codec::Dt7(Options::default()), input).unwrap();
        let Body::Event(event) = &decoded.records[0].body else { panic!("no event") };
        event.device_time.unwrap().to_string()
    };
    assert_eq!(first(1_782_950_400_000), "2026-07-02T07:24:22Z");
    assert_eq!(first(1_246_106_200_000), "2009-06-27T12:35:50Z");
    assert_eq!(first(0), "2009-06-27T12:35:50Z");
}
