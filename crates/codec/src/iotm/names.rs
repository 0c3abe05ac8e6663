//! What sensors are called, for people: also those whose scale is not known.

use super::sensors::{self, Meaning};

/// Sensors that have a name and no field, because their scale or exact meaning is not public.
const UNSCALED: &[(u16, &str)] = &[
    (0x000B, "GSM registered"),
    (0x2005, "GSM power"),
    (0x2006, "accelerator"),
    (0x2007, "fuel level 1"),
    (0x2008, "coolant temperature"),
    (0x2009, "fuel level 2"),
    (0x300C, "engine speed"),
    (0x301D, "wheel speed"),
    (0x4001, "fuel used"),
    (0x4002, "engine hours"),
    (0x4006, "user-defined 1"),
    (0x4063, "axle weight"),
    (0x5004, "id of temperature sensor 1"),
    (0x5005, "id of temperature sensor 2"),
    (0x5006, "id of temperature sensor 3"),
    (0x5007, "id of temperature sensor 4"),
    (0xA001, "acceleration"),
    (0xA002, "cornering"),
    (0xA01B, "instant fuel"),
];

/// The name of a sensor; "unknown sensor" if it has none.
pub(super) fn name(id: u16) -> String {
    let Some(meaning) = sensors::meaning(id) else {
        let known = UNSCALED.iter().find(|(sensor, _)| *sensor == id);
        return known.map_or("unknown sensor", |(_, name)| name).to_owned();
    };
    let plain = match meaning {
        Meaning::Input(number) => return format!("input {number}"),
        Meaning::Output(number) => return format!("output {number}"),
        Meaning::AnalogMillivolts(number) => return format!("analogue input {number}"),
        Meaning::Celsius(0) => "temperature inside the device",
        Meaning::Celsius(number) => return format!("temperature {number}"),
        Meaning::Named(name) | Meaning::Scaled(name, _) => return name.replace('_', " "),
        Meaning::Motion => "movement",
        Meaning::Ignition => "ignition",
        Meaning::SupplyMillivolts => "supply voltage",
        Meaning::BatteryMillivolts => "battery voltage",
        Meaning::BatteryLevel => "battery level",
        Meaning::Driver => "driver key",
        Meaning::VehicleDistance => "distance of the vehicle",
        Meaning::DeviceDistance => "distance by the device",
        Meaning::CountryCode => "mobile country code",
        Meaning::NetworkCode => "mobile network code",
        Meaning::Speed => "speed",
        Meaning::Course => "course",
        Meaning::Satellites => "satellites",
        Meaning::Gps => "GPS structure",
        Meaning::EngineLoad => "engine load",
        Meaning::FuelRate => "fuel rate",
    };
    plain.to_owned()
}

/// A value type for people.
pub(super) const fn value_type(number: u8) -> &'static str {
    match number {
        0 | 1 => "bool",
        2 => "no value",
        3 => "zero",
        4 => "u8",
        5 => "u16",
        6 => "u32",
        7 => "u64",
        8 => "i8",
        9 => "i16",
        10 => "i32",
        11 => "i64",
        12 => "f32",
        13 => "f64",
        14 => "GPS",
        32 | 64 => "text",
        33 | 65 => "bytes",
        _ => "unknown type",
    }
}
