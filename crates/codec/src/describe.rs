//! What became of a part of a payload, in words of the contract, for explanations: names of fields as the contract
//! has them, each with its value. It is read back from the bytes that decoding made, so that it cannot differ.

use std::fmt::Write as _;

use fleetwire_model::pb::attribute_value::Value;
use fleetwire_model::pb::{
    AttributeValue, Cell, DeviceEvent, DigitalLine, Engine, Fix, FixType, Fuel, OdometerSource,
    PositionEvent, Power,
};
use fleetwire_model::time;
use prost::Message as _;

use crate::{Event, Position};

/// Fields and values, in the order of the contract.
#[derive(Debug, Default)]
struct Facts(String);

/// What a position holds; empty if nothing.
pub(crate) fn position(position: &Position) -> String {
    let mut bytes = Vec::new();
    position.write(&mut bytes);
    let mut facts = Facts::default();
    // What was written is a message.
    let event = PositionEvent::decode(bytes.as_slice()).unwrap_or_default();
    facts.put("device_time", event.device_time.as_ref());
    if let Some(fix) = &event.fix {
        facts.fix(fix);
    }
    facts.put("ignition", event.ignition);
    facts.put("is_moving", event.is_moving);
    facts.lines("inputs", &event.inputs);
    facts.lines("outputs", &event.outputs);
    for input in &event.analog_inputs {
        facts.put(&format!("analog_inputs {}", input.number), Some(format!("{} V", input.volts)));
    }
    facts.power(&event.power.unwrap_or_default());
    let by = match event.odometer_source() {
        OdometerSource::Vehicle => "vehicle",
        _ => "device",
    };
    facts.put("odometer_m", event.odometer_m.map(|metres| format!("{metres} ({by})")));
    facts.engine(&event.engine.unwrap_or_default());
    facts.fuel(&event.fuel.unwrap_or_default());
    for sensor in &event.temperatures {
        let id = if sensor.sensor_id.is_empty() { "" } else { ", sensor " };
        let value = format!("{} °C{id}{}", sensor.celsius, sensor.sensor_id);
        facts.put(&format!("temperatures {}", sensor.number), Some(value));
    }
    facts.put("driver_id", event.driver_id.as_ref());
    facts.cell(&event.cell.unwrap_or_default());
    facts.attributes(&event.attributes);
    for quality in event.quality() {
        facts.put("quality", Some(quality.as_str_name()));
    }
    facts.0
}

/// What an event holds.
pub(crate) fn event(event: &Event) -> String {
    let mut bytes = Vec::new();
    event.write(&mut bytes);
    let mut facts = Facts::default();
    let event = DeviceEvent::decode(bytes.as_slice()).unwrap_or_default();
    facts.put("device_time", event.device_time.as_ref());
    facts.put("function", event.function);
    facts.put("code", event.code);
    facts.put("text", (!event.text.is_empty()).then_some(event.text.as_str()));
    facts.attributes(&event.attributes);
    for quality in event.quality() {
        facts.put("quality", Some(quality.as_str_name()));
    }
    facts.0
}

/// A time for a person.
pub(crate) fn time(unix_ms: i64) -> String {
    time::from_unix_ms(unix_ms).to_string()
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // A string takes whatever is written to it.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Facts {
    fn put(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            let comma = if self.0.is_empty() { "" } else { ", " };
            let _ = write!(self.0, "{comma}{name} = {value}");
        }
    }

    fn fix(&mut self, fix: &Fix) {
        let name = fix.r#type().as_str_name();
        self.put("fix.type", Some(name.strip_prefix("FIX_TYPE_").unwrap_or(name)));
        if fix.r#type() != FixType::NoFix {
            self.put("fix.latitude", Some(fix.latitude));
            self.put("fix.longitude", Some(fix.longitude));
        }
        self.put("fix.altitude_m", fix.altitude_m);
        self.put("fix.speed_kmh", fix.speed_kmh);
        self.put("fix.heading_deg", fix.heading_deg);
        self.put("fix.satellites", fix.satellites);
        self.put("fix.hdop", fix.hdop);
    }

    fn lines(&mut self, name: &str, lines: &[DigitalLine]) {
        let state = |line: &DigitalLine| format!("{} {}", line.number, if line.on { "on" } else { "off" });
        let states: Vec<_> = lines.iter().map(state).collect();
        self.put(name, (!states.is_empty()).then(|| states.join(" ")));
    }

    fn power(&mut self, power: &Power) {
        self.put("power.supply_v", power.supply_v);
        self.put("power.battery_v", power.battery_v);
        self.put("power.battery_level_pct", power.battery_level_pct);
    }

    fn engine(&mut self, engine: &Engine) {
        self.put("engine.speed_rpm", engine.speed_rpm);
        self.put("engine.hours", engine.hours);
        self.put("engine.coolant_c", engine.coolant_c);
        self.put("engine.load_pct", engine.load_pct);
        self.put("engine.accelerator_pct", engine.accelerator_pct);
    }

    fn fuel(&mut self, fuel: &Fuel) {
        self.put("fuel.level_pct", fuel.level_pct);
        self.put("fuel.used_l", fuel.used_l);
        self.put("fuel.rate_lph", fuel.rate_lph);
        self.put("fuel.level_2_pct", fuel.level_2_pct);
    }

    fn cell(&mut self, cell: &Cell) {
        self.put("cell.mcc", cell.mcc);
        self.put("cell.mnc", cell.mnc);
        self.put("cell.lac", cell.lac);
        self.put("cell.cell_id", cell.cell_id);
        self.put("cell.signal_dbm", cell.signal_dbm);
    }

    fn attributes<'a>(&mut self, attributes: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>) {
        for (name, attribute) in attributes {
            let value = match &attribute.value {
                None => "absent".to_owned(),
                Some(Value::BoolValue(on)) => on.to_string(),
                Some(Value::IntValue(number)) => number.to_string(),
                Some(Value::UintValue(number)) => number.to_string(),
                Some(Value::DoubleValue(number)) => number.to_string(),
                Some(Value::StringValue(text)) => format!("{text:?}"),
                Some(Value::BytesValue(raw)) => hex(raw),
            };
            self.put(&format!("attribute {name}"), Some(value));
        }
    }
}
