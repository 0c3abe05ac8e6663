//! One position on its way: what a protocol fills, field by field, and how it is written as the device's part of a
//! `PositionEvent`. One of these is used for all records.

use compact_str::CompactString;
use fleetwire_model::pb::{Cell, Engine, Fix, FixType, Fuel, OdometerSource, Power, Quality};
use fleetwire_model::wire;

use crate::attributes::{Attribute, Attributes};
use crate::numbered::{Lines, Numbered};

/// The device's part of a `PositionEvent`; the contract documents each field. What a device does not tell stays
/// empty.
#[derive(Debug, Clone)]
pub struct Position {
    /// Time in the record, Unix milliseconds.
    pub device_time_ms: Option<i64>,
    /// Time of the fix where it is told apart from the record's, Unix milliseconds.
    pub fix_time_ms: Option<i64>,
    /// The position.
    pub fix: Option<Fix>,
    /// Whether the ignition is on.
    pub ignition: Option<bool>,
    /// Whether the device says that it moves.
    pub is_moving: Option<bool>,
    /// Digital inputs.
    pub inputs: Lines,
    /// Digital outputs.
    pub outputs: Lines,
    /// Analogue inputs by number from 1, volts.
    pub analog_inputs: Numbered,
    /// Supply and internal battery.
    pub power: Power,
    /// Total distance in metres, and who counted it.
    pub odometer_m: Option<(f64, OdometerSource)>,
    /// Engine data.
    pub engine: Engine,
    /// Fuel data.
    pub fuel: Fuel,
    /// Temperatures by number, 0 for the one inside the device, degrees Celsius.
    pub temperatures: Numbered,
    /// Serial numbers of temperature sensors, for those that tell one.
    pub temperature_sensors: Vec<(u32, CompactString)>,
    /// Driver key or card.
    pub driver_id: Option<CompactString>,
    /// Serving mobile cell.
    pub cell: Cell,
    /// Everything else.
    pub attributes: Attributes,
    /// What to know before trusting it.
    pub quality: QualitySet,
}

/// Numbers of the fields of `PositionEvent`.
mod field {
    pub(super) const DEVICE_TIME: u32 = 6;
    pub(super) const FIX_TIME: u32 = 7;
    pub(super) const FIX: u32 = 10;
    pub(super) const IGNITION: u32 = 11;
    pub(super) const IS_MOVING: u32 = 12;
    pub(super) const INPUTS: u32 = 13;
    pub(super) const OUTPUTS: u32 = 14;
    pub(super) const ANALOG_INPUTS: u32 = 15;
    pub(super) const POWER: u32 = 16;
    pub(super) const ODOMETER_M: u32 = 17;
    pub(super) const ENGINE: u32 = 18;
    pub(super) const FUEL: u32 = 19;
    pub(super) const TEMPERATURES: u32 = 20;
    pub(super) const DRIVER_ID: u32 = 21;
    pub(super) const CELL: u32 = 22;
    pub(super) const ODOMETER_SOURCE: u32 = 23;
    pub(super) const ATTRIBUTES: u32 = 30;
    pub(super) const QUALITY: u32 = 31;
}

impl Default for Position {
    fn default() -> Self {
        Self {
            device_time_ms: None,
            fix_time_ms: None,
            fix: None,
            ignition: None,
            is_moving: None,
            inputs: Lines::default(),
            outputs: Lines::default(),
            analog_inputs: Numbered::default(),
            power: Power::default(),
            odometer_m: None,
            engine: Engine::default(),
            fuel: Fuel::default(),
            temperatures: Numbered::default(),
            temperature_sensors: Vec::new(),
            driver_id: None,
            cell: Cell::default(),
            attributes: Attributes::new(field::ATTRIBUTES),
            quality: QualitySet::default(),
        }
    }
}

impl Position {
    /// Adds an attribute.
    #[inline]
    pub fn put(&mut self, name: &str, value: Attribute<'_>) {
        self.attributes.put(name, value);
    }

    /// Forgets everything and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.device_time_ms = None;
        self.fix_time_ms = None;
        self.fix = None;
        self.ignition = None;
        self.is_moving = None;
        self.inputs = Lines::default();
        self.outputs = Lines::default();
        self.analog_inputs.clear();
        self.power = Power::default();
        self.odometer_m = None;
        self.engine = Engine::default();
        self.fuel = Fuel::default();
        self.temperatures.clear();
        self.temperature_sensors.clear();
        self.driver_id = None;
        self.cell = Cell::default();
        self.attributes.clear();
        self.quality = QualitySet::default();
    }

    /// Appends the device's part of the event.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if let Some(ms) = self.device_time_ms {
            wire::timestamp(out, field::DEVICE_TIME, ms);
        }
        if let Some(ms) = self.fix_time_ms {
            wire::timestamp(out, field::FIX_TIME, ms);
        }
        if let Some(fix) = &self.fix {
            wire::message(out, field::FIX, |out| write_fix(out, fix));
        }
        some_bool(out, field::IGNITION, self.ignition);
        some_bool(out, field::IS_MOVING, self.is_moving);
        lines(out, field::INPUTS, self.inputs);
        lines(out, field::OUTPUTS, self.outputs);
        self.write_readings(out);
        if let Some((metres, source)) = self.odometer_m {
            wire::some_double(out, field::ODOMETER_M, metres);
            wire::number(out, field::ODOMETER_SOURCE, source as u64);
        }
        self.write_vehicle(out);
        out.extend_from_slice(self.attributes.as_bytes());
        let mut quality = self.quality;
        if self.fix.is_some_and(|fix| matches!(fix.r#type(), FixType::NoFix | FixType::LastKnown)) {
            quality.insert(Quality::NoFix);
        }
        quality.write(out, field::QUALITY);
    }

    fn write_readings(&self, out: &mut Vec<u8>) {
        if !self.analog_inputs.is_empty() {
            for (number, volts) in self.analog_inputs.iter() {
                wire::message(out, field::ANALOG_INPUTS, |out| {
                    wire::number(out, 1, number.into());
                    wire::double(out, 2, volts);
                });
            }
        }
        if !self.temperatures.is_empty() {
            for (number, celsius) in self.temperatures.iter() {
                wire::message(out, field::TEMPERATURES, |out| {
                    wire::number(out, 1, number.into());
                    wire::double(out, 2, celsius);
                    let sensor = self.temperature_sensors.iter().find(|(of, _)| *of == number);
                    wire::text(out, 3, sensor.map_or("", |(_, id)| id));
                });
            }
        }
    }

    fn write_vehicle(&self, out: &mut Vec<u8>) {
        if self.power != Power::default() {
            wire::message(out, field::POWER, |out| {
                some_doubles(out, [self.power.supply_v, self.power.battery_v, self.power.battery_level_pct]);
            });
        }
        let engine = &self.engine;
        if *engine != Engine::default() {
            let values =
                [engine.speed_rpm, engine.hours, engine.coolant_c, engine.load_pct, engine.accelerator_pct];
            wire::message(out, field::ENGINE, |out| some_doubles(out, values));
        }
        let fuel = &self.fuel;
        if *fuel != Fuel::default() {
            let values = [fuel.level_pct, fuel.used_l, fuel.rate_lph, fuel.level_2_pct];
            wire::message(out, field::FUEL, |out| some_doubles(out, values));
        }
        if let Some(driver) = &self.driver_id {
            wire::some_bytes(out, field::DRIVER_ID, driver.as_bytes());
        }
        let cell = &self.cell;
        if *cell != Cell::default() {
            wire::message(out, field::CELL, |out| {
                for (field, code) in [(1, cell.mcc), (2, cell.mnc), (3, cell.lac)] {
                    if let Some(code) = code {
                        wire::some_number(out, field, code.into());
                    }
                }
                if let Some(id) = cell.cell_id {
                    wire::some_number(out, 4, id);
                }
                if let Some(dbm) = cell.signal_dbm {
                    wire::some_zigzag(out, 5, dbm.into());
                }
            });
        }
    }
}

fn write_fix(out: &mut Vec<u8>, fix: &Fix) {
    wire::number(out, 1, u64::from(fix.r#type.cast_unsigned()));
    wire::double(out, 2, fix.latitude);
    wire::double(out, 3, fix.longitude);
    for (field, value) in [(4, fix.altitude_m), (5, fix.speed_kmh), (6, fix.heading_deg)] {
        if let Some(value) = value {
            wire::some_double(out, field, value);
        }
    }
    if let Some(satellites) = fix.satellites {
        wire::some_number(out, 7, satellites.into());
    }
    for (field, value) in [(8, fix.hdop), (9, fix.accuracy_m)] {
        if let Some(value) = value {
            wire::some_double(out, field, value);
        }
    }
}

fn some_bool(out: &mut Vec<u8>, field: u32, on: Option<bool>) {
    if let Some(on) = on {
        wire::some_number(out, field, on.into());
    }
}

/// Optional doubles in fields from 1.
fn some_doubles<const N: usize>(out: &mut Vec<u8>, values: [Option<f64>; N]) {
    for (field, value) in (1..).zip(values) {
        if let Some(value) = value {
            wire::some_double(out, field, value);
        }
    }
}

fn lines(out: &mut Vec<u8>, field: u32, lines: Lines) {
    // Numbers of lines are below 128, so each part is a byte: key and length of the line, number, state.
    for (number, on) in lines.iter() {
        let [number, ..] = number.to_le_bytes();
        wire::key(out, field);
        if on {
            out.extend_from_slice(&[4, 0x08, number, 0x10, 1]);
        } else {
            out.extend_from_slice(&[2, 0x08, number]);
        }
    }
}

/// Which quality flags are set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QualitySet(u32);

impl QualitySet {
    /// Sets a flag.
    pub const fn insert(&mut self, quality: Quality) {
        self.0 |= 1 << quality as u32;
    }

    /// Whether a flag is set.
    pub const fn contains(self, quality: Quality) -> bool {
        self.0 >> quality as u32 & 1 != 0
    }

    /// Appends the flags, in the order of their numbers, as a repeated field.
    pub fn write(self, out: &mut Vec<u8>, field: u32) {
        if self.0 != 0 {
            wire::message(out, field, |out| {
                for number in (0..32).filter(|number| self.0 >> number & 1 != 0) {
                    wire::varint(out, number);
                }
            });
        }
    }
}

#[cfg(test)]
#[path = "position_tests.rs"]
mod tests;
