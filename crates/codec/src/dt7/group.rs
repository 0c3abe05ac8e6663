//! Fields that hold several readings.

use compact_str::ToCompactString as _;

use super::record::whole;
use crate::{Attribute, Position};

/// Level by which a fuel level sensor is said to be none.
const NO_LEVEL: u16 = 0x8000;
/// Temperature by which a fuel level sensor is said to have none.
const NO_CELSIUS: i8 = -127;
/// What divides the largest accelerations into parts of g.
const PER_G: f64 = 50.0;

pub(super) fn counters(position: &mut Position, names: &[&str; 2], bytes: &[u8]) {
    for (name, counter) in names.iter().zip(bytes.chunks_exact(2)) {
        position.put(name, Attribute::Uint(whole(counter).into()));
    }
}

/// Country, network, area and cell; timing advance; signal in dBm without its sign.
pub(super) fn cell(position: &mut Position, bytes: &[u8]) {
    let Some(&[c0, c1, network, a0, a1, i0, i1, advance, signal]) = bytes.first_chunk() else { return };
    let cell = &mut position.cell;
    cell.mcc = Some(u16::from_le_bytes([c0, c1]).into());
    cell.mnc = Some(network.into());
    cell.lac = Some(u16::from_le_bytes([a0, a1]).into());
    cell.cell_id = Some(u16::from_le_bytes([i0, i1]).into());
    // A received signal is never as strong as 0 dBm, so that is none.
    cell.signal_dbm = (signal != 0).then(|| -i32::from(signal));
    position.put("timing_advance", Attribute::Uint(advance.into()));
}

/// Metres of units of 5 metres.
pub(super) fn distance(position: &mut Position, raw_name: &str, bytes: &[u8]) {
    let raw = whole(bytes);
    if raw == u32::MAX {
        return position.put(raw_name, Attribute::Uint(raw.into()));
    }
    position.put("distance_2_m", Attribute::Double(f64::from(raw) * 5.0));
}

pub(super) fn levels(position: &mut Position, names: &[[&str; 2]; 2], bytes: &[u8]) {
    for ([level_name, celsius_name], sensor) in names.iter().zip(bytes.as_chunks().0) {
        let [low, high, celsius] = *sensor;
        let level = match u16::from_le_bytes([low, high]) {
            NO_LEVEL => Attribute::Absent,
            level => Attribute::Uint(level.into()),
        };
        let celsius = match celsius.cast_signed() {
            NO_CELSIUS => Attribute::Absent,
            celsius => Attribute::Int(celsius.into()),
        };
        position.put(level_name, level);
        position.put(celsius_name, celsius);
    }
}

pub(super) fn accelerations(position: &mut Position, bytes: &[u8]) {
    for (name, raw) in ["max_acceleration_g", "max_braking_g", "max_cornering_g"].iter().zip(bytes) {
        position.put(name, Attribute::Double(f64::from(*raw) / PER_G));
    }
}

/// Four sensors: temperature, and eight bytes of serial number. A sensor without a temperature may have a number.
pub(super) fn temperatures(position: &mut Position, bytes: &[u8]) {
    const IDS: [&str; 4] =
        ["temperature_1_sensor", "temperature_2_sensor", "temperature_3_sensor", "temperature_4_sensor"];
    for ((number, name), sensor) in (1..).zip(IDS).zip(bytes.as_chunks::<10>().0) {
        let [low, high, id @ ..] = *sensor;
        let known = id.iter().any(|byte| *byte != 0);
        let id = format_args!("{:016x}", u64::from_be_bytes(id)).to_compact_string();
        match celsius(u16::from_le_bytes([low, high]).into()) {
            Some(celsius) => {
                position.temperatures.set(number, celsius);
                if known {
                    position.temperature_sensors.push((number, id));
                }
            }
            None if known => position.put(name, Attribute::Text(&id)),
            None => {}
        }
    }
}

/// Degrees Celsius of tenths of a kelvin, as the vendor counts them; zero is none.
pub(super) fn celsius(raw: u32) -> Option<f64> {
    (raw != 0).then(|| (f64::from(raw) - 2730.0) / 10.0)
}

/// Two cards of 16 characters, padded with blanks. The first is the driver, where no key names one.
pub(super) fn cards(position: &mut Position, bytes: &[u8]) {
    for (name, card) in ["driver_card_1", "driver_card_2"].iter().zip(bytes.chunks_exact(16)) {
        let text = String::from_utf8_lossy(card);
        let text = text.trim_matches([' ', '\0']);
        if text.is_empty() {
            continue;
        }
        position.put(name, Attribute::Text(text));
        if *name == "driver_card_1" && position.driver_id.is_none() {
            position.driver_id = Some(text.to_compact_string());
        }
    }
}
