//! Payloads taken apart for a person: nothing is left out, and what it says is what decoding does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot go on without")]

use std::path::Path;

use fleetwire_codec::{Codec, Decoded, Explanation, Input, Protocol, dt7, iotm};
use proptest::prelude::*;

fn codecs() -> [Codec; 2] {
    [Codec::Iotm(iotm::Options::default()), Codec::Dt7(dt7::Options::default())]
}

fn codec(protocol: Protocol) -> Codec {
    codecs().into_iter().find(|codec| codec.protocol() == protocol).unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).with_extension("hex");
    hex::decode(std::fs::read_to_string(file).unwrap().trim()).unwrap()
}

fn explain(protocol: Protocol, payload: &[u8]) -> Explanation {
    codec(protocol).explain(Input { payload, topic: "BCE/D", received_ms: 1_700_000_000_000 })
}

/// The parts as lines.
fn text(found: &Explanation) -> String {
    let line = |part: &fleetwire_codec::Part| {
        let indent = "  ".repeat(part.depth);
        format!("{indent}{:?} {}: {} -> {}", part.span, part.what, part.value, part.meaning)
    };
    found.parts.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("fixtures/explained");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Every byte is in a part, and the parts are in the order of the payload.
fn check(payload: &[u8], found: &Explanation) -> Result<(), TestCaseError> {
    let mut covered = vec![false; payload.len()];
    for part in &found.parts {
        prop_assert!(payload.get(part.span.clone()).is_some(), "{:?}", part);
        covered.get_mut(part.span.clone()).unwrap().fill(true);
    }
    prop_assert!(covered.iter().all(|covered| *covered), "{}", text(found));
    let starts: Vec<_> =
        found.parts.iter().filter(|part| part.what != "hint").map(|part| part.span.start).collect();
    prop_assert!(starts.is_sorted(), "{}", text(found));
    Ok(())
}

#[test]
fn an_iotm_payload_says_what_each_item_becomes() {
    let found = explain(Protocol::Iotm, &fixture("iotm/i00_field_position"));
    assert_eq!(found.error, None);
    snapshot("i00_field_position", &text(&found));
}

#[test]
fn an_iotm_command_is_read_too() {
    let text = text(&explain(Protocol::Iotm, &fixture("iotm/i04_s2_on")));
    assert!(text.contains("S2 on, unique id 1, until 2038-01-19T03:14:07Z"), "{text}");
}

#[test]
fn a_dt7_payload_says_what_each_field_becomes() {
    for name in ["b04_truck_with_driver_cards", "b02_output_answer", "b20_output_control"] {
        let found = explain(Protocol::Dt7, &fixture(&format!("dt7/{name}")));
        assert_eq!(found.error, None);
        snapshot(name, &text(&found));
    }
}

#[test]
fn a_payload_that_does_not_decode_is_read_as_far_as_it_goes() {
    let whole = fixture("iotm/i00_field_position");
    let (cut, _) = whole.split_at(50);
    let found = explain(Protocol::Iotm, cut);
    assert_eq!(found.error.as_ref().unwrap().code(), "record_length");
    let lines = text(&found);
    assert!(lines.contains("power.supply_v = 14.51"), "{lines}");
    assert!(lines.contains("but 34 are there"), "{lines}");

    let whole = fixture("dt7/b00_corrupt_longitude");
    let (cut, _) = whole.split_at(80);
    let found = explain(Protocol::Dt7, cut);
    assert_eq!(found.error.as_ref().unwrap().code(), "block_length");
    let lines = text(&found);
    assert!(lines.contains("fix.type = FIX") && lines.contains("device_id = 867459045649688"), "{lines}");
}

#[test]
fn a_payload_of_another_protocol_gets_a_hint() {
    let hint = |protocol, payload: &[u8]| {
        let found = explain(protocol, payload);
        assert!(found.error.is_some());
        found.parts.iter().find(|part| part.what == "hint").unwrap().meaning.clone()
    };
    assert!(hint(Protocol::Iotm, &fixture("dt7/b00_corrupt_longitude")).contains("DT7"));
    assert!(hint(Protocol::Dt7, &fixture("iotm/i00_field_position")).contains("IOTM"));
    assert!(hint(Protocol::Dt7, b"#BCE#\r\n........").contains("TCP"));
    assert!(hint(Protocol::Iotm, b"{\"device_id\": 1}").contains("JSON"));
    assert!(hint(Protocol::Dt7, b"{\"device_id\": 1}").contains("JSON"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn every_byte_is_explained_and_the_error_is_the_decoders(
        payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            mutated("iotm/i11_thirteen_records"),
            mutated("dt7/b04_truck_with_driver_cards"),
            mutated("dt7/b13_two_services_long_record"),
        ],
    ) {
        for codec in codecs() {
            let input = Input { payload: &payload, topic: "", received_ms: 0 };
            let found = codec.explain(input);
            prop_assert_eq!(&found.error, &codec.decode(input, &mut Decoded::default()).err());
            check(&payload, &found)?;
        }
    }
}

fn mutated(name: &str) -> impl Strategy<Value = Vec<u8>> {
    let payload = fixture(name);
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    (changes, any::<prop::sample::Index>()).prop_map(move |(changes, cut)| {
        let mut payload = payload.clone();
        for (index, byte) in changes {
            let length = payload.len();
            *payload.get_mut(index.index(length)).unwrap() = byte;
        }
        payload.truncate(payload.len() - cut.index(payload.len() * 2).saturating_sub(payload.len()));
        payload
    })
}
