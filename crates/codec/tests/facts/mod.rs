//! An event broken down to a list of names and values, so that two decodes of DT7 can be compared: they are equal
//! if every fact is, and none is missing in either.

use std::collections::BTreeMap;
use std::fmt::Display;

use fleetwire_model::pb::attribute_value::Value as Typed;
use fleetwire_model::pb::{FixType, OdometerSource, PositionEvent, Quality};

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts(BTreeMap<String, String>);

impl Facts {
    pub(crate) fn put(&mut self, name: impl Into<String>, value: impl Display) {
        self.0.insert(name.into(), value.to_string());
    }

    /// Rounded, so that the last place of a sum or of a reader of numbers does not count.
    pub(crate) fn number(&mut self, name: impl Into<String>, value: f64) {
        self.put(name, format!("{value:.6}"));
    }

    pub(crate) fn attribute(&mut self, name: &str, value: impl Display) {
        self.put(format!("attribute {name}"), value);
    }

    pub(crate) fn attribute_number(&mut self, name: &str, value: f64) {
        self.number(format!("attribute {name}"), value);
    }

    /// Adds what a later field of the same record becomes: a key goes before a card, and the temperature sensor that
    /// stands alone gives way to the first of a group.
    pub(crate) fn merge(&mut self, mut later: Self) {
        if self.0.contains_key("driver_id") {
            later.0.remove("driver_id");
        }
        if later.0.contains_key("temperature 1")
            && let Some(alone) = self.0.remove("temperature 1")
        {
            self.0.insert("attribute one_wire_c".to_owned(), alone);
        }
        self.0.extend(later.0);
    }

    fn some(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.number(name, value);
        }
    }

    /// The facts of an event but its time.
    pub(crate) fn of(event: &PositionEvent) -> Self {
        let mut facts = Self::default();
        facts.fix(event);
        if let Some(on) = event.ignition {
            facts.put("ignition", on);
        }
        assert!(event.is_moving.is_none() && event.outputs.is_empty() && event.fix_time.is_none());
        for line in &event.inputs {
            facts.put(format!("input {}", line.number), line.on);
        }
        for input in &event.analog_inputs {
            facts.number(format!("analog {}", input.number), input.volts);
        }
        let power = event.power.unwrap_or_default();
        facts.some("supply_v", power.supply_v);
        facts.some("battery_v", power.battery_v);
        facts.some("odometer_m", event.odometer_m);
        assert_eq!(event.odometer_source() == OdometerSource::Vehicle, event.odometer_m.is_some());
        facts.vehicle(event);
        for sensor in &event.temperatures {
            facts.number(format!("temperature {}", sensor.number), sensor.celsius);
            facts.put(format!("temperature {} sensor", sensor.number), &sensor.sensor_id);
        }
        if let Some(driver) = &event.driver_id {
            facts.put("driver_id", driver);
        }
        if let Some(cell) = event.cell {
            let codes = (cell.mcc, cell.mnc, cell.lac, cell.cell_id, cell.signal_dbm);
            facts.put("cell", format!("{codes:?}"));
        }
        facts.attributes(event);
        // Whether there is a fix is a fact of its own.
        for quality in event.quality().filter(|quality| *quality != Quality::NoFix) {
            facts.put(quality.as_str_name(), "");
        }
        facts
    }

    fn fix(&mut self, event: &PositionEvent) {
        let Some(fix) = event.fix else { return };
        self.put("fix", fix.r#type().as_str_name());
        if fix.r#type() != FixType::NoFix {
            self.number("latitude", fix.latitude);
            self.number("longitude", fix.longitude);
        }
        self.some("altitude_m", fix.altitude_m);
        self.some("speed_kmh", fix.speed_kmh);
        self.some("heading_deg", fix.heading_deg);
        self.some("satellites", fix.satellites.map(f64::from));
        assert!(fix.hdop.is_none() && fix.accuracy_m.is_none());
    }

    fn vehicle(&mut self, event: &PositionEvent) {
        let engine = event.engine.unwrap_or_default();
        self.some("speed_rpm", engine.speed_rpm);
        self.some("hours", engine.hours);
        self.some("coolant_c", engine.coolant_c);
        self.some("load_pct", engine.load_pct);
        self.some("accelerator_pct", engine.accelerator_pct);
        let fuel = event.fuel.unwrap_or_default();
        self.some("level_pct", fuel.level_pct);
        self.some("used_l", fuel.used_l);
        self.some("rate_lph", fuel.rate_lph);
        self.some("level_2_pct", fuel.level_2_pct);
    }

    fn attributes(&mut self, event: &PositionEvent) {
        for (name, attribute) in &event.attributes {
            match &attribute.value {
                None => self.attribute(name, "absent"),
                Some(Typed::BoolValue(on)) => self.attribute(name, on),
                Some(Typed::IntValue(number)) => self.attribute(name, number),
                Some(Typed::UintValue(number)) => self.attribute(name, number),
                Some(Typed::DoubleValue(number)) => self.attribute_number(name, *number),
                Some(Typed::StringValue(text)) => self.attribute(name, text),
                Some(Typed::BytesValue(raw)) => self.attribute(name, hex::encode(raw)),
            }
        }
    }
}
