//! Ranges of the raw topic decoded again, and compared with what was produced at the time.

use std::collections::BTreeMap;
use std::process::Output;

use fleetwire_apache_kafka::TestKafka;
use fleetwire_decoder::interpret::{Interpreter, RawRecord};
use fleetwire_kafka::Delivered;
use fleetwire_model::pb::{PositionEvent, RawPublish};
use fleetwire_registry::{Catalogue, Devices};
use prost::Message as _;
use serde_json::Value;

use crate::raws::{OTHER, committed, now_ms, produce, publish, two_events, two_positions, write};
use crate::support::{
    DEVICE, Decoder, Publish, Run, activate, fleetwire, metric, records, stdout, topics, until, vector,
};

const MINUTE: i64 = 60_000;

/// Runs `fleetwire replay` on a range that holds everything.
fn replay(flags: &[&str], arguments: &[&str]) -> Output {
    fleetwire(&["replay", "--from", "1h"]).args(arguments).args(flags).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Lines of JSON.
fn lines(output: &Output) -> Vec<Value> {
    std::str::from_utf8(&output.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// Events by their ids, without what differs from one decoding to the next.
fn by_id(events: impl IntoIterator<Item = Value>) -> BTreeMap<String, Value> {
    let without = |mut event: Value| {
        event.as_object_mut().unwrap().remove("decoded_time");
        (event["event_id"].as_str().unwrap().to_owned(), event)
    };
    events.into_iter().map(without).collect()
}

/// Decodes everything live: waits until that many raw records are done, and stops the decoder.
fn decode_live(kafka: &str, prefix: &str, raw_records: usize) {
    let decoder = Decoder::ready(kafka, prefix);
    let wanted = f64::from(u32::try_from(raw_records).unwrap());
    until("everything decoded", || {
        (metric(decoder.admin, "fleetwire_decoder_payloads_total", "") >= wanted).then_some(())
    });
    decoder.process.stop();
}

#[test]
fn a_range_gives_what_the_live_decoder_gave_and_its_group_does_not_notice() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let flags = ["--kafka", kafka, "--topic-prefix", &prefix];
    activate(kafka, &prefix, DEVICE);
    activate(kafka, &prefix, OTHER);
    let begin = now_ms() - 50 * MINUTE;
    let mut publishes = Vec::new();
    for minute in 0..30 {
        publishes.push(publish(DEVICE, &vector(), begin + minute * MINUTE));
        publishes.push(publish(OTHER, &two_positions(), begin + minute * MINUTE + 1));
        publishes.push(publish(OTHER, &two_events(), begin + minute * MINUTE + 2));
    }
    publishes.push(publish(DEVICE, b"hello", begin + 31 * MINUTE));
    write(kafka, &prefix, &publishes);
    decode_live(kafka, &prefix, publishes.len());
    let raw = format!("{prefix}.raw.v1");
    let before = committed(kafka, &format!("{prefix}-decoder"), &raw);

    let output = replay(&flags, &["--to-stdout"]);
    let mut made: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in lines(&output) {
        let (kind, event) = line.as_object().unwrap().iter().next().unwrap();
        made.entry(kind.clone()).or_default().push(event.clone());
    }
    let mut of = |kind: &str| made.remove(kind).unwrap_or_default();
    let (positions, events, letters) = (of("position"), of("device_event"), of("dead_letter"));
    assert_eq!(letters.len(), 1);
    assert_eq!(by_id(positions), by_id(records("positions", 90, &flags)));
    assert_eq!(by_id(events), by_id(records("events", 60, &flags)));
    assert!(
        stderr(&output).contains("90 positions, 60 device events, 1 dead letters"),
        "{}",
        stderr(&output)
    );

    let count = |arguments: &[&str]| -> Value {
        let printed = stdout(&replay(&flags, &[&["--dry-run", "--json"][..], arguments].concat()));
        serde_json::from_str(&printed).unwrap()
    };
    assert_eq!(count(&["--device", DEVICE])["positions"], 30);
    assert_eq!(count(&["--model", "xirgo-lx41"])["records"], 0);
    let minute_ten = jiff::Timestamp::from_millisecond(begin + 10 * MINUTE).unwrap().to_string();
    assert_eq!(count(&["--to", &minute_ten])["records"], 30);
    // As an interrupted replay would ask to go on: one partition, from one offset.
    let places: Vec<Value> = records("positions", 90, &flags);
    let last = places.iter().rfind(|event| event["device_id"] == DEVICE).unwrap();
    let number = |field: &str| last["raw_ref"][field].as_str().map_or(0, |text| text.parse::<i64>().unwrap());
    let partition = last["raw_ref"]["partition"].as_i64().unwrap_or(0);
    let resume = format!("{partition}:{}", number("offset"));
    assert_eq!(count(&["--resume", &resume, "--device", DEVICE])["positions"], 1);

    let output = replay(&flags, &["--shadow"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = stderr(&output);
    assert!(said.contains("91 raw records") && said.contains("151 the same\nno differences"), "{said}");
    assert!(output.stdout.is_empty());

    let written = stdout(&replay(&flags, &["--yes", "--device", DEVICE]));
    assert!(written.contains("30 records are written to the live topics"), "{written}");
    let repeated = by_id(records("positions", 120, &flags));
    assert_eq!(repeated.len(), 90);
    assert!(stderr(&replay(&flags, &["--shadow"])).contains("no differences"));
    assert_eq!(committed(kafka, &format!("{prefix}-decoder"), &raw), before);
}

#[test]
fn a_replay_that_cannot_be_meant_is_refused_with_what_to_do() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let flags = ["--kafka", kafka, "--topic-prefix", &prefix];
    let raw = format!("{prefix}.raw.v1");
    for (arguments, code, part) in [
        (vec!["--to-topic", raw.as_str()], 2, "topic of the pipeline"),
        (vec!["--to-topic", "nowhere-at-all"], 1, "must exist"),
        (vec![], 2, "--yes"),
        (vec!["--model", "toaster", "--dry-run"], 2, "xirgo-lx41"),
        (vec!["--to", "2h", "--dry-run"], 2, "is not before"),
    ] {
        let output = replay(&flags, &arguments);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(part), "{part} is missing in: {}", stderr(&output));
    }
}

/// The position of a raw record as this build makes it.
fn position(prefix: &str, place: Delivered, raw: &RawPublish) -> PositionEvent {
    let catalogue = Catalogue::built_in();
    let devices = Devices::new(catalogue);
    let device = fleetwire_model::pb::Device {
        device_id: raw.device_id.clone(),
        model: Catalogue::DEFAULT.into(),
        status: fleetwire_model::pb::DeviceStatus::Active.into(),
        ..fleetwire_model::pb::Device::default()
    };
    devices.apply(raw.device_id.as_bytes(), Some(&device.encode_to_vec())).unwrap();
    let clock = fleetwire_decoder::DecoderSettings::default().clock;
    let mut interpreter = Interpreter::new(devices.into(), catalogue, clock, "another build");
    let record = RawRecord {
        topic: &format!("{prefix}.raw.v1"),
        partition: place.partition,
        offset: place.offset,
        key: raw.device_id.as_bytes(),
        value: &raw.encode_to_vec(),
    };
    let made = interpreter.interpret(record, 0);
    PositionEvent::decode(made.outputs().next().unwrap().value).unwrap()
}

#[test]
fn a_shadow_finds_what_this_build_decodes_otherwise() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let flags = ["--kafka", kafka, "--topic-prefix", &prefix];
    activate(kafka, &prefix, DEVICE);
    let begin = now_ms() - 30 * MINUTE;
    let mut raws: Vec<RawPublish> =
        (0..20).map(|minute| publish(DEVICE, &vector(), begin + minute * MINUTE)).collect();
    raws.push(publish(OTHER, &two_positions(), begin + 5 * MINUTE));
    let places = write(kafka, &prefix, &raws);
    // What an older build is said to have produced, before the live decoder gives the same once more.
    let mut altered = position(&prefix, places[0], &raws[0]);
    altered.fix.as_mut().unwrap().speed_kmh = Some(99.5);
    let mut extra = position(&prefix, places[1], &raws[1]);
    extra.raw_ref.as_mut().unwrap().record_index = 1;
    let records = [altered, extra].map(|event| (DEVICE.to_owned(), event.encode_to_vec(), None));
    produce(kafka, &format!("{prefix}.positions.v1"), records);
    decode_live(kafka, &prefix, raws.len());
    // It is let in now, and was not at the time.
    activate(kafka, &prefix, OTHER);

    let output = replay(&flags, &["--shadow", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let mut found: Vec<String> = lines(&output)
        .iter()
        .map(|line| {
            let text = |field: &str| line[field].as_str().unwrap_or("-").to_owned();
            let fields = ["device_id", "kind", "difference", "field", "old", "new"];
            fields.map(text).join(" ")
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            format!("{OTHER} dead_letter removed - - -"),
            format!("{OTHER} position added - - -"),
            format!("{OTHER} position added - - -"),
            format!("{DEVICE} position changed fix.speed_kmh 99.5 18"),
            format!("{DEVICE} position removed - - -"),
        ]
    );
    let said = stderr(&output);
    assert!(said.contains("1 changed, 2 added, 2 removed"), "{said}");
    assert!(said.contains("1 were produced more than once") && said.contains("1 of these differ"), "{said}");

    let table = replay(&flags, &["--shadow", "--device", DEVICE]);
    let printed = String::from_utf8(table.stdout.clone()).unwrap();
    assert_eq!(table.status.code(), Some(1), "{table:?}");
    assert!(printed.contains("fix.speed_kmh") && !printed.contains(OTHER), "{printed}");

    // Another configuration is another decoder: the clock of 2020 is believed.
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("decoder.toml");
    std::fs::write(&config, "[decoder.clock]\nmax_age = \"100years\"\n").unwrap();
    let output = replay(&flags, &["--shadow", "--config", config.to_str().unwrap()]);
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(printed.contains("[QUALITY_CLOCK_TOO_OLD]"), "{printed}");
    // A failure is told apart from a difference.
    assert_eq!(replay(&flags, &["--shadow", "--max-waiting", "0"]).status.code(), Some(2));
}

#[test]
fn the_embedded_log_is_read_from_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let run = Run::start(&dir);
    assert!(Publish::sample(&vector()).to(run.mqtt).status.success());
    assert!(Publish::sample(b"hello").to(run.mqtt).status.success());
    let live = records("positions", 1, &run.flags());
    records("dead-letters", 1, &run.flags());
    let output = replay(&run.flags(), &["--to-stdout"]);
    assert!(stderr(&output).contains("no look-up by time"), "{}", stderr(&output));
    let again = lines(&output).into_iter().filter_map(|line| line.get("position").cloned());
    assert_eq!(by_id(again), by_id(live));
    assert!(stderr(&replay(&run.flags(), &["--shadow"])).contains("no differences"));
    run.process.stop();
}
