//! Generated NGP messages: no text panics, what comes out is bounded, and what is written is read.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what a test cannot go on without"
)]

#[allow(dead_code, reason = "each test takes what it needs")]
mod opened;

use std::collections::BTreeMap;

use fleetwire_codec::ngp::{self, Options};
use fleetwire_codec::{Body, Codec, DecodeError, Decoded, Input, Kind};
use fleetwire_model::pb::attribute_value::Value as Typed;
use fleetwire_model::pb::{FixType, PositionEvent};
use fleetwire_model::time;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Decodes with every setting that changes the path, and checks what holds for any input.
fn check(payload: &[u8]) -> Result<(), TestCaseError> {
    let strict: Options = toml::from_str(
        "fields_by_version = true\nfuel_level_unit = \"percent\"\nmin_satellites = 3\nunknown_version = \"reject\"",
    )
    .unwrap();
    for options in [Options::default(), strict] {
        let input = Input { payload, topic: "ngp/a", received_ms: 0 };
        let mut out = Decoded::default();
        match ngp::decode(input, &options, &mut out) {
            Ok(()) => bounded(payload, &out)?,
            Err(error) => {
                prop_assert!(DecodeError::CODES.contains(&error.code()));
                prop_assert!(error.byte_offset().is_none_or(|offset| offset <= payload.len()));
                prop_assert_eq!(out, Decoded::default());
            }
        }
        for part in ngp::explain(input, &options).parts {
            prop_assert!(payload.get(part.span).is_some());
        }
    }
    Ok(())
}

fn bounded(payload: &[u8], out: &Decoded) -> Result<(), TestCaseError> {
    prop_assert!(matches!(out.records.len(), 1 | 2));
    for record in &out.records {
        prop_assert_eq!(&record.span, &(usize::from(record.kind == Kind::Event)..payload.len()));
        // 256 values within others, each with a name of up to 100 bytes; the others have their names in the payload.
        prop_assert!(out.body(record).len() <= payload.len() * 4 + 256 * 128 + 1024);
        if let Body::Position(event) = out.open(record).unwrap() {
            finite(&event)?;
        }
    }
    Ok(())
}

fn finite(event: &PositionEvent) -> Result<(), TestCaseError> {
    if let Some(fix) = &event.fix {
        prop_assert!(fix.latitude.abs() <= 90.0 && fix.longitude.abs() <= 180.0);
        prop_assert!(fix.heading_deg.is_none_or(|heading| (1.0..=360.0).contains(&heading)));
    }
    prop_assert!(event.odometer_m.is_none_or(|metres| metres.is_finite() && metres >= 0.0));
    for (name, attribute) in &event.attributes {
        prop_assert!(!name.is_empty() && name.len() <= 100);
        if let Some(Typed::DoubleValue(number)) = attribute.value {
            prop_assert!(number.is_finite());
        }
    }
    Ok(())
}

/// Any JSON, with names that mean something among those that do not.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..500_i64).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(Value::from("2025-03-01T12:00:00Z")),
        Just(Value::from("LBS")),
        Just(Value::from("NO_FIX")),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "location",
        "latitude",
        "longitude",
        "gnss_time",
        "fix_type",
        "satellites",
        "source_type",
        "precision",
        "heading",
        "event_id",
        "mobile_cells",
        "mcc",
        "cell_id",
        "rssi",
        "wifi_points",
        "custom_attributes",
        "type",
        "value",
        "units",
        "version",
        "input_status",
        "hardware_mileage",
        "temperature_1",
        "analog_3",
        "fuel_level_1",
        "hardware_key",
        "battery_level",
    ];
    prop_oneof![4 => prop::sample::select(KNOWN).prop_map(String::from), 1 => ".{0,12}"]
}

/// A message with the members that are needed.
fn message(members: Vec<(String, Value)>) -> Vec<u8> {
    let mut all: Map<String, Value> = members.into_iter().collect();
    all.insert("message_time".into(), "2025-03-01T12:00:00Z".into());
    all.insert("device_id".into(), "a".into());
    serde_json::to_vec(&all).unwrap()
}

/// A number that has a value of its own as text, and so as JSON.
fn number(low: f64, high: f64) -> impl Strategy<Value = f64> {
    (low..=high).prop_map(|number| (number * 1000.0).round() / 1000.0)
}

/// Speed, satellites and heading.
type Motion = (f64, u32, f64);

/// Members that are fields, and what is there when they were read.
#[derive(Debug, Clone)]
struct Sent {
    location: Option<(f64, f64, Option<Motion>)>,
    mileage_km: Option<f64>,
    battery: Option<(f64, u32)>,
    inputs: Option<u16>,
    temperatures: BTreeMap<u32, f64>,
    analog: BTreeMap<u32, f64>,
    event_id: Option<u32>,
    cell: Option<(u32, u32, u64, i32)>,
    key: Option<String>,
    custom: BTreeMap<String, i64>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let rest = prop::option::of((number(0.0, 300.0), 0_u32..=64, number(1.0, 360.0)));
    let location = (number(-90.0, -0.001), number(-180.0, 180.0), rest);
    let cell = (0_u32..1000, 0_u32..1000, any::<u64>(), -150..=0);
    let numbered = || prop::collection::btree_map(1_u32..=16, number(-40.0, 85.0), 0..5);
    (
        prop::option::of(location),
        prop::option::of(number(0.0, 1e6)),
        prop::option::of((number(0.0, 5.0), 0_u32..=100)),
        prop::option::of(any::<u16>()),
        (numbered(), numbered()),
        prop::option::of(1_u32..20_000),
        prop::option::of(cell),
        prop::option::of("[0-9A-F]{1,16}"),
        prop::collection::btree_map("custom_[a-z\"\\\\é]{1,8}", any::<i64>(), 0..6),
    )
        .prop_map(|(location, mileage_km, battery, inputs, numbered, event_id, cell, key, custom)| {
            Sent {
                location,
                mileage_km,
                battery,
                inputs,
                temperatures: numbered.0,
                analog: numbered.1,
                event_id,
                cell,
                key,
                custom,
            }
        })
}

impl Sent {
    fn members(&self) -> Vec<(String, Value)> {
        let mut members = Vec::new();
        let mut put = |name: &str, value: Value| members.push((name.to_owned(), value));
        if let Some((latitude, longitude, rest)) = self.location {
            let mut location = json!({"latitude": latitude, "longitude": longitude, "fix_type": "FIX_3D"});
            if let Some((speed, satellites, heading)) = rest {
                location["speed"] = speed.into();
                location["satellites"] = satellites.into();
                location["heading"] = heading.into();
            }
            put("location", location);
        }
        if let Some(km) = self.mileage_km {
            put("hardware_mileage", km.into());
        }
        if let Some((volts, level)) = self.battery {
            put("battery_voltage", volts.into());
            put("battery_level", level.into());
        }
        if let Some(bits) = self.inputs {
            put("input_status", bits.into());
        }
        for (number, value) in &self.temperatures {
            put(&format!("temperature_{number}"), (*value).into());
        }
        for (number, value) in &self.analog {
            put(&format!("analog_{number}"), (*value).into());
        }
        if let Some(id) = self.event_id {
            put("event_id", id.into());
        }
        if let Some((mcc, mnc, id, dbm)) = self.cell {
            put("mobile_cells", json!([{"mcc": mcc, "mnc": mnc, "cell_id": id, "rssi": dbm}]));
        }
        if let Some(key) = &self.key {
            put("hardware_key", key.clone().into());
        }
        for (name, value) in &self.custom {
            put(name, (*value).into());
        }
        members
    }

    fn compare(&self, event: &PositionEvent) -> Result<(), TestCaseError> {
        prop_assert_eq!(event.fix.is_some(), self.location.is_some());
        if let (Some((latitude, longitude, rest)), Some(fix)) = (self.location, &event.fix) {
            let network = self.event_id == Some(402);
            prop_assert_eq!(fix.r#type(), if network { FixType::Network } else { FixType::Fix3d });
            prop_assert_eq!((fix.latitude, fix.longitude), (latitude, longitude));
            prop_assert_eq!(fix.speed_kmh, rest.map(|(speed, _, _)| speed));
            prop_assert_eq!(fix.satellites, rest.map(|(_, satellites, _)| satellites));
            prop_assert_eq!(fix.heading_deg, rest.map(|(_, _, heading)| heading));
        }
        prop_assert_eq!(event.odometer_m, self.mileage_km.map(|km| km * 1000.0));
        let power = event.power.unwrap_or_default();
        prop_assert_eq!(power.battery_v, self.battery.map(|(volts, _)| volts));
        prop_assert_eq!(power.battery_level_pct, self.battery.map(|(_, level)| level.into()));
        let bits = event.inputs.iter().fold(0, |bits, line| bits | u64::from(line.on) << (line.number - 1));
        prop_assert_eq!(bits, u64::from(self.inputs.unwrap_or(0)));
        prop_assert_eq!(event.inputs.len() >= 8, self.inputs.is_some());
        let temperatures: BTreeMap<_, _> = event.temperatures.iter().map(|t| (t.number, t.celsius)).collect();
        prop_assert_eq!(&temperatures, &self.temperatures);
        let analog: BTreeMap<_, _> =
            event.analog_inputs.iter().map(|input| (input.number, input.volts)).collect();
        prop_assert_eq!(&analog, &self.analog);
        let cell = event.cell.map(|cell| (cell.mcc, cell.mnc, cell.cell_id, cell.signal_dbm));
        let sent = self.cell.map(|(mcc, mnc, id, dbm)| (Some(mcc), Some(mnc), Some(id), Some(dbm)));
        prop_assert_eq!(cell, sent);
        prop_assert_eq!(&event.driver_id, &self.key);
        for (name, value) in &self.custom {
            prop_assert_eq!(&event.attributes[name].value, &Some(Typed::IntValue(*value)));
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn no_bytes_panic(payload in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&payload)?;
    }

    #[test]
    fn no_json_panics(members in prop::collection::vec((name(), any_json()), 0..12)) {
        check(&message(members))?;
    }

    #[test]
    fn a_mutated_message_is_an_error_or_bounded(
        members in prop::collection::vec((name(), any_json()), 0..6),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut payload = message(members);
        for (index, byte) in changes {
            let length = payload.len();
            payload[index.index(length)] = byte;
        }
        check(&payload)?;
        check(&payload[..cut.index(payload.len())])?;
    }

    #[test]
    fn every_value_of_a_message_is_somewhere(
        members in prop::collection::btree_map("x[a-z]{1,6}", any_json(), 0..12),
    ) {
        let payload = message(members.clone().into_iter().collect());
        let codec = Codec::Ngp(Options::default());
        let decoded = opened::decode(&codec, Input { payload: &payload, ..Input::default() }).unwrap();
        let Body::Position(event) = &decoded.records[0].body else { panic!("no position") };
        for name in members.keys() {
            let within = format!("{name}.");
            let is_there = event.attributes.keys().any(|key| key == name || key.starts_with(&within));
            prop_assert!(is_there, "{name} of {members:?} is not in {event:?}");
        }
    }

    #[test]
    fn what_is_written_is_read(sent in sent(), ms in 0..4_000_000_000_000_i64, id in "[A-Za-z0-9._:-]{1,64}") {
        let mut members = sent.members();
        let stamp = time::from_unix_ms(ms).to_string();
        members.push(("message_time".into(), stamp.into()));
        members.push(("device_id".into(), id.clone().into()));
        let payload = serde_json::to_vec(&members.into_iter().collect::<Map<_, _>>()).unwrap();
        let topic = format!("ngp/{id}");
        let codec = Codec::Ngp(Options::default());
        let decoded = opened::decode(&codec, Input { payload: &payload, topic: &topic, received_ms: 0 }).unwrap();
        let Body::Position(event) = &decoded.records[0].body else { panic!("no position") };
        prop_assert_eq!(decoded.records[0].device_id.as_ref().unwrap().as_str(), id);
        prop_assert_eq!(event.device_time, Some(time::from_unix_ms(ms)));
        sent.compare(event)?;
        let is_event = sent.event_id.is_some_and(|id| !matches!(id, 401..=405 | 408));
        prop_assert_eq!(decoded.records.len(), 1 + usize::from(is_event));
    }
}
