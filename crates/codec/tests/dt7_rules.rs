//! Frames, masks and settings of DT7: rules that no capture shows.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what a test cannot go on without"
)]

mod dt7_made;
mod opened;

use dt7_made::{Packet, fields, sealed, structure};
use fleetwire_codec::dt7::{self, Options};
use fleetwire_codec::{Body, Codec, DecodeError, Decoded, Input, SkippedKind};
use fleetwire_model::Imei;
use fleetwire_model::pb::attribute_value::Value as Typed;
use fleetwire_model::pb::{AnalogInput, DeviceEvent, FixType, PositionEvent, Quality};

const STORED: u8 = 0xA5;

fn imei() -> Imei {
    "867459045649688".parse().unwrap()
}

fn decode_with(options: &str, payload: &[u8]) -> Result<opened::Decoded, DecodeError> {
    let codec = Codec::Dt7(toml::from_str(options).unwrap());
    opened::decode(&codec, Input { payload, ..Input::default() })
}

fn decode(payload: &[u8]) -> opened::Decoded {
    decode_with("", payload).unwrap()
}

/// The event of one structure of fields.
fn position_with(options: &str, bits: &[(usize, u32, Vec<u8>)]) -> PositionEvent {
    let payload = Packet::new(imei()).block(STORED, 1, &fields(7, bits)).finish();
    position(&decode_with(options, &payload).unwrap(), 0)
}

fn position(decoded: &opened::Decoded, index: usize) -> PositionEvent {
    match &decoded.records[index].body {
        Body::Position(event) => (**event).clone(),
        Body::Event(_) => panic!("an event"),
    }
}

fn event(decoded: &opened::Decoded, index: usize) -> DeviceEvent {
    match &decoded.records[index].body {
        Body::Event(event) => (**event).clone(),
        Body::Position(_) => panic!("a position"),
    }
}

fn attribute<'a>(event: &'a PositionEvent, name: &str) -> Option<&'a Typed> {
    event.attributes.get(name)?.value.as_ref()
}

fn undecoded(event: &PositionEvent) -> (Vec<u8>, String) {
    assert_eq!(event.quality().collect::<Vec<_>>(), [Quality::PartialRecord]);
    match (attribute(event, "undecoded"), attribute(event, "undecoded_at")) {
        (Some(Typed::BytesValue(bytes)), Some(Typed::StringValue(at))) => (bytes.to_vec(), at.clone()),
        other => panic!("{other:?}"),
    }
}

fn place(longitude: f32, latitude: f32, satellites: u8, distance: f32) -> Vec<u8> {
    let mut bytes = [longitude.to_le_bytes(), latitude.to_le_bytes()].concat();
    bytes.extend([50, 0x10 | satellites, 45, 100, 0]);
    bytes.extend(distance.to_le_bytes());
    bytes
}

#[test]
fn a_bit_of_unknown_width_keeps_what_came_before_it_and_the_next_record() {
    let unknown = fields(1, &[(1, 3, vec![0xE0, 0x2E]), (4, 11, vec![1, 2, 3])]);
    let next = fields(2, &[(1, 3, vec![0xE1, 0x2E])]);
    let decoded = decode(&Packet::new(imei()).block(STORED, 1, &[unknown, next].concat()).finish());
    let first = position(&decoded, 0);
    assert_eq!(first.power.unwrap().supply_v, Some(12.0));
    assert_eq!(undecoded(&first), (vec![1, 2, 3], "mask 4 bit 11".to_owned()));
    let second = position(&decoded, 1);
    assert!(second.quality.is_empty());
    assert_eq!(second.power.unwrap().supply_v, Some(12.001));
}

#[test]
fn masks_beyond_the_fourth_are_unknown() {
    let event = position_with("", &[(1, 3, vec![0, 1]), (6, 2, vec![9])]);
    assert_eq!(undecoded(&event), (vec![9], "mask 6 bit 2".to_owned()));
}

#[test]
fn a_field_that_its_record_cuts_off_and_bytes_without_a_bit_are_a_partial_record() {
    let cut = position_with("", &[(1, 3, vec![0, 1]), (2, 2, vec![1, 2, 3])]);
    assert_eq!(undecoded(&cut), (vec![1, 2, 3], "mask 2 bit 2".to_owned()));
    let more = position_with("", &[(1, 3, vec![0, 1, 77, 78])]);
    assert_eq!(undecoded(&more), (vec![77, 78], "end of fields".to_owned()));
    let endless = structure(7, 1, &[0x08, 0x80, 0x00, 0x80, 5]);
    let event = position(&decode(&Packet::new(imei()).block(STORED, 1, &endless).finish()), 0);
    assert_eq!(undecoded(&event), (vec![0x08, 0x80, 0x00, 0x80, 5], "masks".to_owned()));
}

#[test]
fn what_is_wrong_with_a_payload_has_a_code_and_a_place() {
    let good = Packet::new(imei()).block(STORED, 1, &fields(1, &[(1, 3, vec![0, 1])])).finish();
    let last = good.len() - 1;
    let mut altered = good.clone();
    altered[16] ^= 1;
    let head = &good[..8];
    let block = |data: &[u8]| Packet::new(imei()).block(STORED, 1, data).finish();
    let mut longer = good[..last].to_vec();
    longer[8] += 1;
    let cases: [(Vec<u8>, &str, usize); 12] = [
        (vec![], "truncated", 0),
        (good[..7].to_vec(), "truncated", 7),
        (sealed(head.to_vec()), "truncated", 9),
        (sealed([head, &[5]].concat()), "truncated", 10),
        (sealed([head, &[1, 0, STORED]].concat()), "block_length", 8),
        (sealed(longer), "block_length", 8),
        (sealed([&good[..last], &[9, 0, 1]].concat()), "block_length", last),
        (block(&[3, 7, 0, 0]), "record_length", 12),
        (block(&[4, 7, 0, 0, 0]), "record_length", 12),
        (block(&[9, 7, 0, 0, 0, 0, 0]), "record_length", 12),
        (altered, "checksum", last),
        (sealed([&[0xFF; 8][..], &[2, 0, STORED, 1]].concat()), "imei", 0),
    ];
    for (payload, code, offset) in cases {
        let error = decode_with("", &payload).unwrap_err();
        assert_eq!((error.code(), error.byte_offset()), (code, Some(offset)), "{payload:02x?}: {error}");
        assert!(DecodeError::CODES.contains(&error.code()));
    }
}

#[test]
fn the_preamble_of_tcp_is_no_part_of_a_message() {
    let good = Packet::new(imei()).block(STORED, 1, &[]).finish();
    let payload = [&b"#BCE#\r\n"[..], &good].concat();
    assert_eq!(decode_with("", &payload).unwrap_err().code(), "imei");
}

#[test]
fn a_sum_that_fits_at_the_end_of_a_block_does_not_end_the_message() {
    // The first byte of the next block's length is the checksum of all before it.
    let first = Packet::new(imei()).block(STORED, 0, &[]).finish();
    let length = *first.last().unwrap();
    assert!(length >= 4);
    let data = vec![0xEE; usize::from(length) - 2];
    let decoded = decode(&Packet::new(imei()).block(STORED, 0, &[]).block(0x77, 0, &data).finish());
    let [skipped] = decoded.skipped.as_slice() else { panic!("{decoded:?}") };
    assert_eq!((skipped.kind, skipped.record_type), (SkippedKind::Unknown, 0x77));
    assert_eq!(skipped.span, 12..12 + 2 + usize::from(length));
}

#[test]
fn what_is_no_record_is_passed_over_by_its_length() {
    let record = |ticks| fields(ticks, &[(1, 3, vec![0, 1])]);
    let data = [record(1), structure(9, 1, &[1, 2, 3]), record(2)].concat();
    let payload = Packet::new(imei()).block(0x41, 0x0A, &[1, 0, 0x55, 0]).block(0xA0, 0, &data).finish();
    let decoded = decode(&payload);
    assert_eq!(decoded.records.len(), 2);
    let kinds: Vec<_> = decoded.skipped.iter().map(|skipped| (skipped.kind, skipped.record_type)).collect();
    assert_eq!(kinds, [(SkippedKind::Command, 0x41), (SkippedKind::Unknown, 9)]);
    assert_eq!(payload[decoded.skipped[1].span.clone()], structure(9, 1, &[1, 2, 3]));
    assert_eq!(payload[decoded.records[1].span.clone()], record(2));
}

#[test]
fn an_answer_names_the_output_and_the_command() {
    let answer = |data: &[u8]| decode(&Packet::new(imei()).block(0xC1, 0x0B, data).finish());
    let known = event(&answer(&[0x11]), 0);
    assert_eq!(known.attributes["output_id"].value, Some(Typed::UintValue(0x0B)));
    assert_eq!(known.attributes["unique_id"].value, Some(Typed::UintValue(0x11)));
    assert!(known.device_time.is_none() && known.quality.is_empty());
    let longer = event(&answer(&[0x11, 0xAA]), 0);
    assert_eq!(longer.quality().collect::<Vec<_>>(), [Quality::PartialRecord]);
    assert_eq!(longer.attributes["undecoded"].value, Some(Typed::BytesValue(vec![0xAA].into())));
    let shorter = answer(&[]);
    assert!(shorter.records.is_empty());
    assert_eq!(shorter.skipped[0].kind, SkippedKind::Answer);
}

#[test]
fn without_satellites_coordinates_are_old_and_what_is_none_is_flagged() {
    let fix = |options: &str, bytes| position_with(options, &[(1, 0, bytes)]);
    let lost = fix("", place(10.0, 50.0, 0, 0.0));
    assert_eq!(lost.fix.unwrap().r#type(), FixType::LastKnown);
    let never = fix("no_fix_rule = 'never'", place(10.0, 50.0, 0, 0.0));
    assert_eq!(never.fix.unwrap().r#type(), FixType::Fix);
    let corrupt = fix("", place(1137.97, 50.0, 9, 12.5));
    let flags = [Quality::CoordinatesOutOfRange, Quality::NoFix];
    assert_eq!(corrupt.quality().collect::<Vec<_>>(), flags);
    let of_corrupt = corrupt.fix.unwrap();
    assert_eq!((of_corrupt.r#type(), of_corrupt.longitude), (FixType::NoFix, 0.0));
    assert_eq!((of_corrupt.speed_kmh, of_corrupt.heading_deg), (Some(50.0), Some(90.0)));
    assert_eq!(attribute(&corrupt, "distance_m"), Some(&Typed::DoubleValue(12.5)));
    let raw = Typed::BytesValue(place(1137.97, 50.0, 9, 12.5).into());
    assert_eq!(attribute(&corrupt, "position_raw"), Some(&raw));
    let distance = fix("", place(10.0, 50.0, 9, f32::NAN));
    assert!(attribute(&distance, "distance_m").is_none());
    assert!(attribute(&distance, "position_raw").is_some() && distance.quality.is_empty());
}

#[test]
fn the_unit_of_analogue_inputs_is_a_setting() {
    let bits = [(1, 2, vec![0xE8, 3]), (1, 3, vec![0xE0, 0x2E]), (1, 7, vec![0, 0x10])];
    let volts = position_with("", &bits);
    assert_eq!(volts.analog_inputs, [AnalogInput { number: 1, volts: 1.0 }]);
    let power = volts.power.unwrap();
    assert_eq!((power.supply_v, power.battery_v), (Some(12.0), Some(4.096)));
    let raw = position_with("adc = 'raw'", &bits);
    assert!(raw.analog_inputs.is_empty() && raw.power.is_none());
    assert_eq!(attribute(&raw, "adc2_raw"), Some(&Typed::UintValue(12_000)));
    let own = position_with("[scales]\nadc2_raw = { to = 'power.supply_v', scale = 0.002 }", &bits);
    assert_eq!(own.power.unwrap().supply_v, Some(24.0));
    assert_eq!(attribute(&own, "adc2_raw"), Some(&Typed::UintValue(12_000)));
    assert_eq!(own.analog_inputs, volts.analog_inputs);
}

#[test]
fn scales_of_the_vehicle_bus_are_a_setting() {
    let bits = [(2, 3, vec![100]), (2, 4, vec![0x40, 0x1F])];
    let scaled = position_with("", &bits);
    assert_eq!(scaled.fuel.unwrap().level_pct, Some(40.0));
    assert_eq!(scaled.engine.unwrap().speed_rpm, Some(1000.0));
    assert_eq!(attribute(&scaled, "fuel_level_raw"), Some(&Typed::UintValue(100)));
    let raw = position_with("profile = 'none'", &bits);
    assert!(raw.fuel.is_none() && raw.engine.is_none() && raw.attributes.len() == 2);
    let own = position_with("[scales]\nfuel_level_raw = { to = 'tank_l', scale = 2 }", &bits);
    assert_eq!(attribute(&own, "tank_l"), Some(&Typed::DoubleValue(200.0)));
    assert!(own.fuel.is_none());
}

#[test]
fn numbers_that_stand_for_no_value_stay_raw() {
    let none = position_with(
        "",
        &[(2, 4, vec![0xFF, 0xFF]), (2, 5, vec![0xFF; 4]), (2, 6, vec![0xFF; 4]), (2, 7, vec![0])],
    );
    assert!(none.engine.is_none() && none.odometer_m.is_none());
    assert_eq!(none.attributes.len(), 4);
    assert_eq!(attribute(&none, "coolant_raw"), Some(&Typed::UintValue(0)));
}

#[test]
fn an_input_can_be_the_ignition() {
    let bits = [(1, 1, vec![0x10, 0x80])];
    assert_eq!(position_with("", &bits).ignition, None);
    assert_eq!(position_with("ignition_input = 5", &bits).ignition, Some(true));
    assert_eq!(position_with("ignition_input = 15", &bits).ignition, Some(false));
    let on: Vec<_> =
        position_with("", &bits).inputs.iter().filter(|line| line.on).map(|line| line.number).collect();
    assert_eq!(on, [5, 16]);
    for bad in ["ignition_input = 0", "ignition_input = 17", "ignition = 1", "[scales]\nspeed = { to = 'a' }"]
    {
        assert!(toml::from_str::<Options>(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_key_names_the_driver_before_a_card() {
    let card = |text: &str| format!("{text:<32}").into_bytes();
    let key = |number: u64| (3, 6, number.to_le_bytes().to_vec());
    let both = position_with("", &[key(12_891_415), (4, 9, card("B1100001261420"))]);
    assert_eq!(both.driver_id.as_deref(), Some("12891415"));
    assert_eq!(attribute(&both, "driver_card_1"), Some(&Typed::StringValue("B1100001261420".to_owned())));
    let alone = position_with("", &[key(0), (4, 9, card("B1100001261420"))]);
    assert_eq!(alone.driver_id.as_deref(), Some("B1100001261420"));
    let nobody = position_with("", &[key(0), (4, 9, card(""))]);
    assert_eq!((nobody.driver_id, nobody.attributes.len()), (None, 1));
}

#[test]
fn a_wrong_checksum_is_accepted_and_marked_where_the_model_says_so() {
    let data = [fields(1, &[(1, 3, vec![0, 1])]), structure(6, 2, &[3, 4])].concat();
    let mut payload = Packet::new(imei()).block(STORED, 1, &data).block(0xC1, 1, &[1]).finish();
    *payload.last_mut().unwrap() ^= 0x55;
    let decoded = decode_with("accept_bad_checksum = true", &payload).unwrap();
    let is_marked = |quality: Vec<Quality>| quality == [Quality::Checksum];
    assert!(is_marked(position(&decoded, 0).quality().collect()));
    assert!(is_marked(event(&decoded, 1).quality().collect()));
    assert!(is_marked(event(&decoded, 2).quality().collect()));
}

#[test]
fn a_buffer_that_is_used_again_holds_nothing_of_before() {
    let full = [(1, 0, place(1.0, 2.0, 9, 3.0)), (3, 7, vec![0xDE, 0x0B]), (4, 9, vec![b'X'; 32])];
    let full = Packet::new(imei()).block(STORED, 1, &fields(1, &full)).finish();
    let empty = Packet::new(imei()).block(STORED, 1, &structure(7, 2, &[0, 0])).finish();
    let mut out = Decoded::default();
    let of = |payload| Input { payload, ..Input::default() };
    dt7::decode(of(&full), &Options::default(), &mut out).unwrap();
    out.clear();
    dt7::decode(of(&empty), &Options::default(), &mut out).unwrap();
    assert_eq!(opened::open(&out), decode(&empty));
}
