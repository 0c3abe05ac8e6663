//! Telemetry records: a time and items, into one position. An item that does not fit the field of
//! its sensor (another type, out of range, not finite) is kept as an attribute, so that nothing is lost.

use compact_str::ToCompactString as _;
use fleetwire_model::pb::{Fix, FixType, OdometerSource, Quality};

use super::options::{IgnitionRule, Options};
use super::scale::SensorId;
use super::sensors::{self, Meaning};
use super::value::{Gps, Value, take_item};
use super::{attribute, event, fix};
use crate::{Attribute, Position};

/// Attribute with the bytes of a record from its first unreadable item to its end.
const UNDECODED: &str = "undecoded";

/// Fills in the position of a record's body; false if it is too short to hold a time.
pub(super) fn decode(body: &[u8], options: &Options, position: &mut Position) -> bool {
    let Some((time, mut items)) = body.split_first_chunk() else { return false };
    let mut record = Telemetry::new(options, position);
    record.position.device_time_ms = Some(event::milliseconds(*time));
    while !items.is_empty() {
        let Some((id, value, rest)) = take_item(items) else {
            record.stop(items);
            break;
        };
        record.item(id, value);
        items = rest;
    }
    record.finish();
    true
}

/// A record on its way to an event: what is filled at once, and what only the whole record decides.
struct Telemetry<'a> {
    options: &'a Options,
    position: &'a mut Position,
    gps: Option<Gps>,
    speed: Option<Value<'a>>,
    course: Option<Value<'a>>,
    satellites: Option<Value<'a>>,
    vehicle_m: Option<f64>,
    device_m: Option<f64>,
    /// Place in the list of sources, and state, of the source that decides.
    ignition: Option<(usize, bool)>,
    ignition_signal: Option<bool>,
}

impl<'a> Telemetry<'a> {
    fn new(options: &'a Options, position: &'a mut Position) -> Self {
        Self {
            options,
            position,
            gps: None,
            speed: None,
            course: None,
            satellites: None,
            vehicle_m: None,
            device_m: None,
            ignition: None,
            ignition_signal: None,
        }
    }

    fn stop(&mut self, undecoded: &[u8]) {
        self.position.quality.insert(Quality::PartialRecord);
        self.position.put(UNDECODED, Attribute::Bytes(undecoded));
    }

    fn item(&mut self, id: u16, value: Value<'a>) {
        if let Value::Bool(on) = value {
            self.ignition_source(id, on);
        }
        if let Some(scale) = self.options.scale(id) {
            if let Some(raw) = attribute::number(value) {
                scale.put(self.position, raw);
            }
            attribute::put_raw(self.position, id, value);
        } else if !sensors::meaning(id).is_some_and(|meaning| self.fill(id, meaning, value)) {
            attribute::put_raw(self.position, id, value);
        }
    }

    fn ignition_source(&mut self, id: u16, on: bool) {
        let place = self.options.ignition_sources.iter().position(|source| *source == SensorId(id));
        let Some(place) = place else { return };
        self.ignition = Some(match (self.options.ignition_rule, self.ignition) {
            (IgnitionRule::Any, Some((_, before))) => (place, before || on),
            (IgnitionRule::FirstReported, Some(before)) if before.0 < place => before,
            _ => (place, on),
        });
    }

    /// Puts a value where its sensor belongs; false if it does not fit there.
    fn fill(&mut self, id: u16, meaning: Meaning, value: Value<'a>) -> bool {
        match (meaning, value) {
            (Meaning::Motion, Value::Bool(on)) => self.position.is_moving = Some(on),
            (Meaning::Ignition, Value::Bool(on)) => self.ignition_signal = Some(on),
            (Meaning::Input(number), Value::Bool(on)) => return self.position.inputs.set(number, on),
            (Meaning::Output(number), Value::Bool(on)) => return self.position.outputs.set(number, on),
            (Meaning::Driver, Value::Unsigned(number)) => {
                self.position.driver_id = Some(number.to_compact_string());
            }
            (Meaning::Gps, Value::Gps(gps)) => self.gps = Some(gps),
            (Meaning::Named(name), _) => {
                attribute::put(self.position, name, id, value);
            }
            _ => {
                return attribute::number(value)
                    .is_some_and(|number| self.fill_number(meaning, number, value));
            }
        }
        true
    }

    fn fill_number(&mut self, meaning: Meaning, number: f64, value: Value<'a>) -> bool {
        let within = |low: f64, high: f64| (low..=high).contains(&number);
        match meaning {
            Meaning::AnalogMillivolts(input) => {
                return self.position.analog_inputs.set(input, number / 1000.0);
            }
            Meaning::Celsius(sensor) => {
                return self.position.temperatures.set(sensor, number);
            }
            Meaning::SupplyMillivolts => {
                self.position.power.supply_v = Some(number / 1000.0);
            }
            Meaning::BatteryMillivolts => {
                self.position.power.battery_v = Some(number / 1000.0);
            }
            Meaning::BatteryLevel if within(0.0, 100.0) => {
                self.position.power.battery_level_pct = Some(number);
            }
            Meaning::EngineLoad if within(0.0, 125.0) => {
                self.position.engine.load_pct = Some(number);
            }
            Meaning::FuelRate if number >= 0.0 => {
                self.position.fuel.rate_lph = Some(number / 20.0);
            }
            Meaning::Scaled(name, factor) => {
                self.position.put(name, Attribute::Double(number * factor));
            }
            Meaning::VehicleDistance if number >= 0.0 => self.vehicle_m = Some(number * 5.0),
            Meaning::DeviceDistance if number >= 0.0 => self.device_m = Some(number),
            Meaning::Speed if number >= 0.0 => self.speed = Some(value),
            Meaning::Course if within(0.0, fix::MAX_COURSE.into()) => self.course = Some(value),
            Meaning::CountryCode | Meaning::NetworkCode | Meaning::Satellites => {
                return self.fill_whole(meaning, value);
            }
            _ => return false,
        }
        true
    }

    fn fill_whole(&mut self, meaning: Meaning, value: Value<'a>) -> bool {
        let Some(whole) = attribute::whole(value) else {
            return false;
        };
        match meaning {
            Meaning::CountryCode => self.position.cell.mcc = Some(whole),
            Meaning::NetworkCode => self.position.cell.mnc = Some(whole),
            _ => self.satellites = Some(value),
        }
        true
    }

    fn finish(mut self) {
        self.position.ignition = self.ignition.map(|(_, on)| on);
        // Where another source decided otherwise, the signal itself stays visible.
        if let Some(on) = self.ignition_signal.filter(|on| self.position.ignition != Some(*on)) {
            self.position.put("ignition_signal", Attribute::Bool(on));
        }
        self.finish_odometer();
        self.finish_fix();
    }

    /// The vehicle's own distance goes first; zero means that its bus is not connected, as far as the
    /// device's distance can stand in.
    fn finish_odometer(&mut self) {
        let (metres, source) = match (self.vehicle_m, self.device_m) {
            (Some(vehicle), None) => (vehicle, OdometerSource::Vehicle),
            (Some(vehicle), Some(device)) if vehicle > 0.0 => {
                self.position.put("distance_m", Attribute::Double(device));
                (vehicle, OdometerSource::Vehicle)
            }
            (zero, Some(device)) => {
                if zero.is_some() {
                    attribute::put_raw(self.position, 0x4003, Value::Zero);
                }
                (device, OdometerSource::Device)
            }
            (None, None) => return,
        };
        self.position.odometer_m = Some((metres, source));
    }

    fn finish_fix(&mut self) {
        match self.gps {
            Some(gps) => {
                self.position.fix = Some(fix::fix(&gps, self.options.no_fix_rule));
                if !fix::is_usable(&gps) {
                    self.position.quality.insert(Quality::CoordinatesOutOfRange);
                }
                if !fix::is_usable(&gps) || !fix::has_course(&gps) {
                    attribute::put_raw(self.position, 0xD000, Value::Gps(gps));
                }
                self.keep_if_different(0x2000, self.speed, gps.speed_kmh.into());
                self.keep_if_different(0x300B, self.course, gps.course_deg.into());
                self.keep_if_different(0x2001, self.satellites, gps.satellites.into());
            }
            None if self.speed.is_some() || self.course.is_some() || self.satellites.is_some() => {
                self.position.fix = Some(Fix {
                    r#type: FixType::NoFix.into(),
                    speed_kmh: self.speed.and_then(attribute::number),
                    heading_deg: self.course.and_then(attribute::number),
                    satellites: self.satellites.and_then(attribute::whole),
                    ..Fix::default()
                });
            }
            None => {}
        }
    }

    fn keep_if_different(&mut self, id: u16, sensor: Option<Value<'a>>, in_gps: f64) {
        if let Some(value) = sensor
            && attribute::number(value).is_some_and(|number| (number - in_gps).abs() > f64::EPSILON)
        {
            attribute::put_raw(self.position, id, value);
        }
    }
}
