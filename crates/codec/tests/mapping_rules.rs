//! Mappings: what their settings refuse, and what records become, rule by rule.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what a test cannot go on without"
)]

#[allow(dead_code, reason = "each test takes what it needs")]
mod opened;

use fleetwire_codec::mapping::{GLOBALMATIX, Mapping};
use fleetwire_codec::{Body, Codec, DecodeError, Input, Protocol};
use fleetwire_model::pb::attribute_value::Value as Typed;
use fleetwire_model::pb::{DeviceEvent, FixType, OdometerSource, PositionEvent, Quality};
use opened::Decoded;

/// The least that a mapping says.
const LEAST: &str = "[device]\nat = '/id'\nkind = 'id'\n[time]\nat = '/t'\n";

fn mapping(more: &str) -> Mapping {
    Mapping::from_toml(&format!("{LEAST}{more}")).unwrap()
}

fn decode(mapping: Mapping, payload: &str) -> Result<Decoded, DecodeError> {
    let codec = Codec::Json(mapping.into());
    assert_eq!(codec.protocol(), Protocol::Json);
    opened::decode(&codec, Input { payload: payload.as_bytes(), ..Input::default() })
}

/// The position of one record with an id, a time and these members.
fn position(more: &str, members: &str) -> PositionEvent {
    let decoded = decode(mapping(more), &format!(r#"{{"id":"a","t":1,{members}}}"#)).unwrap();
    match &decoded.records[0].body {
        Body::Position(event) => (**event).clone(),
        Body::Event(_) => panic!("an event"),
    }
}

fn events(decoded: &Decoded) -> Vec<&DeviceEvent> {
    let bodies = decoded.records.iter().map(|record| &record.body);
    bodies.filter_map(|body| if let Body::Event(event) = body { Some(&**event) } else { None }).collect()
}

fn attribute<'a>(event: &'a PositionEvent, name: &str) -> Option<&'a Typed> {
    event.attributes.get(name)?.value.as_ref()
}

#[test]
fn settings_that_mean_nothing_are_refused_with_the_key_and_what_is_allowed() {
    for (more, parts) in [
        ("colour = 'red'", vec!["colour", "records"]),
        ("[fix]\nlatitute = '/x'", vec!["latitute", "`latitude`", "`heading_deg`"]),
        ("[fix]\nlatitude = '/x'", vec!["fix", "latitude and longitude"]),
        ("[fix]\nspeed_kmh = []", vec!["fix.speed_kmh.at"]),
        ("[fix]\nspeed_kmh = { unit = 'mph' }", vec!["at"]),
        ("[fix]\nspeed_kmh = { at = '/v', unit = 'kn' }", vec!["kn", "`knots`"]),
        ("[fix]\nspeed_kmh = { at = '/v', unit = 'm' }", vec!["fix.speed_kmh.unit", "km/h, m/s, knots, mph"]),
        ("[fix]\nspeed_kmh = { at = '/v', untt = 'm' }", vec!["untt", "`unit`"]),
        ("[fix]\nspeed_kmh = 7", vec!["JSON pointer"]),
        ("[fix]\nspeed_kmh = { at = '/v', scale = 0 }", vec!["fix.speed_kmh.scale"]),
        ("[fix]\nspeed_kmh = { at = '/v', offset = inf }", vec!["fix.speed_kmh.offset"]),
        (
            "[fix]\nspeed_kmh = { at = '/v', type = 'text' }",
            vec!["fix.speed_kmh.type", "number, integer and hex"],
        ),
        ("[fix]\nspeed_kmh = { at = '/v', values = { a = 'b' } }", vec!["fix.speed_kmh.values.a", "number"]),
        ("[fix]\nspeed_kmh = { at = '/v', values = { a = -1 } }", vec!["fix.speed_kmh.values.a", "number"]),
        ("[fix]\nspeed_kmh = { at = '/v', values = { a = 1 }, scale = 2 }", vec!["fix.speed_kmh.values"]),
        ("[fix]\ntype = { at = '/v', values = { a = '4d' } }", vec!["fix.type.values.a", "last_known"]),
        ("[fix]\nsatellites = { at = '/v', unit = 'm' }", vec!["fix.satellites.unit", "scale"]),
        ("[vehicle]\nignition = { at = '/v', scale = 2 }", vec!["vehicle.ignition.scale"]),
        ("[vehicle]\nignition = { at = '/v', lines = 2 }", vec!["vehicle.ignition.lines"]),
        ("[vehicle]\nignition = { at = '/v', source = 'device' }", vec!["vehicle.ignition.source"]),
        ("[inputs]\nmask = '/v'", vec!["inputs.mask.lines", "1 to 64"]),
        ("[inputs]\nmask = { at = '/v', lines = 65 }", vec!["inputs.mask.lines"]),
        ("[inputs]\n65 = '/v'", vec!["65", "1 to 64"]),
        ("[temperatures]\n32 = '/v'", vec!["32", "0 to 31"]),
        ("[event]\nnone = ['0']", vec!["event.none"]),
        ("[named]\nDoor = '/v'", vec!["named.Door", "a-z"]),
        ("[attributes]\nprefix = 'a b'", vec!["attributes.prefix"]),
        ("[attributes]\nmax = 100000", vec!["attributes.max", "1000"]),
    ] {
        let text = if more.starts_with('[') { format!("{LEAST}{more}") } else { format!("{more}\n{LEAST}") };
        let error = Mapping::from_toml(&text).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{part:?} is missing in {error:?} of {more}");
        }
    }
    for (text, part) in [
        ("", "device.at"),
        ("[device]\nat = '/id'", "time.at"),
        ("records = '$/data'\n[device]\nat = '/id'\n[time]\nat = '/t'", "records"),
        ("[device]\nat = 'id'\n[time]\nat = '/t'", "does not begin with /"),
    ] {
        let error = Mapping::from_toml(text).unwrap_err().to_string();
        assert!(error.contains(part), "{part:?} is missing in {error:?}");
    }
}

#[test]
fn the_built_in_mapping_says_that_it_is_a_guess() {
    let mapping = Mapping::globalmatix().unwrap();
    assert!(mapping.is_guess() && mapping.names_its_device());
    assert_eq!(toml::from_str::<Mapping>(GLOBALMATIX).unwrap(), mapping);
    assert!(Codec::GlobalMatix(mapping.into()).is_guess());
    assert!(!self::mapping("").is_guess());
}

#[test]
fn the_first_candidate_that_is_there_wins_and_null_is_not_there() {
    let rules = "[vehicle]\nodometer_m = ['/a', '/b/0', '/c']\n";
    for (members, expected) in [
        (r#""c":3,"b":[2],"a":1"#, Some(1.0)),
        (r#""c":3,"b":[2],"a":null"#, Some(2.0)),
        (r#""c":3,"b":[],"a":{}"#, Some(3.0)),
        (r#""c":3,"c":4"#, Some(4.0)),
        (r#""d":3"#, None),
    ] {
        assert_eq!(position(rules, members).odometer_m, expected, "{members}");
    }
    let event = position(rules, r#""c":3,"a":1"#);
    assert_eq!(attribute(&event, "json.c"), Some(&Typed::UintValue(3)));
    assert_eq!(attribute(&event, "json.a"), None);
}

#[test]
fn a_value_that_does_not_fit_its_field_is_kept_as_an_attribute() {
    let event = position("[fix]\nheading_deg = '/h'\n[vehicle]\nignition = '/i'\n", r#""h":400,"i":"maybe""#);
    assert!(event.fix.is_none() && event.ignition.is_none());
    assert_eq!(attribute(&event, "json.h"), Some(&Typed::UintValue(400)));
    assert_eq!(attribute(&event, "json.i"), Some(&Typed::StringValue("maybe".into())));
}

#[test]
fn coordinates_are_a_fix_only_if_they_are_on_earth_and_complete() {
    let rules = "[fix]\nlatitude = '/lat'\nlongitude = '/lon'\ntype = { at = '/mode', values = { V = 'last_known', \
                 X = 'no_fix', 3 = '3d' } }\nsatellites = '/sats'\n";
    let out_of_range = vec![i32::from(Quality::CoordinatesOutOfRange)];
    for (members, fix_type, latitude, quality) in [
        (r#""lat":1.5,"lon":2"#, FixType::Fix, 1.5, vec![]),
        (r#""lat":"1.5","lon":"2""#, FixType::Fix, 1.5, vec![]),
        (r#""lat":1.5,"lon":2,"mode":3"#, FixType::Fix3d, 1.5, vec![]),
        (r#""lat":1.5,"lon":2,"mode":"V""#, FixType::LastKnown, 1.5, vec![]),
        (r#""lat":1.5,"lon":2,"mode":"X""#, FixType::NoFix, 0.0, vec![]),
        (r#""lat":1.5"#, FixType::NoFix, 0.0, vec![]),
        (r#""sats":0,"mode":"V""#, FixType::NoFix, 0.0, vec![]),
        (r#""lat":0,"lon":0.0"#, FixType::NoFix, 0.0, out_of_range.clone()),
        (r#""lat":90.1,"lon":2"#, FixType::NoFix, 0.0, out_of_range.clone()),
        (r#""lat":true,"lon":2"#, FixType::NoFix, 0.0, out_of_range.clone()),
        (r#""lat":1e400,"lon":2"#, FixType::NoFix, 0.0, out_of_range),
    ] {
        let event = position(rules, members);
        let fix = event.fix.unwrap();
        assert_eq!((fix.r#type(), fix.latitude), (fix_type, latitude), "{members}");
        let is_fix = !matches!(fix_type, FixType::NoFix | FixType::LastKnown);
        let no_fix = (!is_fix).then(|| i32::from(Quality::NoFix));
        let quality: Vec<_> = quality.into_iter().chain(no_fix).collect();
        assert_eq!(event.quality, quality, "{members}");
        let is_used = fix_type != FixType::NoFix || !members.contains("lat");
        assert_eq!(attribute(&event, "json.lat").is_none(), is_used, "{members}");
    }
    assert!(position(rules, r#""x":1"#).fix.is_none());
    let flag = "[fix]\nlatitude = '/lat'\nlongitude = '/lon'\ntype = '/valid'\n";
    for (valid, fix_type) in
        [("true", FixType::Fix), ("false", FixType::LastKnown), ("\"3d\"", FixType::Fix3d)]
    {
        let event = position(flag, &format!(r#""lat":1,"lon":2,"valid":{valid}"#));
        assert_eq!(event.fix.unwrap().r#type(), fix_type, "{valid}");
    }
}

#[test]
fn the_odometer_says_who_counted() {
    let rules = "[vehicle]\nodometer_m = { at = '/km', unit = 'km', source = 'device' }\n";
    let event = position(rules, r#""km":"12.5""#);
    assert_eq!((event.odometer_m, event.odometer_source()), (Some(12_500.0), OdometerSource::Device));
}

#[test]
fn something_that_happened_is_an_event_beside_the_position() {
    let rules = "[event]\ncode = '/e'\ntext = '/name'\nnone = ['0', 'idle']\n";
    for (members, expected) in [
        (r#""e":7"#, Some((Some(7), ""))),
        (r#""e":7,"name":"sos""#, Some((Some(7), "sos"))),
        (r#""e":0,"name":"sos""#, Some((None, "sos"))),
        (r#""e":"7""#, Some((Some(7), ""))),
        (r#""e":0,"name":"idle""#, None),
        (r#""e":-1"#, None),
        (r#""e":4294967296"#, None),
        (r#""x":7"#, None),
    ] {
        let decoded = decode(mapping(rules), &format!(r#"{{"id":"a","t":1,{members}}}"#)).unwrap();
        let events = events(&decoded);
        assert_eq!(events.first().map(|event| (event.code, event.text.as_str())), expected, "{members}");
        assert_eq!(decoded.records.len(), 1 + events.len());
        if let [position, event] = decoded.records.as_slice() {
            assert!(position.span != event.span, "a key for deduplication would be the same");
        }
    }
}

#[test]
fn one_bad_record_does_not_stop_the_others() {
    let payload =
        r#"[{"id":"a","t":1},{"id":"a"},{"t":1},{"id":"?","t":1},{"id":"a","t":"x"},7,{"id":"b","t":2}]"#;
    let decoded = decode(mapping(""), payload).unwrap();
    let ids: Vec<_> =
        decoded.records.iter().map(|record| record.device_id.as_ref().unwrap().as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    let codes: Vec<_> = decoded.rejected.iter().map(DecodeError::code).collect();
    assert_eq!(codes, ["no_time", "no_device_id", "device_id", "time", "record_kind"]);
    assert!(codes.iter().all(|code| DecodeError::CODES.contains(code)));
    for rejected in &decoded.rejected {
        let offset = rejected.byte_offset().unwrap();
        assert!(payload[offset..].starts_with(['{', '7']), "{rejected}");
    }
}

#[test]
fn a_payload_of_which_nothing_can_be_used_is_an_error_with_a_place() {
    let at_data = |rest: &str| Mapping::from_toml(&format!("records = '/data'\n{LEAST}{rest}")).unwrap();
    let many = format!("[{}]", vec!["{}"; 10_001].join(","));
    for (mapping, payload, code, offset) in [
        (mapping(""), "", "json", Some(0)),
        (mapping(""), "  ", "json", Some(2)),
        (mapping(""), "hello", "unmapped_binary", Some(0)),
        (mapping(""), "1700000000", "unmapped_binary", Some(0)),
        (mapping(""), r#"{"id":"a","t":1"#, "json", Some(15)),
        (mapping(""), r#"{"id":"a",}"#, "json", Some(10)),
        (mapping(""), "[]", "no_records", None),
        (mapping(""), " [{\"id\":\"a\"}]", "no_time", Some(2)),
        (mapping(""), &many, "too_many_records", None),
        (at_data(""), r#"{"id":"a","t":1}"#, "no_records", None),
        (at_data(""), r#"{"data":"x"}"#, "no_records", None),
    ] {
        let error = decode(mapping, payload).unwrap_err();
        assert_eq!((error.code(), error.byte_offset()), (code, offset), "{error}");
        assert!(DecodeError::CODES.contains(&error.code()));
    }
}

#[test]
fn a_record_is_the_bytes_of_its_object_with_the_time_that_makes_it_another() {
    let payload = r#" {"t":1,"data":[{"id":"a"},{"id":"a"}],"z":[]} "#;
    let mapping = Mapping::from_toml(
        "records = '/data'\n[device]\nat = '/id'\nkind = 'id'\n[time]\nat = ['/t', '$/t']",
    )
    .unwrap();
    let decoded = decode(mapping, payload).unwrap();
    let spans: Vec<_> = decoded.records.iter().map(|record| &payload[record.span.clone()]).collect();
    assert_eq!(spans, [r#"1,"data":[{"id":"a"}"#, r#"1,"data":[{"id":"a"},{"id":"a"}"#]);
    let single = decode(self::mapping(""), " {\"id\":\"a\",\"t\":1}\n").unwrap();
    assert_eq!(single.records[0].span, 0..18);
    let batch = decode(self::mapping(""), "[ {\"id\":\"a\",\"t\":1} ]").unwrap();
    assert_eq!(batch.records[0].span, 2..18);
}

#[test]
fn without_an_id_a_record_is_of_the_device_that_connected_where_the_mapping_says_so() {
    let text = "[device]\nat = '/id'\nkind = 'id'\nrequired = false\n[time]\nat = '/t'";
    let mapping = Mapping::from_toml(text).unwrap();
    assert!(!mapping.names_its_device());
    let decoded = decode(mapping, r#"[{"t":1},{"t":1,"id":"b"},{"t":1,"id":"?"}]"#).unwrap();
    assert_eq!(decoded.records[0].device_id, None);
    assert_eq!(decoded.records[1].device_id.as_ref().unwrap().as_str(), "b");
    assert_eq!(decoded.rejected.len(), 1);
    assert!(Mapping::from_toml("[device]\nrequired = false\n[time]\nat = '/t'").is_ok());
}

#[test]
fn values_around_the_records_are_attributes_of_each_of_them() {
    let mapping =
        Mapping::from_toml(&format!("records = '/data'\n{LEAST}[named]\nfirmware = '$/fw'\n")).unwrap();
    let payload = r#"{"fw":"1.2","site":{"name":"x"},"data":[{"id":"a","t":1,"k":2},{"id":"b","t":1}]}"#;
    let decoded = decode(mapping, payload).unwrap();
    for record in &decoded.records {
        let Body::Position(event) = &record.body else { panic!("an event") };
        assert_eq!(attribute(event, "firmware"), Some(&Typed::StringValue("1.2".into())));
        assert_eq!(attribute(event, "json.root.site.name"), Some(&Typed::StringValue("x".into())));
        assert!(attribute(event, "json.root.fw").is_none());
    }
}

#[test]
fn attributes_are_bounded_and_what_is_left_out_is_counted() {
    let members: Vec<_> = (0..100).map(|number| format!(r#""k{number}":{number}"#)).collect();
    let event = position("", &members.join(","));
    assert_eq!(event.attributes.len(), 65);
    assert_eq!(attribute(&event, "attributes_left_out"), Some(&Typed::UintValue(36)));
    let deep = format!("{}1{}", r#"{"d":"#.repeat(20), "}".repeat(20));
    let event =
        position("", &format!(r#""d":{deep},"{}":1,"long":"{}""#, "n".repeat(200), "x".repeat(20_000)));
    assert_eq!(event.attributes.len(), 1);
    assert_eq!(attribute(&event, "attributes_left_out"), Some(&Typed::UintValue(3)));
}

#[test]
fn an_explanation_has_every_value_with_its_place_and_what_became_of_it() {
    let payload = br#"[{"id":"a","t":1,"gps":{"lat":1.5,"lon":2},"v":null,"door":true},{"t":2}]"#;
    let explanation = mapping("[fix]\nlatitude = '/gps/lat'\nlongitude = '/gps/lon'\n").explain(payload);
    assert_eq!(explanation.error, None);
    let parts: Vec<_> = (explanation.parts.iter())
        .map(|part| {
            let bytes = std::str::from_utf8(&payload[part.span.clone()]).unwrap();
            assert!(part.value.is_empty() || part.value == bytes);
            (part.depth, part.what.as_str(), part.value.as_str(), part.meaning.as_str())
        })
        .collect();
    assert_eq!(
        parts,
        [
            (0, "record 0", "", "a position"),
            (1, "/0/id", "\"a\"", "device = a"),
            (1, "/0/t", "1", "time = 1970-01-01T00:00:01Z"),
            (1, "/0/gps/lat", "1.5", "fix.latitude = 1.5"),
            (1, "/0/gps/lon", "2", "fix.longitude = 2"),
            (1, "/0/v", "null", ""),
            (1, "/0/door", "true", "attribute json.door"),
            (0, "record 1", "", "record 1 at byte 65: no device id is at any of the pointers of `device`"),
            (1, "/1/t", "2", "left out"),
        ]
    );
    let broken = mapping("").explain(br#"[{"id":"a","gps":{"lat":1.5,"lon":"#);
    assert_eq!(broken.error.unwrap().code(), "json");
    let before: Vec<_> = broken.parts.iter().map(|part| (part.what.as_str(), part.value.as_str())).collect();
    assert_eq!(before, [("/0/id", "\"a\""), ("/0/gps/lat", "1.5")]);
}
