//! Telemetry records: a time and items, into one `PositionEvent`. An item that does not fit the field of
//! its sensor (another type, out of range, not finite) is kept as an attribute, so that nothing is lost.

use fleetwire_model::pb::{AnalogInput, DigitalLine, Fix, FixType, OdometerSource};
use fleetwire_model::pb::{PositionEvent, Quality, Temperature};

use super::sensors::{self, Meaning};
use super::value::{Gps, Value, take_item};
use super::{attribute, event, fix};
use crate::{IgnitionRule, Options, SensorId};

/// Attribute with the bytes of a record from its first unreadable item to its end.
const UNDECODED: &str = "undecoded";

/// The event of a record's body, in an empty one; `None` if it is too short to hold a time.
pub(super) fn decode(
    body: &[u8],
    options: &Options,
    blank: Box<PositionEvent>,
) -> Option<Box<PositionEvent>> {
    let (time, mut items) = body.split_first_chunk()?;
    let mut record = Telemetry::new(options, blank);
    record.event.device_time = Some(event::seconds(*time));
    while !items.is_empty() {
        let Some((id, value, rest)) = take_item(items) else {
            record.stop(items);
            break;
        };
        record.item(id, value);
        items = rest;
    }
    Some(record.finish())
}

/// A record on its way to an event: what is filled at once, and what only the whole record decides.
struct Telemetry<'a> {
    options: &'a Options,
    /// Boxed from the start: it is large, and would be copied on its way.
    event: Box<PositionEvent>,
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
    fn new(options: &'a Options, event: Box<PositionEvent>) -> Self {
        Self {
            options,
            event,
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
        self.event.quality.push(Quality::PartialRecord.into());
        attribute::put(&mut self.event, UNDECODED, attribute::bytes(undecoded));
    }

    fn item(&mut self, id: u16, value: Value<'a>) {
        if let Value::Bool(on) = value {
            self.ignition_source(id, on);
        }
        if let Some(scale) = self.options.scale(id) {
            if let Some(raw) = attribute::number(value) {
                attribute::put_scaled(&mut self.event, scale, raw);
            }
            attribute::put_raw(&mut self.event, id, value);
        } else if !sensors::meaning(id).is_some_and(|meaning| self.fill(id, meaning, value)) {
            attribute::put_raw(&mut self.event, id, value);
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
            (Meaning::Motion, Value::Bool(on)) => self.event.is_moving = Some(on),
            (Meaning::Ignition, Value::Bool(on)) => self.ignition_signal = Some(on),
            (Meaning::Input(number), Value::Bool(on)) => set_line(&mut self.event.inputs, number, on),
            (Meaning::Output(number), Value::Bool(on)) => set_line(&mut self.event.outputs, number, on),
            (Meaning::Driver, Value::Unsigned(number)) => self.event.driver_id = Some(number.to_string()),
            (Meaning::Gps, Value::Gps(gps)) => self.gps = Some(gps),
            (Meaning::Named(name), _) => {
                attribute::put(&mut self.event, name, attribute::typed(id, value));
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
                let volts = number / 1000.0;
                self.event.analog_inputs.retain(|line| line.number != input);
                self.event.analog_inputs.push(AnalogInput { number: input, volts });
            }
            Meaning::Celsius(sensor) => {
                self.event.temperatures.retain(|line| line.number != sensor);
                let sensor_id = String::new();
                self.event.temperatures.push(Temperature { number: sensor, celsius: number, sensor_id });
            }
            Meaning::SupplyMillivolts => {
                self.event.power.get_or_insert_default().supply_v = Some(number / 1000.0);
            }
            Meaning::BatteryMillivolts => {
                self.event.power.get_or_insert_default().battery_v = Some(number / 1000.0);
            }
            Meaning::BatteryLevel if within(0.0, 100.0) => {
                self.event.power.get_or_insert_default().battery_level_pct = Some(number);
            }
            Meaning::EngineLoad if within(0.0, 125.0) => {
                self.event.engine.get_or_insert_default().load_pct = Some(number);
            }
            Meaning::FuelRate if number >= 0.0 => {
                self.event.fuel.get_or_insert_default().rate_lph = Some(number / 20.0);
            }
            Meaning::Scaled(name, factor) => {
                attribute::put(&mut self.event, name, attribute::double(number * factor));
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
            Meaning::CountryCode => self.event.cell.get_or_insert_default().mcc = Some(whole),
            Meaning::NetworkCode => self.event.cell.get_or_insert_default().mnc = Some(whole),
            _ => self.satellites = Some(value),
        }
        true
    }

    fn finish(mut self) -> Box<PositionEvent> {
        self.event.ignition = self.ignition.map(|(_, on)| on);
        // Where another source decided otherwise, the signal itself stays visible.
        if let Some(on) = self.ignition_signal.filter(|on| self.event.ignition != Some(*on)) {
            attribute::put(&mut self.event, "ignition_signal", attribute::boolean(on));
        }
        self.finish_odometer();
        self.finish_fix();
        self.event
    }

    /// The vehicle's own distance goes first; zero means that its bus is not connected, as far as the
    /// device's distance can stand in.
    fn finish_odometer(&mut self) {
        let (metres, source) = match (self.vehicle_m, self.device_m) {
            (Some(vehicle), None) => (vehicle, OdometerSource::Vehicle),
            (Some(vehicle), Some(device)) if vehicle > 0.0 => {
                attribute::put(&mut self.event, "distance_m", attribute::double(device));
                (vehicle, OdometerSource::Vehicle)
            }
            (zero, Some(device)) => {
                if zero.is_some() {
                    attribute::put_raw(&mut self.event, 0x4003, Value::Zero);
                }
                (device, OdometerSource::Device)
            }
            (None, None) => return,
        };
        self.event.odometer_m = Some(metres);
        self.event.odometer_source = source.into();
    }

    fn finish_fix(&mut self) {
        match self.gps {
            Some(gps) => {
                self.event.fix = Some(fix::fix(&gps, self.options.no_fix_rule));
                if !fix::is_usable(&gps) {
                    self.event.quality.push(Quality::CoordinatesOutOfRange.into());
                }
                if !fix::is_usable(&gps) || !fix::has_course(&gps) {
                    attribute::put_raw(&mut self.event, 0xD000, Value::Gps(gps));
                }
                self.keep_if_different(0x2000, self.speed, gps.speed_kmh.into());
                self.keep_if_different(0x300B, self.course, gps.course_deg.into());
                self.keep_if_different(0x2001, self.satellites, gps.satellites.into());
            }
            None if self.speed.is_some() || self.course.is_some() || self.satellites.is_some() => {
                self.event.fix = Some(Fix {
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
            attribute::put_raw(&mut self.event, id, value);
        }
    }
}

fn set_line(lines: &mut Vec<DigitalLine>, number: u32, on: bool) {
    match lines.iter_mut().find(|line| line.number == number) {
        Some(line) => line.on = on,
        None => lines.push(DigitalLine { number, on }),
    }
}
