//! Records of masks and fields, into one position. What does not fit the field of the contract (out of range, not
//! available) is kept as an attribute, so that nothing is lost.

use compact_str::ToCompactString as _;
use fleetwire_model::pb::{OdometerSource, Quality};

use super::field::{Field, Kind};
use super::fix::Place;
use super::group;
use super::mask::{self, Part, Stop};
use super::options::{Adc, Options, Profile};
use crate::{Attribute, Position, Scale};

/// Attribute with the bytes of a record that are not read, to its end.
const UNDECODED: &str = "undecoded";
/// Attribute with the reason.
const UNDECODED_AT: &str = "undecoded_at";

/// Fills in the position of a record's body.
pub(super) fn decode(body: &[u8], options: &Options, position: &mut Position) {
    let mut record = Record::new(options, position);
    for part in mask::parts(body) {
        match part {
            Part::Field(field, bytes) => record.fill(field, bytes),
            Part::Rest(stop, bytes) => record.stop(stop, bytes),
        }
    }
    record.finish();
}

/// A record on its way to an event: what is filled at once, and what only the whole record decides.
pub(super) struct Record<'a> {
    options: &'a Options,
    position: &'a mut Position,
    /// Degrees Celsius of the 1-wire sensor that stands alone.
    one_wire_c: Option<f64>,
}

impl<'a> Record<'a> {
    pub(super) const fn new(options: &'a Options, position: &'a mut Position) -> Self {
        Self { options, position, one_wire_c: None }
    }

    fn stop(&mut self, stop: Stop, undecoded: &[u8]) {
        self.position.quality.insert(Quality::PartialRecord);
        self.position.put(UNDECODED, Attribute::Bytes(undecoded));
        self.position.put(UNDECODED_AT, Attribute::Text(&stop.to_string()));
    }

    /// Puts the bytes of a field where they belong.
    pub(super) fn fill(&mut self, field: &'static Field, bytes: &[u8]) {
        let position = &mut *self.position;
        match &field.kind {
            Kind::Place => self.place(field, bytes),
            Kind::Inputs => self.inputs(bytes),
            Kind::Adc(number) => self.analog(field, *number, bytes),
            Kind::Number(scale) => self.number(field, scale.as_ref(), bytes),
            Kind::VehicleDistance => self.vehicle_distance(field, bytes),
            Kind::Driver => self.driver(field, bytes),
            Kind::OneWire => self.one_wire(field, bytes),
            Kind::Bytes => position.put(field.name, Attribute::Bytes(bytes)),
            Kind::Counters(names) => group::counters(position, names, bytes),
            Kind::Cell => group::cell(position, bytes),
            Kind::Distance => group::distance(position, field.name, bytes),
            Kind::Levels(names) => group::levels(position, names, bytes),
            Kind::Accelerations => group::accelerations(position, bytes),
            Kind::Temperatures => group::temperatures(position, bytes),
            Kind::Cards => group::cards(position, bytes),
        }
    }

    fn place(&mut self, field: &Field, bytes: &[u8]) {
        let Some(place) = bytes.first_chunk().copied().map(Place::from_bytes) else { return };
        let position = &mut *self.position;
        position.fix = Some(place.fix(self.options.no_fix_rule));
        position.put("hdop_raw", Attribute::Uint(place.hdop_raw.into()));
        if place.has_distance() {
            position.put("distance_m", Attribute::Double(place.distance_m.into()));
        }
        if !place.is_on_earth() {
            position.quality.insert(Quality::CoordinatesOutOfRange);
        }
        if !place.is_whole() {
            position.put(field.name, Attribute::Bytes(bytes));
        }
    }

    fn inputs(&mut self, bytes: &[u8]) {
        let bits = whole(bytes);
        for number in 1..=16 {
            self.position.inputs.set(number, bits >> (number - 1) & 1 != 0);
        }
        if let Some(input) = self.options.ignition_input {
            self.position.ignition = Some(bits >> (input.get() - 1) & 1 != 0);
        }
    }

    fn analog(&mut self, field: &Field, number: u32, bytes: &[u8]) {
        let raw = whole(bytes);
        if self.options.adc == Adc::Raw || self.options.scale(field.name).is_some() {
            return self.number(field, None, bytes);
        }
        let volts = f64::from(raw) / 1000.0;
        match number {
            2 => self.position.power.supply_v = Some(volts),
            6 => self.position.power.battery_v = Some(volts),
            _ => {
                self.position.analog_inputs.set(number, volts);
            }
        }
    }

    /// A number of up to four bytes: the raw number, and beside it the scaled one where a scale is known.
    fn number(&mut self, field: &Field, j1939: Option<&Scale>, bytes: &[u8]) {
        let raw = whole(bytes);
        self.position.put(field.name, Attribute::Uint(raw.into()));
        let own = self.options.scale(field.name);
        let by_profile = || {
            j1939.filter(|scale| {
                self.options.profile == Profile::J1939
                    && is_available(raw, field.width)
                    && !is_unset(raw, scale.offset)
            })
        };
        if let Some(scale) = own.or_else(by_profile) {
            scale.put(self.position, raw.into());
        }
    }

    fn vehicle_distance(&mut self, field: &Field, bytes: &[u8]) {
        let raw = whole(bytes);
        if raw == 0 || !is_available(raw, field.width) {
            return self.position.put(field.name, Attribute::Uint(raw.into()));
        }
        self.position.odometer_m = Some((f64::from(raw) * 5.0, OdometerSource::Vehicle));
    }

    /// The key's number; zero means that there is none.
    fn driver(&mut self, field: &Field, bytes: &[u8]) {
        match bytes.first_chunk().copied().map_or(0, u64::from_le_bytes) {
            0 => self.position.put(field.name, Attribute::Uint(0)),
            number => self.position.driver_id = Some(number.to_compact_string()),
        }
    }

    fn one_wire(&mut self, field: &Field, bytes: &[u8]) {
        self.one_wire_c = group::celsius(whole(bytes));
        if self.one_wire_c.is_none() {
            self.position.put(field.name, Attribute::Uint(whole(bytes).into()));
        }
    }

    /// The sensor that stands alone is number 1, where no group of sensors has a number 1.
    pub(super) fn finish(self) {
        let Some(celsius) = self.one_wire_c else { return };
        if self.position.temperatures.iter().any(|(number, _)| number == 1) {
            self.position.put("one_wire_c", Attribute::Double(celsius));
        } else {
            self.position.temperatures.set(1, celsius);
        }
    }
}

/// Up to four bytes as a number.
pub(super) fn whole(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Whether a number of the vehicle bus is a value: those whose highest byte is above 0xFA say that there is none,
/// or an error (SAE J1939-71).
const fn is_available(raw: u32, width: usize) -> bool {
    let highest = match width {
        1 => raw,
        2 => raw >> 8,
        _ => raw >> 24,
    };
    highest <= 0xFA
}

/// Whether a zero stands for no value: where it would be the coldest temperature or the most negative distance, it
/// is what devices without a vehicle bus send (inferred).
const fn is_unset(raw: u32, offset: f64) -> bool {
    raw == 0 && offset != 0.0
}
