//! The captures, and an event broken down to a list of facts, so that decodes can be compared.

use std::collections::BTreeMap;
use std::path::Path;

use fleetwire_codec::iotm::Options;
use fleetwire_codec::{Codec, Input};
use fleetwire_model::pb::attribute_value::Value as Typed;
use fleetwire_model::pb::{FixType, OdometerSource, PositionEvent};
use serde_json::Value;

use crate::opened::{self, Decoded};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/iotm")
}

/// The vectors with their independent decode.
pub(crate) fn all() -> Vec<Value> {
    serde_json::from_str(&std::fs::read_to_string(folder().join("vectors.json")).unwrap()).unwrap()
}

/// The bytes of a fixture.
pub(crate) fn payload(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(folder().join(name).with_extension("hex")).unwrap();
    hex::decode(text.trim()).unwrap()
}

/// What a payload that must decode holds.
pub(crate) fn decode(payload: &[u8], options: &Options) -> Decoded {
    let codec = Codec::Iotm(options.clone());
    opened::decode(&codec, Input { payload, ..Input::default() }).unwrap()
}

/// An event as names and values; two are equal if every fact is, and none is missing in either.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Expected(BTreeMap<String, String>);

impl Expected {
    fn put(&mut self, name: impl Into<String>, value: impl std::fmt::Display) {
        self.0.insert(name.into(), format!("{value}"));
    }

    /// The facts of a telemetry record of `vectors.json`, by the rules of docs/protocols/iotm.md.
    pub(crate) fn of(record: &Value) -> Self {
        let mut facts = Self::default();
        let sensors: BTreeMap<u16, &Value> = record["sensors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|sensor| {
                let id = sensor[0].as_str().unwrap().trim_start_matches("0x");
                (u16::from_str_radix(id, 16).unwrap(), sensor)
            })
            .collect();
        let bool_of = |id: u16| sensors.get(&id).and_then(|sensor| sensor[2].as_bool());
        for (id, sensor) in &sensors {
            facts.sensor(*id, sensor);
        }
        let ignition = match (bool_of(0x006D), bool_of(0x0013)) {
            (Some(true), _) => Some(true),
            (signal, wired) => wired.or(signal),
        };
        if let Some(on) = ignition {
            facts.put("ignition", on);
            if bool_of(0x006D).is_some_and(|signal| signal != on) {
                facts.put("attribute ignition_signal", format!("bool {}", !on));
            }
        }
        let distance = |id: u16| sensors.get(&id).and_then(|sensor| sensor[2].as_f64());
        match (distance(0x4003), distance(0xB002)) {
            (None, None) => {}
            (Some(vehicle), other) if vehicle > 0.0 || other.is_none() => {
                facts.put("odometer vehicle", metres(vehicle * 5.0));
            }
            (zero, device) => {
                facts.put("odometer device", metres(device.unwrap()));
                if zero.is_some() {
                    facts.put("attribute io_0x4003", "uint 0");
                }
            }
        }
        facts
    }

    fn sensor(&mut self, id: u16, sensor: &Value) {
        let (value_type, value) = (sensor[1].as_u64().unwrap(), &sensor[2]);
        let number = value.as_f64().unwrap_or(f64::NAN);
        match id {
            0x0002 => self.put("is_moving", value.as_bool().unwrap()),
            0x0010..=0x0015 => self.put(format!("input {}", id - 0x0010 + 2), value.as_bool().unwrap()),
            0x0094..=0x0096 => self.put(format!("output {}", id - 0x0093), value.as_bool().unwrap()),
            0x3000 => self.put("supply_v", number / 1000.0),
            0x3004 => self.put("battery_v", number / 1000.0),
            0x3008 => self.put("mcc", value),
            0x2003 => self.put("mnc", value),
            0x5000 => self.put("driver_id", value),
            0xD000 => self.gps(value),
            // The GPS structure holds these too, and in the captures they agree with it.
            0x2000 | 0x2001 | 0x300B | 0x006D | 0x4003 | 0xB002 => {}
            0x001E => self.put("attribute ibutton_present", format!("bool {value}")),
            0x0062 => self.put("attribute door_front_left", format!("bool {value}")),
            0x008C => self.put("attribute foot_brake", format!("bool {value}")),
            0xC000 => self.put("attribute text", format!("string {}", value.as_str().unwrap())),
            _ => {
                let kind = match (value_type, id >> 12) {
                    (0 | 1, _) => "bool",
                    (3, 0xA | 0xB) => "double",
                    _ => "uint",
                };
                self.put(format!("attribute io_{id:#06X}"), format!("{kind} {value}"));
            }
        }
    }

    fn gps(&mut self, value: &Value) {
        let number = |key: &str| value[key].as_f64().unwrap();
        self.put("latitude", number("latitude"));
        self.put("longitude", number("longitude"));
        self.put("speed_kmh", number("speed_kmh"));
        self.put("heading_deg", number("course"));
        self.put("altitude_m", number("altitude"));
        self.put("satellites", number("satellites"));
        // The largest value of its byte means that the device does not know it.
        if number("hdop") < 25.5 {
            self.put("hdop", number("hdop"));
        }
        let lost = number("satellites") == 0.0 && number("hdop") == 0.0;
        self.put("fix", if lost { FixType::LastKnown } else { FixType::Fix }.as_str_name());
    }

    /// The facts of a decoded event.
    pub(crate) fn found_in(event: &PositionEvent) -> Self {
        let mut facts = Self::default();
        let mut put = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                facts.put(name, value);
            }
        };
        put("is_moving", event.is_moving.map(|on| on.to_string()));
        put("ignition", event.ignition.map(|on| on.to_string()));
        put("driver_id", event.driver_id.clone());
        let odometer = match event.odometer_source() {
            OdometerSource::Vehicle => "odometer vehicle",
            _ => "odometer device",
        };
        put(odometer, event.odometer_m.map(metres));
        let power = event.power.unwrap_or_default();
        put("supply_v", power.supply_v.map(|volts| volts.to_string()));
        put("battery_v", power.battery_v.map(|volts| volts.to_string()));
        let cell = event.cell.unwrap_or_default();
        put("mcc", cell.mcc.map(|code| code.to_string()));
        put("mnc", cell.mnc.map(|code| code.to_string()));
        if let Some(fix) = event.fix {
            put("latitude", Some(fix.latitude.to_string()));
            put("longitude", Some(fix.longitude.to_string()));
            put("speed_kmh", fix.speed_kmh.map(|value| value.to_string()));
            put("heading_deg", fix.heading_deg.map(|value| value.to_string()));
            put("altitude_m", fix.altitude_m.map(|value| value.to_string()));
            put("satellites", fix.satellites.map(|value| value.to_string()));
            put("hdop", fix.hdop.map(|value| value.to_string()));
            put("fix", Some(fix.r#type().as_str_name().to_owned()));
        }
        for line in &event.inputs {
            facts.put(format!("input {}", line.number), line.on);
        }
        for line in &event.outputs {
            facts.put(format!("output {}", line.number), line.on);
        }
        for (name, attribute) in &event.attributes {
            let text = match attribute.value.as_ref().unwrap() {
                Typed::BoolValue(on) => format!("bool {on}"),
                Typed::UintValue(number) => format!("uint {number}"),
                Typed::IntValue(number) => format!("int {number}"),
                Typed::DoubleValue(number) => format!("double {number}"),
                Typed::StringValue(text) => format!("string {text}"),
                Typed::BytesValue(raw) => format!("bytes {raw:?}"),
            };
            facts.put(format!("attribute {name}"), text);
        }
        facts
    }
}

/// To a micrometre: the reader of `vectors.json` may be off by one unit in the last place.
fn metres(metres: f64) -> String {
    format!("{metres:.6}")
}
