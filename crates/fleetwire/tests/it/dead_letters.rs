//! Dead letters from the command line: found, shown, and decoded again after a fix.

use std::process::Output;

use fleetwire_apache_kafka::TestKafka;
use serde_json::Value;

use crate::raws::{OTHER, now_ms, publish, write};
use crate::support::{DEVICE, Decoder, activate, fleetwire, metric, records, stdout, topics, until, vector};

/// Runs `fleetwire dead-letters`.
fn run(flags: &[&str], arguments: &[&str]) -> Output {
    fleetwire(&["dead-letters"]).args(arguments).args(flags).output().unwrap()
}

#[test]
fn a_publish_that_nobody_could_read_is_found_shown_and_decoded_after_the_fix() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let flags = ["--kafka", kafka, "--topic-prefix", &prefix];
    let letters = |arguments: &[&str]| stdout(&run(&flags, arguments));
    activate(kafka, &prefix, OTHER);
    let decoder = Decoder::ready(kafka, &prefix);
    let received = now_ms() - 60_000;
    let places =
        write(kafka, &prefix, &[publish(DEVICE, &vector(), received), publish(OTHER, b"hello", received)]);
    until("two dead letters", || {
        (metric(decoder.admin, "fleetwire_decoder_dead_letters_total", "") >= 2.0).then_some(())
    });
    decoder.process.stop();

    let listed = letters(&["list"]);
    for part in ["PLACE", DEVICE, OTHER, "not_activated", "version", "2 dead letters"] {
        assert!(listed.contains(part), "{part} is missing in:\n{listed}");
    }
    let one = letters(&["list", "--code", "version", "--from", "1h", "--json"]);
    let one: Value = serde_json::from_str(one.trim()).unwrap();
    assert_eq!(one["dead_letter"]["raw"]["device_id"], OTHER);
    let by_device = letters(&["list", "--device", DEVICE]);
    assert!(by_device.contains("1 dead letters") && !by_device.contains(OTHER), "{by_device}");
    assert!(letters(&["list", "--limit", "1"]).contains("the newest 1 are shown"));
    assert!(letters(&["list", "--to", "1h"]).contains("no dead letters"));
    assert!(letters(&["list", "--code", "chcksum"]).contains("truncated, unmapped_binary"));

    let place = format!("{}:{}", one["partition"], one["offset"]);
    let shown = letters(&["show", &place]);
    for part in ["[68]65 6c 6c 6f", "<- byte 0", "BCE/D", "192.0.2.7:40000", "what to do", "another protocol"]
    {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
    let nowhere = run(&flags, &["show", "0:4000"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("no dead letter at 0:4000"));

    let summary = |arguments: &[&str]| -> Value {
        let printed = letters(&[&["replay", "--json"][..], arguments].concat());
        serde_json::from_str(printed.trim()).unwrap()
    };
    let trial = summary(&["--dry-run"]);
    assert_eq!((&trial["positions"], &trial["written"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(trial["dead_letters"], serde_json::json!({ "not_activated": 1, "version": 1 }));

    activate(kafka, &prefix, DEVICE);
    let first = summary(&["--write-dead-letters"]);
    assert_eq!((&first["positions"], &first["written"]), (&Value::from(1), &Value::from(2)));
    let second = summary(&["--code", "not_activated"]);
    assert_eq!((&second["positions"], &second["letters"]), (&Value::from(1), &Value::from(1)));
    let third = summary(&["--code", "version", "--dry-run"]);
    assert_eq!((&third["letters"], &third["repeated"]), (&Value::from(2), &Value::from(1)));

    let positions = records("positions", 2, &flags);
    assert_eq!(positions[0]["device_id"], DEVICE);
    let topic = format!("{prefix}.raw.v1");
    let ids =
        fleetwire_model::event_id::EventIds::new(&topic, places[0].partition, places[0].offset, received);
    let expected = String::from_utf8(ids.at(0).to_vec()).unwrap();
    assert_eq!(positions[0]["event_id"], expected.as_str());
    assert_eq!(positions[1]["event_id"], expected.as_str());
}
