//! Which bit of which mask means what, and how wide its field is. All widths are verified by captures that end
//! exactly where their length says; meanings and scales are from the vendor's text "DT7 Version 3".

use std::borrow::Cow;

use crate::{Scale, Target};

/// The field of one bit.
#[derive(Debug)]
pub(super) struct Field {
    /// Its name: of the attribute that it becomes or that keeps its raw number, and in settings.
    pub(super) name: &'static str,
    /// Bytes.
    pub(super) width: usize,
    pub(super) kind: Kind,
}

/// What a field means.
#[derive(Debug)]
pub(super) enum Kind {
    /// Coordinates, speed, satellites, course, altitude, distance.
    Place,
    /// Digital inputs 1 to 16.
    Inputs,
    /// The analogue input of this number; its unit differs between firmwares.
    Adc(u32),
    /// Two counters of 16 bits, by these names.
    Counters([&'static str; 2]),
    /// Serving mobile cell.
    Cell,
    /// An unsigned number, with its scale by SAE J1939-71 where it has one.
    Number(Option<Scale>),
    /// Total distance of the vehicle, in units of 5 metres.
    VehicleDistance,
    /// Another distance, in units of 5 metres.
    Distance,
    /// Bytes of known width, whose parts are not read.
    Bytes,
    /// Number of the driver's key.
    Driver,
    /// Temperature of a 1-wire sensor, tenths of a kelvin, nearly: 273 is subtracted.
    OneWire,
    /// Two fuel level sensors: level and temperature of each, by these names.
    Levels([[&'static str; 2]; 2]),
    /// Largest acceleration, braking and cornering, 1/50 g each.
    Accelerations,
    /// Four temperatures with the ids of their sensors.
    Temperatures,
    /// Cards of two drivers.
    Cards,
}

/// The field of a bit (mask from 1, bit from 0), if its width is known.
pub(super) fn at(mask: usize, bit: u32) -> Option<&'static Field> {
    MASKS.get(mask.checked_sub(1)?)?.get(usize::try_from(bit).ok()?)?.as_ref()
}

/// The field of a name, of those that a scale can be set for.
pub(super) fn scalable(name: &str) -> Option<&'static Field> {
    scalables().find(|field| field.name == name)
}

/// The fields that a scale can be set for.
pub(super) fn scalables() -> impl Iterator<Item = &'static Field> {
    let fields = MASKS.iter().flatten().flatten();
    fields.filter(|field| matches!(field.kind, Kind::Adc(_) | Kind::Number(_)))
}

#[expect(clippy::unnecessary_wraps, reason = "a bit of the table has a field or none")]
const fn field(name: &'static str, width: usize, kind: Kind) -> Option<Field> {
    Some(Field { name, width, kind })
}

const fn bytes(name: &'static str, width: usize) -> Option<Field> {
    field(name, width, Kind::Bytes)
}

/// A number without a known scale.
const fn raw(name: &'static str, width: usize) -> Option<Field> {
    field(name, width, Kind::Number(None))
}

const fn j1939(name: &'static str, width: usize, to: Target, scale: f64, offset: f64) -> Option<Field> {
    field(name, width, Kind::Number(Some(Scale::new(to, scale, offset))))
}

const fn named(name: &'static str) -> Target {
    Target::Attribute(Cow::Borrowed(name))
}

/// The masks in their order, and their bits from 0.
static MASKS: [[Option<Field>; 15]; 4] = [
    [
        field("position_raw", super::fix::Place::SIZE, Kind::Place),
        field("inputs", 2, Kind::Inputs),
        field("adc1_raw", 2, Kind::Adc(1)),
        field("adc2_raw", 2, Kind::Adc(2)),
        field("adc3_raw", 2, Kind::Adc(3)),
        field("adc4_raw", 2, Kind::Adc(4)),
        field("adc5_raw", 2, Kind::Adc(5)),
        field("adc6_raw", 2, Kind::Adc(6)),
        field("adc7_raw", 2, Kind::Adc(7)),
        field("adc8_raw", 2, Kind::Adc(8)),
        field("counters_1_2", 4, Kind::Counters(["counter_1", "counter_2"])),
        field("counters_3_4", 4, Kind::Counters(["counter_3", "counter_4"])),
        raw("filtered_adc1_raw", 2),
        raw("filtered_adc2_raw", 2),
        field("cell", 9, Kind::Cell),
    ],
    [
        j1939("wheel_speed_raw", 2, named("wheel_speed_kmh"), 1.0 / 256.0, 0.0),
        j1939("accelerator_raw", 1, Target::AcceleratorPct, 0.4, 0.0),
        j1939("fuel_used_raw", 4, Target::FuelUsedL, 0.5, 0.0),
        j1939("fuel_level_raw", 1, Target::FuelLevelPct, 0.4, 0.0),
        j1939("engine_speed_raw", 2, Target::EngineSpeedRpm, 0.125, 0.0),
        j1939("engine_hours_raw", 4, Target::EngineHours, 0.05, 0.0),
        field("vehicle_distance_raw", 4, Kind::VehicleDistance),
        j1939("coolant_raw", 1, Target::CoolantC, 1.0, -40.0),
        j1939("fuel_level_2_raw", 1, Target::FuelLevel2Pct, 0.4, 0.0),
        j1939("engine_load_raw", 1, Target::EngineLoadPct, 1.0, 0.0),
        j1939("service_distance_raw", 2, named("service_distance_km"), 5.0, -160_635.0),
        bytes("tachograph_tco1", 8),
        j1939("ambient_raw", 2, named("ambient_c"), 0.03125, -273.0),
        bytes("trailer_id", 8),
        j1939("fuel_rate_raw", 2, Target::FuelRateLph, 0.05, 0.0),
    ],
    [
        raw("fuel_economy_raw", 2),
        raw("fuel_consumption_raw", 4),
        bytes("axle_weight", 3),
        raw("mil_status_raw", 1),
        bytes("fault_codes_j1939", 20),
        bytes("mask3_bit5", 2),
        field("ibutton_id", 8, Kind::Driver),
        field("one_wire_temperature_raw", 2, Kind::OneWire),
        raw("one_wire_humidity_raw", 2),
        field("lls_1_2", 6, Kind::Levels([["lls1_level", "lls1_c"], ["lls2_level", "lls2_c"]])),
        field("lls_3_4", 6, Kind::Levels([["lls3_level", "lls3_c"], ["lls4_level", "lls4_c"]])),
        bytes("j1979", 21),
        bytes("fault_codes_j1979", 20),
        bytes("j1708", 9),
        bytes("driving_quality", 21),
    ],
    [
        bytes("mask4_bit0", 4),
        bytes("lls_group_3", 30),
        raw("instant_fuel_raw", 4),
        bytes("axle_weight_group", 10),
        bytes("mask4_bit4", 1),
        bytes("mask4_bit5", 2),
        field("accelerations", 3, Kind::Accelerations),
        bytes("mask4_bit7", 16),
        field("temperatures", 40, Kind::Temperatures),
        field("driver_cards", 32, Kind::Cards),
        field("distance_2_raw", 4, Kind::Distance),
        None,
        None,
        None,
        bytes("mask4_bit14", 18),
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_once_and_bits_beyond_the_table_are_not() {
        let mut names: Vec<_> = MASKS.iter().flatten().flatten().map(|field| field.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!((names.len(), all), (57, 57));
        assert!(at(0, 0).is_none() && at(4, 11).is_none() && at(5, 0).is_none() && at(1, 15).is_none());
    }

    #[test]
    fn numbers_have_at_most_four_bytes() {
        assert!(scalables().all(|field| field.width <= 4 && field.name.ends_with("_raw")));
        assert!(scalable("wheel_speed_raw").is_some() && scalable("ibutton_id").is_none());
    }
}
