//! NGP messages for rules that no example shows: identity, versions, settings, bounds.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what a test cannot go on without"
)]

#[allow(dead_code, reason = "each test takes what it needs")]
mod opened;

use fleetwire_codec::{Body, Codec, DecodeError, Explanation, Input, ngp};
use fleetwire_model::pb::attribute_value::Value as Typed;
use fleetwire_model::pb::{DeviceEvent, FixType, PositionEvent};

const HEAD: &str = r#""message_time":"2025-03-01T12:00:00Z","device_id":"tracker-07""#;

fn codec(settings: &str) -> Codec {
    Codec::Ngp(toml::from_str(settings).unwrap())
}

fn try_decode(settings: &str, topic: &str, payload: &str) -> Result<opened::Decoded, DecodeError> {
    opened::decode(&codec(settings), Input { payload: payload.as_bytes(), topic, received_ms: 0 })
}

/// The position, and the event beside it, of a message with these members.
fn read_with(settings: &str, members: &str) -> (PositionEvent, Option<DeviceEvent>) {
    let decoded = try_decode(settings, "", &format!("{{{HEAD},{members}}}")).unwrap();
    let Body::Position(position) = decoded.records[0].body.clone() else { panic!("no position") };
    let event = decoded.records.get(1).map(|record| match &record.body {
        Body::Event(event) => (**event).clone(),
        Body::Position(_) => panic!("two positions"),
    });
    (*position, event)
}

fn read(members: &str) -> PositionEvent {
    read_with("", members).0
}

fn attribute(event: &PositionEvent, name: &str) -> Option<Typed> {
    event.attributes.get(name)?.value.clone()
}

fn text(text: &str) -> Typed {
    Typed::StringValue(text.to_owned())
}

fn error(payload: &str) -> DecodeError {
    try_decode("", "", payload).unwrap_err()
}

#[test]
fn the_topic_and_the_message_name_the_same_device() {
    let payload = format!("{{{HEAD}}}");
    for topic in ["ngp/tracker-07", "eu/ngp/tracker-07", "", "no-levels"] {
        let decoded = try_decode("", topic, &payload).unwrap();
        assert_eq!(decoded.records[0].device_id.as_ref().unwrap().as_str(), "tracker-07");
    }
    for topic in ["ngp/tracker-08", "ngp/", "ngp/tracker-07/", "ngp/TRACKER-07"] {
        let error = try_decode("", topic, &payload).unwrap_err();
        assert_eq!(error.code(), "identity_mismatch", "{topic}");
        assert!(try_decode("check_topic = false", topic, &payload).is_ok());
    }
}

#[test]
fn what_is_needed_is_named_when_it_is_not_there_or_cannot_be_used() {
    let long = "x".repeat(65);
    for (payload, code, words) in [
        (r"{}", "missing_field", "device_id is missing"),
        (r#"{"device_id":"a"}"#, "missing_field", "message_time is missing"),
        (r#"{"device_id":7}"#, "bad_field", "device_id: is a number, a text is needed"),
        (r#"{"device_id":""}"#, "bad_field", "1 to 64 characters"),
        (&format!(r#"{{"device_id":"{long}"}}"#), "bad_field", "this has 65"),
        (r#"{"device_id":"a b"}"#, "bad_field", "character 2"),
        (r#"{"device_id":"a","device_id":"a"}"#, "bad_field", "device_id: comes twice"),
        (r#"{"device_id":"a","message_time":1740830400}"#, "bad_field", "message_time: is a number"),
        (r#"{"device_id":"a","message_time":"2025-02-30T12:00:00Z"}"#, "bad_field", "ISO 8601"),
        (r#"{"device_id":"a","message_time":"2025-03-01T12:00:00"}"#, "bad_field", "ISO 8601"),
    ] {
        let error = error(payload);
        assert_eq!(error.code(), code, "{payload}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(DecodeError::CODES.contains(&error.code()));
    }
}

#[test]
fn what_is_no_json_object_has_the_place_where_it_goes_wrong() {
    for (payload, place) in [
        (&b""[..], 0),
        (b" \n", 2),
        (b"\n[{}]", 1),
        (b"7", 0),
        (b"{\"a\":1,}", 7),
        (b"{\"a\":01}", 6),
        (b"{\"a\":\"\x01\"}", 6),
        (b"{\"a\":\"\xff\"}", 6),
        (b"{} {}", 3),
    ] {
        let error = opened::decode(&codec(""), Input { payload, ..Input::default() }).unwrap_err();
        assert_eq!((error.code(), error.byte_offset()), ("json", Some(place)), "{payload:?} {error}");
    }
}

#[test]
fn times_are_read_with_their_fraction_and_zone() {
    for (time, ms) in [
        ("2025-03-01T12:00:00Z", 1_740_830_400_000_i64),
        ("2025-03-01T12:00:00.25Z", 1_740_830_400_250),
        ("2025-03-01T14:00:00+02:00", 1_740_830_400_000),
        ("1969-12-31T23:59:59Z", -1000),
    ] {
        let payload = format!(r#"{{"message_time":"{time}","device_id":"a"}}"#);
        let decoded = try_decode("", "", &payload).unwrap();
        let Body::Position(position) = &decoded.records[0].body else { panic!("no position") };
        assert_eq!(fleetwire_model::time::to_unix_ms(&position.device_time.unwrap()), ms, "{time}");
    }
}

#[test]
fn an_event_is_told_beside_the_position_unless_it_is_the_reason_for_the_message() {
    for id in [0, 401, 402, 403, 404, 405, 408] {
        assert_eq!(read_with("", &format!("\"event_id\":{id}")).1, None, "{id}");
    }
    let (position, event) = read_with("", "\"event_id\":202");
    assert_eq!(attribute(&position, "event_id"), Some(Typed::IntValue(202)));
    assert_eq!(attribute(&position, "event_name"), Some(text("sos")));
    let event = event.unwrap();
    assert_eq!((event.code, event.function, event.device_time), (Some(202), None, position.device_time));
    assert_eq!(event.attributes["event_name"].value, Some(text("sos")));
    let (position, event) = read_with("", "\"event_id\":10000");
    assert_eq!((event.unwrap().code, attribute(&position, "event_name")), (Some(10_000), None));
    let (position, event) = read_with("", "\"event_id\":\"sos\"");
    assert_eq!((event, attribute(&position, "event_id")), (None, Some(text("sos"))));
}

#[test]
fn events_tell_ignition_and_motion() {
    assert_eq!(read("\"event_id\":604").ignition, Some(false));
    assert_eq!(read("\"event_id\":605").ignition, Some(true));
    assert_eq!(read("\"event_id\":406").is_moving, Some(true));
    assert_eq!(read("\"event_id\":407").is_moving, Some(false));
    assert_eq!(read("\"event_id\":407,\"is_moving\":true").is_moving, Some(true));
}

#[test]
fn a_mask_tells_the_lines_that_a_device_has() {
    let lines = |event: &PositionEvent| -> Vec<_> {
        event.inputs.iter().map(|line| (line.number, line.on)).collect()
    };
    let event = read("\"input_status\":0");
    assert_eq!(lines(&event), (1..=8).map(|number| (number, false)).collect::<Vec<_>>());
    let (event, _) = read_with("inputs = 2", "\"input_status\":9223372036854775810");
    assert_eq!(lines(&event), [(1, false), (2, true), (64, true)]);
    let (event, _) = read_with("inputs = 0", "\"input_status\":5.0");
    assert_eq!(lines(&event), [(1, true), (3, true)]);
    assert!(toml::from_str::<ngp::Options>("inputs = 65").is_err());
}

#[test]
fn the_kind_of_fix_is_what_the_message_says_and_where_it_comes_from() {
    let fix = |members: &str| {
        let position = read(members);
        position.fix.unwrap().r#type()
    };
    let at = |more: &str| format!("\"location\":{{\"latitude\":54.5,\"longitude\":24.25{more}}}");
    assert_eq!(fix(&at("")), FixType::Fix);
    assert_eq!(fix(&at(",\"fix_type\":\"HAS_FIX\"")), FixType::Fix);
    assert_eq!(fix(&at(",\"fix_type\":\"FIX_2D\"")), FixType::Fix2d);
    assert_eq!(fix(&at(",\"fix_type\":\"FIX_3D\",\"source_type\":\"GNSS\"")), FixType::Fix3d);
    assert_eq!(fix(&at(",\"fix_type\":\"LAST_KNOWN_POSITION\"")), FixType::LastKnown);
    assert_eq!(fix(&at(",\"fix_type\":\"NO_FIX\"")), FixType::NoFix);
    assert_eq!(fix(&at(",\"source_type\":\"LBS\"")), FixType::Network);
    assert_eq!(fix(&at(",\"source_type\":\"ATLAS\",\"fix_type\":\"NO_FIX\"")), FixType::Network);
    assert_eq!(fix(&format!("{},\"event_id\":402", at(""))), FixType::Network);
    assert_eq!(fix(&format!("{},\"event_id\":402", at(",\"source_type\":\"GNSS\""))), FixType::Fix);
    assert_eq!(fix("\"location\":{\"latitude\":54.5}"), FixType::NoFix);
    assert_eq!(read("\"location\":{}").fix, None);
    assert_eq!(read("\"location\":null").fix, None);
}

#[test]
fn fields_wait_for_their_version_where_a_setting_says_so() {
    let members = r#""location":{"latitude":1,"longitude":2,"source_type":"LBS","precision":800},
        "custom_attributes":[{"type":"rpm","value":2100}]"#;
    let by = |settings: &str, version: &str| {
        let version = if version.is_empty() { String::new() } else { format!(",\"version\":{version}") };
        let (event, _) = read_with(settings, &format!("{members}{version}"));
        let fix = event.fix.unwrap();
        (fix.r#type(), fix.accuracy_m, event.attributes.contains_key("custom_attributes.rpm"))
    };
    let all = (FixType::Network, Some(800.0), true);
    for version in ["", "\"1.0\"", "\"1.2\"", "\"7\"", "1.2"] {
        assert_eq!(by("", version), all, "{version}");
    }
    let strict = "fields_by_version = true";
    assert_eq!(by(strict, ""), (FixType::Fix, None, false));
    assert_eq!(by(strict, "\"1.1a\""), (FixType::Fix, None, true));
    assert_eq!(by(strict, "\"1.2\""), all);
}

#[test]
fn an_unknown_version_is_an_error_where_a_setting_says_so() {
    let decode = |settings: &str, version: &str| {
        try_decode(settings, "", &format!("{{{HEAD},\"version\":{version}}}")).map(|_| ())
    };
    let strict = "unknown_version = \"reject\"";
    for version in ["\"1.3\"", "1.2", "null"] {
        assert_eq!(decode("", version), Ok(()));
        assert_eq!(decode(strict, version).unwrap_err().code(), "bad_field");
    }
    assert_eq!(decode(strict, "\"1.1a\""), Ok(()));
}

#[test]
fn fixes_of_few_satellites_are_marked_where_a_setting_says_so() {
    let marked = |settings: &str, more: &str| {
        let location = format!("\"location\":{{\"latitude\":1,\"longitude\":2{more}}}");
        attribute(&read_with(settings, &location).0, "few_satellites")
    };
    let strict = "min_satellites = 3";
    assert_eq!(marked("", ",\"satellites\":1"), None);
    assert_eq!(marked(strict, ",\"satellites\":2"), Some(Typed::BoolValue(true)));
    assert_eq!(marked(strict, ""), Some(Typed::BoolValue(true)));
    assert_eq!(marked(strict, ",\"satellites\":3"), None);
    assert_eq!(marked(strict, ",\"source_type\":\"LBS\""), None);
}

#[test]
fn fuel_levels_are_tanks_where_a_setting_tells_their_unit() {
    let members = "\"fuel_level_1\":55.5,\"fuel_level_2\":101,\"fuel_level_3\":7";
    let event = read(members);
    assert_eq!((event.fuel, attribute(&event, "fuel_level_1")), (None, Some(Typed::DoubleValue(55.5))));
    let (event, _) = read_with("fuel_level_unit = \"percent\"", members);
    let fuel = event.fuel.unwrap();
    assert_eq!((fuel.level_pct, fuel.level_2_pct), (Some(55.5), None));
    assert_eq!(attribute(&event, "fuel_level_2"), Some(Typed::IntValue(101)));
    assert_eq!(attribute(&event, "fuel_level_3"), Some(Typed::IntValue(7)));
}

#[test]
fn of_a_member_that_comes_twice_the_later_one_counts() {
    let event = read("\"battery_level\":1,\"battery_level\":2,\"x\":\"one\",\"x\":\"two\"");
    assert_eq!(event.power.unwrap().battery_level_pct, Some(2.0));
    assert_eq!(attribute(&event, "x"), Some(text("two")));
}

#[test]
fn what_is_too_deep_too_much_or_too_long_is_kept_as_its_json() {
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let error = error(&format!("{{{HEAD},\"deep\":{}}}", nested(100_000)));
    assert!(error.code() == "json" && error.to_string().contains("nested deeper"), "{error}");
    let deep = nested(100);
    assert_eq!(attribute(&read(&format!("\"deep\":{deep}")), "deep"), Some(text(&deep)));
    let many = format!("[{}]", vec!["1"; 257].join(","));
    let event = read(&format!("\"many\":{many},\"few\":[1,2]"));
    assert_eq!(attribute(&event, "many"), Some(text(&many)));
    assert_eq!(attribute(&event, "few.1"), Some(Typed::IntValue(2)));
    let long = "n".repeat(100);
    let event = read(&format!("\"{long}\":1,\"long\":{{\"{long}\":1}},\"{long}m\":[true]"));
    assert_eq!(attribute(&event, &long), Some(Typed::IntValue(1)));
    assert_eq!(attribute(&event, "long"), Some(text(&format!("{{\"{long}\":1}}"))));
    assert_eq!(attribute(&event, "undecoded"), Some(text(&format!("{{\"{long}m\":[true]}}"))));
    for list in ["mobile_cells", "custom_attributes", "wifi_points"] {
        let many = format!("[{}]", vec![r#"{"mcc":1,"type":"a","value":1}"#; 300].join(","));
        assert_eq!(attribute(&read(&format!("\"{list}\":{many}")), list), Some(text(&many)));
    }
}

#[test]
fn the_serving_cell_is_the_first_and_the_others_are_attributes() {
    let event = read(r#""mobile_cells":[{"mcc":250,"cell_id":5,"rssi":-54,"type":"LTE"},{"mcc":251}]"#);
    let cell = event.cell.unwrap();
    assert_eq!((cell.mcc, cell.cell_id, cell.signal_dbm, cell.lac), (Some(250), Some(5), Some(-54), None));
    assert_eq!(attribute(&event, "mobile_cells.0.type"), Some(text("LTE")));
    assert_eq!(attribute(&event, "mobile_cells.1.mcc"), Some(Typed::IntValue(251)));
}

fn explained(payload: &str) -> Explanation {
    codec("").explain(Input { payload: payload.as_bytes(), topic: "ngp/a", received_ms: 0 })
}

#[test]
fn an_explanation_shows_each_member_with_its_place_and_what_it_became() {
    let payload = r#"{"message_time":"2025-03-01T12:00:00Z","device_id":"a","version":"1.2","event_id":116,
        "location":{"latitude":54.5,"longitude":24.25,"vdop":1.5},"board_voltage":13.9,"a/b":[1]}"#;
    let explanation = explained(payload);
    assert_eq!(explanation.error, None);
    let part = |what: &str| explanation.parts.iter().find(|part| part.what == what).unwrap();
    let shown = |what: &str| (&payload[part(what).span.clone()], part(what).meaning.as_str());
    assert_eq!(shown("/board_voltage"), ("13.9", "power.supply_v = 13.9"));
    assert_eq!(shown("/location/latitude"), ("54.5", "fix.latitude"));
    assert_eq!(shown("/location/vdop"), ("1.5", "attribute location.vdop"));
    assert_eq!(shown("/a~1b"), ("[1]", "attribute a/b.0 = 1"));
    assert!(part("/location").meaning.contains("fix.latitude = 54.5"));
    assert!(part("/event_id").meaning.contains("gps_jamming_start"));
    assert_eq!(part("beside the position").meaning, "a device event, code = 116 (gps_jamming_start)");
}

#[test]
fn an_explanation_goes_as_far_as_the_message_can_be_read() {
    let explanation = explained(r#"{"device_id":"a","board_voltage":13.9,"x":}"#);
    assert_eq!(explanation.error.unwrap().byte_offset(), Some(42));
    assert!(explanation.parts.iter().any(|part| part.meaning == "power.supply_v = 13.9"));
    let explanation = explained(r#"{"device_id":"b","message_time":"2025-03-01T12:00:00Z"}"#);
    assert_eq!(explanation.error.unwrap().code(), "identity_mismatch");
    assert!(explanation.parts.iter().any(|part| part.what == "/message_time"));
    assert!(explained("no json").error.is_some());
}
