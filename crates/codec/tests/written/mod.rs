//! What each bit of a DT7 mask takes up and becomes, written down once more from docs/protocols/dt7.md: the other
//! side of the decoder's table. Every field is made from one number.

use crate::facts::Facts;

/// Every bit whose width is known: mask from 1, bit from 0.
pub(crate) const BITS: [(usize, u32); 57] = bits();

const fn bits() -> [(usize, u32); 57] {
    let mut all = [(0, 0); 57];
    let mut place = 0;
    let mut mask = 1;
    while mask <= 4 {
        let mut bit = 0;
        while bit < 15 {
            if mask < 4 || bit < 11 || bit > 13 {
                all[place] = (mask, bit);
                place += 1;
            }
            bit += 1;
        }
        mask += 1;
    }
    all
}

fn width(mask: usize, bit: u32) -> usize {
    let bit = usize::try_from(bit).unwrap();
    [
        [17, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 4, 2, 2, 9],
        [2, 1, 4, 1, 2, 4, 4, 1, 1, 1, 2, 8, 2, 8, 2],
        [2, 4, 3, 1, 20, 2, 8, 2, 2, 6, 6, 21, 20, 9, 21],
        [4, 30, 4, 10, 1, 2, 3, 16, 40, 32, 4, 0, 0, 0, 18],
    ][mask - 1][bit]
}

/// The bytes of a field: those of the number, over and over, for what is not a number.
pub(crate) fn bytes(mask: usize, bit: u32, number: u64) -> Vec<u8> {
    match (mask, bit) {
        (1, 0) => place(number),
        (4, 8) => {
            let sensor = |index: u64| {
                let mut bytes = u16::try_from(number % 4000 * index % 4000).unwrap().to_le_bytes().to_vec();
                bytes.extend((number & 0xFF_FFFF).to_be_bytes());
                bytes
            };
            [1, 2, 3, 4].map(sensor).concat()
        }
        (4, 9) => format!("{:<16}{:<16}", number % 1_000_000_000, "").into_bytes(),
        _ => number.to_le_bytes().iter().copied().cycle().take(width(mask, bit)).collect(),
    }
}

fn degrees(number: u64) -> (f32, f32) {
    let parts = u16::try_from(number % 60_000).unwrap();
    (f32::from(parts) / 400.0 + 1.0, f32::from(parts) / -800.0 - 0.5)
}

fn place(number: u64) -> Vec<u8> {
    let (longitude, latitude) = degrees(number);
    let small = u8::try_from(number % 181).unwrap();
    let mut bytes = [longitude.to_le_bytes(), latitude.to_le_bytes()].concat();
    bytes.extend([small, 0x2B, small, small, 1]);
    bytes.extend(f32::from(small).to_le_bytes());
    bytes
}

/// What a field becomes with the default settings.
pub(crate) fn facts(mask: usize, bit: u32, number: u64) -> Facts {
    let mut facts = Facts::default();
    let raw = bytes(mask, bit, number);
    let whole = raw.iter().take(4).rev().fold(0_u32, |whole, byte| whole << 8 | u32::from(*byte));
    let hex = hex::encode(&raw);
    match (mask, bit) {
        (1, 0) => place_facts(&mut facts, number),
        (1, 1) => (1..=16).for_each(|line| facts.put(format!("input {line}"), whole >> (line - 1) & 1 == 1)),
        (1, 3) => facts.number("supply_v", f64::from(whole) / 1000.0),
        (1, 7) => facts.number("battery_v", f64::from(whole) / 1000.0),
        (1, 2..=9) => facts.number(format!("analog {}", bit - 1), f64::from(whole) / 1000.0),
        (1, 10 | 11) => {
            let first = if bit == 10 { 1 } else { 3 };
            facts.attribute(&format!("counter_{first}"), whole & 0xFFFF);
            facts.attribute(&format!("counter_{}", first + 1), whole >> 16);
        }
        (1, 12 | 13) => facts.attribute(&format!("filtered_adc{}_raw", bit - 11), whole),
        (1, 14) => cell_facts(&mut facts, &raw),
        (2, _) => bus_facts(&mut facts, bit, whole, &hex),
        (3, 6) if number == 0 => facts.attribute("ibutton_id", 0),
        (3, 6) => facts.put("driver_id", number),
        (3, 7) if whole == 0 => facts.attribute("one_wire_temperature_raw", 0),
        (3, 7) => {
            facts.number("temperature 1", f64::from(whole) / 10.0 - 273.0);
            facts.put("temperature 1 sensor", "");
        }
        (3, 9 | 10) => level_facts(&mut facts, if bit == 9 { 1 } else { 3 }, &raw),
        (4, 6) => {
            for (name, byte) in ["acceleration", "braking", "cornering"].iter().zip(raw) {
                facts.attribute_number(&format!("max_{name}_g"), f64::from(byte) / 50.0);
            }
        }
        (4, 8) => temperature_facts(&mut facts, &raw),
        (4, 9) => {
            facts.attribute("driver_card_1", number % 1_000_000_000);
            facts.put("driver_id", number % 1_000_000_000);
        }
        (4, 10) if whole == u32::MAX => facts.attribute("distance_2_raw", whole),
        (4, 10) => facts.attribute_number("distance_2_m", f64::from(whole) * 5.0),
        _ => match plain(mask, bit) {
            (name, true) => facts.attribute(name, whole),
            (name, false) => facts.attribute(name, hex),
        },
    }
    facts
}

/// The attribute of a field that is passed on as a number or as bytes.
fn plain(mask: usize, bit: u32) -> (&'static str, bool) {
    match (mask, bit) {
        (3, 0) => ("fuel_economy_raw", true),
        (3, 1) => ("fuel_consumption_raw", true),
        (3, 2) => ("axle_weight", false),
        (3, 3) => ("mil_status_raw", true),
        (3, 4) => ("fault_codes_j1939", false),
        (3, 5) => ("mask3_bit5", false),
        (3, 8) => ("one_wire_humidity_raw", true),
        (3, 11) => ("j1979", false),
        (3, 12) => ("fault_codes_j1979", false),
        (3, 13) => ("j1708", false),
        (3, 14) => ("driving_quality", false),
        (4, 0) => ("mask4_bit0", false),
        (4, 1) => ("lls_group_3", false),
        (4, 2) => ("instant_fuel_raw", true),
        (4, 3) => ("axle_weight_group", false),
        (4, 4) => ("mask4_bit4", false),
        (4, 5) => ("mask4_bit5", false),
        (4, 7) => ("mask4_bit7", false),
        (4, 14) => ("mask4_bit14", false),
        other => panic!("{other:?}"),
    }
}

fn place_facts(facts: &mut Facts, number: u64) {
    let (longitude, latitude) = degrees(number);
    let small = f64::from(u8::try_from(number % 181).unwrap());
    facts.put("fix", "FIX_TYPE_FIX");
    facts.number("longitude", longitude.into());
    facts.number("latitude", latitude.into());
    facts.number("speed_kmh", small);
    facts.number("satellites", 11.0);
    facts.number("heading_deg", small * 2.0);
    facts.number("altitude_m", small + 256.0);
    facts.attribute("hdop_raw", 2);
    facts.attribute_number("distance_m", small);
}

fn cell_facts(facts: &mut Facts, raw: &[u8]) {
    let pair = |at: usize| u32::from(u16::from_le_bytes([raw[at], raw[at + 1]]));
    let signal = (raw[8] != 0).then(|| -i32::from(raw[8]));
    let cell_id = Some(u64::from(pair(5)));
    let codes = (Some(pair(0)), Some(u32::from(raw[2])), Some(pair(3)), cell_id, signal);
    facts.put("cell", format!("{codes:?}"));
    facts.attribute("timing_advance", raw[7]);
}

/// Fields of the vehicle bus: the raw number, and the scaled one where it is a value that its field can have.
fn bus_facts(facts: &mut Facts, bit: u32, raw: u32, hex: &str) {
    let highest = match width(2, bit) {
        1 => raw,
        2 => raw >> 8,
        _ => raw >> 24,
    };
    let there = highest <= 0xFA;
    let number = f64::from(raw);
    let mut scaled = |name: &str, field: &str, value: f64, most: f64| {
        facts.attribute(name, raw);
        if there && value <= most {
            facts.number(field, value);
        }
    };
    let any = f64::MAX;
    match bit {
        0 => scaled("wheel_speed_raw", "attribute wheel_speed_kmh", number / 256.0, any),
        1 => scaled("accelerator_raw", "accelerator_pct", number * 0.4, 100.0),
        2 => scaled("fuel_used_raw", "used_l", number / 2.0, any),
        3 => scaled("fuel_level_raw", "level_pct", number * 0.4, 100.0),
        4 => scaled("engine_speed_raw", "speed_rpm", number / 8.0, any),
        5 => scaled("engine_hours_raw", "hours", number / 20.0, any),
        6 if raw == 0 || !there => facts.attribute("vehicle_distance_raw", raw),
        6 => facts.number("odometer_m", number * 5.0),
        7 if raw == 0 => facts.attribute("coolant_raw", 0),
        7 => scaled("coolant_raw", "coolant_c", number - 40.0, any),
        8 => scaled("fuel_level_2_raw", "level_2_pct", number * 0.4, 100.0),
        9 => scaled("engine_load_raw", "load_pct", number, 125.0),
        10 if raw == 0 => facts.attribute("service_distance_raw", 0),
        10 => {
            let value = number * 5.0 - 160_635.0;
            scaled("service_distance_raw", "attribute service_distance_km", value, any);
        }
        11 => facts.attribute("tachograph_tco1", hex),
        12 if raw == 0 => facts.attribute("ambient_raw", 0),
        12 => scaled("ambient_raw", "attribute ambient_c", number / 32.0 - 273.0, any),
        13 => facts.attribute("trailer_id", hex),
        _ => scaled("fuel_rate_raw", "rate_lph", number / 20.0, any),
    }
}

fn level_facts(facts: &mut Facts, first: u32, raw: &[u8]) {
    for (number, sensor) in (first..).zip(raw.chunks_exact(3)) {
        let level = u16::from_le_bytes([sensor[0], sensor[1]]);
        let celsius = sensor[2].cast_signed();
        let level = if level == 0x8000 { "absent".to_owned() } else { level.to_string() };
        let celsius = if celsius == -127 { "absent".to_owned() } else { celsius.to_string() };
        facts.attribute(&format!("lls{number}_level"), level);
        facts.attribute(&format!("lls{number}_c"), celsius);
    }
}

fn temperature_facts(facts: &mut Facts, raw: &[u8]) {
    for (number, sensor) in (1..).zip(raw.chunks_exact(10)) {
        let tenths = u16::from_le_bytes([sensor[0], sensor[1]]);
        let id =
            if sensor[2..].iter().all(|byte| *byte == 0) { String::new() } else { hex::encode(&sensor[2..]) };
        if tenths > 0 {
            facts.number(format!("temperature {number}"), f64::from(tenths) / 10.0 - 273.0);
            facts.put(format!("temperature {number} sensor"), id);
        } else if !id.is_empty() {
            facts.attribute(&format!("temperature_{number}_sensor"), id);
        }
    }
}
