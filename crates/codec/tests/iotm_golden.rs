//! Captured payloads: a reviewed snapshot beside each, and a comparison of every sensor with a decode that
//! another program made (`vectors.json`).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what a test cannot go on without"
)]

mod opened;
mod vectors;

use std::path::Path;

use fleetwire_codec::iotm::Options;
use fleetwire_codec::mapping::Mapping;
use fleetwire_codec::{Body, Codec, DecodeError, Input, Protocol, SkippedKind, dt7, ngp};
use fleetwire_model::DeviceId;
use fleetwire_model::pb::{DeviceEvent, FixType, OdometerSource, PositionEvent, Quality};
use opened::Decoded;
use serde_json::Value;
use vectors::{Expected, decode};

#[test]
fn captures_decode_as_reviewed() {
    insta::glob!("fixtures/*/*.{hex,json}", |file| {
        if file.ends_with("vectors.json") {
            return;
        }
        let bytes = std::fs::read(file).unwrap();
        let is_hex = file.extension().unwrap() == "hex";
        let payload = if is_hex { hex::decode(bytes.trim_ascii()).unwrap() } else { bytes };
        compare(file, &payload);
    });
}

/// Compares what a payload of the protocol of its folder holds with the snapshot beside it.
fn compare(file: &Path, payload: &[u8]) {
    let protocol: Protocol =
        file.parent().and_then(|dir| dir.file_name()).unwrap().to_str().unwrap().parse().unwrap();
    let name = file.file_stem().unwrap().to_str().unwrap();
    let input = Input { payload, topic: "", received_ms: received_ms(protocol, name) };
    let outcome = opened::decode(&codec(protocol), input);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(file.parent().unwrap());
    settings.set_prepend_module_to_snapshot(false);
    settings.remove_snapshot_suffix();
    settings.remove_input_file();
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, what_is_there(outcome)));
}

fn codec(protocol: Protocol) -> Codec {
    match protocol {
        Protocol::Iotm => Codec::Iotm(Options::default()),
        Protocol::Ngp => Codec::Ngp(ngp::Options::default()),
        Protocol::Dt7 => Codec::Dt7(dt7::Options::default()),
        Protocol::GlobalMatix => Codec::GlobalMatix(Mapping::globalmatix().unwrap().into()),
        Protocol::Json => {
            Codec::Json(Mapping::from_toml(include_str!("fixtures/json/mapping.toml")).unwrap().into())
        }
    }
}

/// When a capture is taken to be received, Unix milliseconds; see `PROVENANCE.md` of those where it matters.
fn received_ms(protocol: Protocol, name: &str) -> i64 {
    match (protocol, name) {
        // 2026-07-02 and 2018-01-01.
        (Protocol::Dt7, "b01_events_and_positions") => 1_782_950_400_000,
        (Protocol::Dt7, _) => 1_514_764_800_000,
        _ => 0,
    }
}

/// The outcome without the lines of fields that hold nothing.
fn what_is_there(outcome: Result<Decoded, DecodeError>) -> String {
    let (outcome, decoded) = match outcome {
        Ok(decoded) => (Ok(()), decoded),
        Err(error) => (Err(error), Decoded::default()),
    };
    let text = format!("{outcome:?}\n{decoded:#?}");
    let empty = [": None,", ": \"\",", ": b\"\",", ": [],", ": {},"];
    let is_there = |line: &&str| !empty.iter().any(|end| line.ends_with(end));
    text.lines().filter(is_there).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_sensor_is_where_another_decoder_found_it() {
    for vector in vectors::all() {
        let payload = hex::decode(vector["hex"].as_str().unwrap()).unwrap();
        let decoded = decode(&payload, &Options::default());
        let mut imei = None;
        let mut records = decoded.records.iter();
        let mut skipped = decoded.skipped.iter();
        for expected in vector["decoded"]["records"].as_array().unwrap() {
            match expected["kind"].as_str().unwrap() {
                "imei" => imei = expected["imei"].as_str(),
                "output_control" => {
                    let record = skipped.next().unwrap();
                    assert_eq!((record.kind, record.record_type), (SkippedKind::Command, 4));
                }
                _ => {
                    let record = records.next().unwrap();
                    assert_eq!(record.device_id.as_ref().map(DeviceId::as_str), imei);
                    match &record.body {
                        Body::Position(event) => compare_position(event, expected),
                        Body::Event(event) => compare_event(event, expected),
                    }
                }
            }
        }
        assert!(records.next().is_none() && skipped.next().is_none(), "{}", vector["provenance"]);
    }
}

fn compare_event(event: &DeviceEvent, expected: &Value) {
    assert_eq!(expected["kind"], "event");
    assert_eq!(event.device_time.unwrap().seconds, expected["time"].as_i64().unwrap());
    assert_eq!(event.function.map(u64::from), expected["function"].as_u64());
    assert_eq!(event.code.map(u64::from), expected["event"].as_u64());
    assert_eq!(Some(event.text.as_str()), expected["tail_ascii"].as_str());
    assert!(event.quality.is_empty());
}

fn compare_position(event: &PositionEvent, expected: &Value) {
    assert_eq!(expected["kind"], "telemetry");
    assert_eq!(event.device_time.unwrap().seconds, expected["time"].as_i64().unwrap());
    let is_fix = event.fix.is_none_or(|fix| fix.r#type() == FixType::Fix);
    assert_eq!(event.quality, if is_fix { vec![] } else { vec![i32::from(Quality::NoFix)] });
    assert_eq!(Expected::of(expected), Expected::found_in(event));
}

#[test]
fn the_field_device_is_at_its_place() {
    let decoded = decode(&vectors::payload("i00_field_position"), &Options::default());
    let [record] = decoded.records.as_slice() else { panic!("{decoded:?}") };
    assert_eq!(record.device_id.as_ref().unwrap().as_str(), "867035046242895");
    assert_eq!(record.span, 12..68);
    let Body::Position(event) = &record.body else { panic!("no position") };
    let fix = event.fix.as_ref().unwrap();
    assert_eq!(fix.r#type(), FixType::Fix);
    assert!((fix.latitude - 25.162_023_5).abs() < 1e-6 && (fix.longitude - 55.402_519_2).abs() < 1e-6);
    assert_eq!((fix.speed_kmh, fix.heading_deg, fix.altitude_m), (Some(18.0), Some(238.0), Some(-2.0)));
    assert_eq!((fix.hdop, fix.satellites), (Some(0.8), Some(6)));
    assert_eq!(event.power.as_ref().unwrap().supply_v, Some(14.51));
    assert_eq!(event.ignition, Some(true));
    assert!((event.odometer_m.unwrap() - 1_050_739.915).abs() < 1e-3);
    assert_eq!(event.odometer_source(), OdometerSource::Device);
}

#[test]
fn a_record_without_satellites_repeats_the_last_fix() {
    let decoded = decode(&vectors::payload("i11_thirteen_records"), &Options::default());
    let types: Vec<_> = decoded
        .records
        .iter()
        .map(|record| match &record.body {
            Body::Position(event) => event.fix.as_ref().unwrap().r#type(),
            Body::Event(_) => panic!("an event"),
        })
        .collect();
    let repeats: Vec<_> = (0..13).filter(|index| types[*index] == FixType::LastKnown).collect();
    assert_eq!(repeats, [1, 8]);
}

#[test]
fn an_output_that_went_on_is_seen() {
    let on = |name| {
        let decoded = decode(&vectors::payload(name), &Options::default());
        match &decoded.records[0].body {
            Body::Position(event) => event.outputs[0].on,
            Body::Event(_) => panic!("an event"),
        }
    };
    assert_eq!((on("i12_before_output_on"), on("i13_after_output_on")), (false, true));
}
