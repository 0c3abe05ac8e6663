//! Generated payloads for mappings: nothing panics, what comes out is bounded, and what is written is read.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what a test cannot go on without"
)]

#[allow(dead_code, reason = "each test takes what it needs")]
mod opened;

use std::sync::{Arc, LazyLock};

use fleetwire_codec::mapping::Mapping;
use fleetwire_codec::{Body, Codec, DecodeError, Decoded, Input};
use fleetwire_model::DeviceId;
use fleetwire_model::pb::attribute_value::Value as Typed;
use fleetwire_model::pb::{FixType, PositionEvent};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

static MAPPINGS: LazyLock<[Arc<Mapping>; 2]> = LazyLock::new(|| {
    let rich = Mapping::from_toml(include_str!("fixtures/json/mapping.toml")).unwrap();
    [rich.into(), Mapping::globalmatix().unwrap().into()]
});

/// The most attributes of a record, with the four that the rich mapping names and the count of those left out.
const MOST: [usize; 2] = [12 + 4 + 1, 64 + 1];

fn check(payload: &[u8]) -> Result<(), TestCaseError> {
    for (mapping, most) in MAPPINGS.iter().zip(MOST) {
        let mut out = Decoded::default();
        match mapping.decode(payload, &mut out) {
            Ok(()) => {
                prop_assert!(!out.records.is_empty());
                for record in &opened::open(&out).records {
                    prop_assert!(payload.get(record.span.clone()).is_some_and(|bytes| !bytes.is_empty()));
                    if let Body::Position(event) = &record.body {
                        prop_assert!(event.attributes.len() <= most, "{}", event.attributes.len());
                        finite(event)?;
                    }
                }
            }
            Err(error) => {
                prop_assert!(DecodeError::CODES.contains(&error.code()));
                prop_assert!(error.byte_offset().is_none_or(|offset| offset <= payload.len()));
                prop_assert_eq!(&out, &Decoded::default());
            }
        }
        let explanation = mapping.explain(payload);
        prop_assert!(explanation.parts.iter().all(|part| part.span.end <= payload.len()));
    }
    Ok(())
}

fn finite(event: &PositionEvent) -> Result<(), TestCaseError> {
    if let Some(fix) = &event.fix {
        prop_assert!(fix.latitude.abs() <= 90.0 && fix.longitude.abs() <= 180.0);
        prop_assert!(fix.heading_deg.is_none_or(|heading| (0.0..=360.0).contains(&heading)));
        prop_assert!(fix.speed_kmh.is_none_or(|speed| speed.is_finite() && speed >= 0.0));
    }
    prop_assert!(event.odometer_m.is_none_or(|metres| metres.is_finite() && metres >= 0.0));
    for attribute in event.attributes.values() {
        if let Some(Typed::DoubleValue(number)) = attribute.value {
            prop_assert!(number.is_finite());
        }
    }
    Ok(())
}

/// Names that the mappings look for, and others.
fn name() -> impl Strategy<Value = String> {
    let known = [
        "data",
        "unit",
        "at",
        "clock",
        "sent",
        "gnss",
        "lat",
        "lon",
        "mode",
        "v",
        "course",
        "imei",
        "ts",
        "id",
        "gps",
        "latitude",
        "longitude",
        "power",
        "event",
        "code",
        "name",
        "din",
        "net",
        "fw",
        "0",
        "1",
    ];
    prop_oneof![
        8 => prop::sample::select(known.map(str::to_owned).to_vec()),
        1 => ".{0,12}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!(1_700_000_000)),
        Just(json!("352099001761481")),
        Just(json!("2023-11-14T22:13:20Z")),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            3 => prop::collection::vec((name(), inner), 0..10)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A record as a device of the rich mapping would send it, and what it says.
#[derive(Debug, Clone)]
struct Sample {
    id: String,
    ms: i64,
    place: Option<(i32, i32)>,
    speed_cms: Option<u32>,
    ignition: Option<bool>,
    odometer_miles: Option<u32>,
    supply_mv: Option<u16>,
    cell: Option<u64>,
    inputs: Option<u8>,
    event: Option<(u32, String)>,
    extra: Vec<(i64, String)>,
}

fn sample() -> impl Strategy<Value = Sample> {
    let place = (-900_000_000_i32..=900_000_000, -1_800_000_000_i32..=1_800_000_000);
    let place = place.prop_filter("0/0 is no place", |place| *place != (0, 0));
    let vehicle = (
        prop::option::of(place),
        prop::option::of(0_u32..10_000),
        any::<Option<bool>>(),
        prop::option::of(0_u32..1_000_000),
    );
    let rest = (
        any::<Option<u16>>(),
        any::<Option<u64>>(),
        prop::option::of(0_u8..16),
        prop::option::of((1_u32.., "[a-z]{1,12}")),
        prop::collection::vec((any::<i64>(), ".{0,10}"), 0..4),
    );
    ("[A-Za-z0-9._:-]{1,64}", 100_000_000_000_i64..253_402_300_799_999, vehicle, rest).prop_map(
        |(id, ms, (place, speed_cms, ignition, odometer_miles), (supply_mv, cell, inputs, event, extra))| {
            Sample {
                id,
                ms,
                place,
                speed_cms,
                ignition,
                odometer_miles,
                supply_mv,
                cell,
                inputs,
                event: event.filter(|(_, name)| name != "periodic"),
                extra,
            }
        },
    )
}

impl Sample {
    fn json(&self) -> Value {
        let mut record = Map::new();
        record.insert("unit".into(), json!(self.id));
        record.insert("clock".into(), json!(self.ms));
        let mut gnss = Map::new();
        if let Some((latitude, longitude)) = self.place {
            gnss.insert("lat".into(), json!(latitude));
            gnss.insert("lon".into(), json!(longitude));
        }
        if let Some(speed) = self.speed_cms {
            gnss.insert("v".into(), json!(f64::from(speed) / 100.0));
        }
        record.insert("gnss".into(), gnss.into());
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                record.insert(name.into(), value);
            }
        };
        put("ign", self.ignition.map(|on| if on { "ON" } else { "OFF" }.into()));
        put("odo", self.odometer_miles.map(Value::from));
        put("power", self.supply_mv.map(|millivolts| json!([millivolts])));
        put("net", self.cell.map(|cell| json!({ "cid": format!("{cell:x}") })));
        put("din", self.inputs.map(Value::from));
        put("event", self.event.as_ref().map(|(code, name)| json!({ "code": code, "name": name })));
        for (place, (number, text)) in self.extra.iter().enumerate() {
            put(&format!("n{place}"), Some(json!(number)));
            put(&format!("t{place}"), Some(json!(text)));
        }
        record.into()
    }

    fn check(&self, event: &PositionEvent) -> Result<(), TestCaseError> {
        let time = event.device_time.unwrap();
        prop_assert_eq!(time.seconds * 1000 + i64::from(time.nanos) / 1_000_000, self.ms);
        let fix = event.fix;
        prop_assert_eq!(fix.is_some(), self.place.is_some() || self.speed_cms.is_some());
        if let (Some(fix), Some((latitude, longitude))) = (fix, self.place) {
            prop_assert_eq!(fix.r#type(), FixType::Fix);
            prop_assert_eq!(
                (fix.latitude, fix.longitude),
                (f64::from(latitude) / 1e7, f64::from(longitude) / 1e7)
            );
        }
        let speed = fix.and_then(|fix| fix.speed_kmh);
        prop_assert_eq!(speed, self.speed_cms.map(|speed| f64::from(speed) / 100.0 * 3.6));
        prop_assert_eq!(event.ignition, self.ignition);
        prop_assert_eq!(event.odometer_m, self.odometer_miles.map(|miles| f64::from(miles) * 1609.344));
        let supply = event.power.and_then(|power| power.supply_v);
        prop_assert_eq!(supply, self.supply_mv.map(|millivolts| f64::from(millivolts) / 1000.0));
        prop_assert_eq!(event.cell.and_then(|cell| cell.cell_id), self.cell);
        let lines: Vec<_> = event.inputs.iter().map(|line| line.on).collect();
        let bits = self.inputs.map(|bits| (0..4).map(|bit| bits >> bit & 1 == 1).collect::<Vec<_>>());
        prop_assert_eq!(lines, bits.unwrap_or_default());
        for (place, (number, text)) in self.extra.iter().enumerate() {
            let typed = u64::try_from(*number).map_or(Typed::IntValue(*number), Typed::UintValue);
            prop_assert_eq!(&event.attributes[&format!("x.n{place}")].value, &Some(typed));
            let typed = Typed::StringValue(text.clone());
            prop_assert_eq!(&event.attributes[&format!("x.t{place}")].value, &Some(typed));
        }
        prop_assert_eq!(event.attributes.len(), self.extra.len() * 2);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn no_bytes_panic(payload in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&payload)?;
    }

    #[test]
    fn no_json_panics(value in value()) {
        check(&serde_json::to_vec(&value).unwrap())?;
    }

    #[test]
    fn no_mutation_of_a_sample_panics(
        samples in prop::collection::vec(sample(), 1..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let records: Vec<_> = samples.iter().map(Sample::json).collect();
        let mut payload = serde_json::to_vec(&json!({ "data": records })).unwrap();
        for (index, byte) in changes {
            let place = index.index(payload.len());
            payload[place] = byte;
        }
        check(&payload)?;
        check(&payload[..cut.index(payload.len())])?;
    }

    #[test]
    fn what_is_written_is_read(samples in prop::collection::vec(sample(), 1..5), pretty in any::<bool>()) {
        let value = json!({ "data": samples.iter().map(Sample::json).collect::<Vec<_>>() });
        let payload = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        let codec = Codec::Json(Arc::clone(&MAPPINGS[0]));
        let decoded = opened::decode(&codec, Input { payload: &payload, ..Input::default() }).unwrap();
        prop_assert!(decoded.rejected.is_empty());
        let mut records = decoded.records.iter();
        for sample in &samples {
            let record = records.next().unwrap();
            prop_assert_eq!(record.device_id.as_ref().map(DeviceId::as_str), Some(sample.id.as_str()));
            let text: Value = serde_json::from_slice(&payload[record.span.clone()]).unwrap();
            prop_assert_eq!(text, sample.json());
            let Body::Position(event) = &record.body else { panic!("an event") };
            sample.check(event)?;
            if let Some((code, name)) = &sample.event {
                let Body::Event(event) = &records.next().unwrap().body else { panic!("a position") };
                prop_assert_eq!((event.code, &event.text), (Some(*code), name));
            }
        }
        prop_assert!(records.next().is_none());
    }
}
