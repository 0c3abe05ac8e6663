//! Which sensor means what. In the table is what public evidence shows with its unit; a sensor that is not
//! here, or whose scale is not certain, becomes an attribute `io_0x....` with the type that it came in.

/// What the value of a sensor means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Meaning {
    /// True while the device moves.
    Motion,
    /// True while the vehicle's bus says that the ignition is on.
    Ignition,
    /// State of the digital input of this number.
    Input(u32),
    /// State of the digital output of this number.
    Output(u32),
    /// Millivolts at the analogue input of this number.
    AnalogMillivolts(u32),
    /// Millivolts of the supply.
    SupplyMillivolts,
    /// Millivolts of the internal battery.
    BatteryMillivolts,
    /// Per cent of the internal battery's charge.
    BatteryLevel,
    /// Number of the driver's key.
    Driver,
    /// Degrees Celsius at the sensor of this number; 0 is inside the device.
    Celsius(u32),
    /// Total distance of the vehicle, in units of 5 metres.
    VehicleDistance,
    /// Total distance that the device counted, metres (unit inferred, about 75 %).
    DeviceDistance,
    /// Mobile country code (inferred, about 90 %).
    CountryCode,
    /// Mobile network code (inferred, about 90 %).
    NetworkCode,
    /// Speed over ground, km/h; repeats the GPS structure.
    Speed,
    /// Course over ground, degrees; repeats the GPS structure.
    Course,
    /// Satellites in use; repeats the GPS structure.
    Satellites,
    /// The GPS structure.
    Gps,
    /// Per cent of the engine's load.
    EngineLoad,
    /// Fuel rate, in units of 1/20 litre per hour.
    FuelRate,
    /// No field of its own: an attribute of this name, typed as it came.
    Named(&'static str),
    /// No field of its own: an attribute of this name, times this factor.
    Scaled(&'static str, f64),
}

/// The sensors in order of their ids.
const TABLE: &[(u16, Meaning)] = &[
    (0x0002, Meaning::Motion),
    (0x0008, Meaning::Named("gsm_jamming")),
    (0x0010, Meaning::Input(2)),
    (0x0011, Meaning::Input(3)),
    (0x0012, Meaning::Input(4)),
    (0x0013, Meaning::Input(5)),
    (0x0014, Meaning::Input(6)),
    (0x0015, Meaning::Input(7)),
    (0x001E, Meaning::Named("ibutton_present")),
    (0x0062, Meaning::Named("door_front_left")),
    (0x0063, Meaning::Named("door_front_right")),
    (0x0064, Meaning::Named("door_rear_left")),
    (0x0065, Meaning::Named("door_rear_right")),
    (0x006D, Meaning::Ignition),
    (0x008B, Meaning::Named("hand_brake")),
    (0x008C, Meaning::Named("foot_brake")),
    (0x0094, Meaning::Output(1)),
    (0x0095, Meaning::Output(2)),
    (0x0096, Meaning::Output(3)),
    (0x009A, Meaning::Output(4)),
    (0x009B, Meaning::Named("gsm_jamming_2")),
    (0x2000, Meaning::Speed),
    (0x2001, Meaning::Satellites),
    (0x2003, Meaning::NetworkCode),
    (0x200A, Meaning::EngineLoad),
    (0x2041, Meaning::BatteryLevel),
    (0x3000, Meaning::SupplyMillivolts),
    (0x3001, Meaning::AnalogMillivolts(1)),
    (0x3002, Meaning::AnalogMillivolts(2)),
    (0x3003, Meaning::AnalogMillivolts(3)),
    (0x3004, Meaning::BatteryMillivolts),
    (0x3008, Meaning::CountryCode),
    (0x300B, Meaning::Course),
    (0x3021, Meaning::FuelRate),
    (0x3037, Meaning::Scaled("cargo_weight_kg", 2.0)),
    (0x4003, Meaning::VehicleDistance),
    (0x5000, Meaning::Driver),
    (0x500D, Meaning::Named("trailer_id")),
    (0xA000, Meaning::Celsius(0)),
    (0xA017, Meaning::Celsius(1)),
    (0xA018, Meaning::Celsius(2)),
    (0xA019, Meaning::Celsius(3)),
    (0xA01A, Meaning::Celsius(4)),
    (0xB002, Meaning::DeviceDistance),
    (0xC000, Meaning::Named("text")),
    (0xD000, Meaning::Gps),
];

/// Place of each sensor in the table, from 1, by the high digit and the low two of its id; the second digit
/// of every known id is 0. A search would cost more than all else that is done for an item.
static PLACES: [u8; 1 << 12] = places();

const fn slot(id: u16) -> usize {
    (id >> 4 & 0xF00 | id & 0xFF) as usize
}

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated by the compiler")]
const fn places() -> [u8; 1 << 12] {
    let mut places = [0; 1 << 12];
    let mut place = 0;
    while place < TABLE.len() {
        places[slot(TABLE[place].0)] = place as u8 + 1;
        place += 1;
    }
    places
}

/// What a sensor means, if that is known.
pub(super) fn meaning(id: u16) -> Option<Meaning> {
    let place = PLACES.get(slot(id)).copied()?.checked_sub(1)?;
    let (known, meaning) = TABLE.get(usize::from(place))?;
    (*known == id).then_some(*meaning)
}

/// The type that a number has by the high digit of its sensor's id, for zeros, which are sent without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Unsigned,
    Signed,
    Float,
}

/// The class of a sensor. (Signed classes are inferred from the order of the others.)
pub(super) const fn class(id: u16) -> Class {
    match id >> 12 {
        0x6..=0x9 => Class::Signed,
        0xA | 0xB => Class::Float,
        _ => Class::Unsigned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_so_that_every_sensor_is_found() {
        assert!(TABLE.is_sorted_by(|(one, _), (two, _)| one < two));
        assert!(TABLE.iter().all(|(id, _)| id & 0x0F00 == 0));
        for (id, expected) in TABLE {
            assert_eq!(meaning(*id), Some(*expected));
        }
        for unknown in [0xFFFF, 0, 0x0100, 0x0102, 0xDF00] {
            assert_eq!(meaning(unknown), None);
        }
    }
}
