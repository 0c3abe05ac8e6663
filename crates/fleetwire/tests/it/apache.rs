//! The pipeline as processes of their own, on a real Apache Kafka.

use std::collections::BTreeSet;

use fleetwire_apache_kafka::TestKafka;

use crate::support::{
    DEVICE, Decoder, Frontend, PASSWORD, Publish, activate, fleetwire, metric, records, stdout, topics,
    until, vector,
};

#[test]
fn two_frontends_and_two_decoders_share_the_work_and_lose_nothing() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let flags = ["--kafka", kafka, "--topic-prefix", &prefix];
    let frontends = [Frontend::ready(kafka, &prefix), Frontend::ready(kafka, &prefix)];
    let decoders = [Decoder::ready(kafka, &prefix), Decoder::ready(kafka, &prefix)];
    until("both decoders have partitions", || {
        let assigned = |d: &Decoder| metric(d.admin, "fleetwire_kafka_assigned_partitions", "");
        decoders.iter().all(|decoder| assigned(decoder) > 0.0).then_some(())
    });
    for (seed, frontend) in (1..).zip(&frontends) {
        let (mqtt, seed) = (frontend.mqtt.to_string(), format!("{seed}"));
        let mut simulate =
            fleetwire(&["simulate", "--devices", "20", "--interval", "0s", "--messages", "500"]);
        simulate.args(["--mqtt", &mqtt, "--seed", &seed]).args(flags);
        simulate.env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
        let report = stdout(&simulate.output().unwrap());
        assert!(report.contains("500 acknowledged"), "{report}");
    }
    let stored = records("raw", 1000, &flags);
    let decoded =
        || -> f64 { decoders.iter().map(|d| metric(d.admin, "fleetwire_decoder_completed_total", "")).sum() };
    until("everything decoded", || (decoded() >= 1000.0).then_some(()));
    for decoder in &decoders {
        assert!(metric(decoder.admin, "fleetwire_decoder_payloads_total", "") > 0.0);
    }
    let sessions: BTreeSet<_> = stored
        .iter()
        .map(|raw| (raw["session_id"].as_str().unwrap(), raw["session_sequence"].as_str().unwrap()))
        .collect();
    assert_eq!(sessions.len(), 1000, "a publish is stored twice, or two have the same place in a session");
    for process in frontends.map(|f| f.process).into_iter().chain(decoders.map(|d| d.process)) {
        process.stop();
    }
}

#[test]
fn offsets_are_committed_at_the_stop_so_that_a_restart_decodes_nothing_twice() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let flags = ["--kafka", kafka, "--topic-prefix", &prefix];
    activate(kafka, &prefix, DEVICE);
    let frontend = Frontend::ready(kafka, &prefix);
    let first = Decoder::ready(kafka, &prefix);
    let publish = || assert!(Publish::sample(&vector()).to(frontend.mqtt).status.success());
    until("the device is known", || {
        publish();
        (metric(frontend.admin, "fleetwire_frontend_publishes_total", "raw") > 0.0).then_some(())
    });
    until("it is decoded", || {
        (metric(first.admin, "fleetwire_decoder_completed_total", "") >= 1.0).then_some(())
    });
    first.process.stop();
    let second = Decoder::ready(kafka, &prefix);
    publish();
    until("the second publish is decoded", || {
        (metric(second.admin, "fleetwire_decoder_completed_total", "") >= 1.0).then_some(())
    });
    assert!(metric(second.admin, "fleetwire_decoder_payloads_total", "") < 2.0);
    let positions = records("positions", 2, &flags);
    assert_ne!(positions[0]["event_id"], positions[1]["event_id"]);
    assert_eq!(positions[0]["dedup_key"], positions[1]["dedup_key"]);
    second.process.stop();
    frontend.process.stop();
}
