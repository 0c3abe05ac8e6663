//! Kafka away at the start, in between, and for good.

use fleetwire_apache_kafka::{ApacheKafka, TestKafka};

use crate::support::{
    DEVICE, Decoder, Frontend, PASSWORD, Process, Publish, activate, fleetwire, get, is_ready, metric,
    output, records, topics, until, vector,
};

#[test]
fn a_frontend_that_starts_before_kafka_waits_says_so_and_recovers() {
    let mut kafka = ApacheKafka::single().unwrap();
    let bootstrap = kafka.bootstrap();
    let prefix = topics(&bootstrap);
    activate(&bootstrap, &prefix, DEVICE);
    kafka.kill(0).unwrap();

    let frontend = Frontend::start(&bootstrap, &prefix, None);
    let (status, reasons) = get(frontend.admin, "/readyz");
    assert_eq!(status, 503, "{reasons}");
    assert_eq!(get(frontend.admin, "/livez").0, 200);
    // It cannot know who is activated, so it lets nobody in: "server unavailable".
    assert_eq!(Publish::sample(&vector()).to(frontend.mqtt).status.code(), Some(3));

    kafka.restart(0).unwrap();
    until("the frontend recovers", || is_ready(frontend.admin).then_some(()));
    assert!(Publish::sample(&vector()).to(frontend.mqtt).status.success());
    frontend.process.stop();
}

#[test]
fn a_kafka_that_dies_in_between_slows_devices_down_and_nothing_acknowledged_is_lost() {
    let mut kafka = ApacheKafka::single().unwrap();
    let bootstrap = kafka.bootstrap();
    let prefix = topics(&bootstrap);
    let flags = ["--kafka", bootstrap.as_str(), "--topic-prefix", &prefix];
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("frontend.toml");
    // So that a short outage shows.
    std::fs::write(&config, "[process]\nkafka_away_limit = \"100ms\"\n").unwrap();
    let frontend = Frontend::start(&bootstrap, &prefix, Some(&config));
    until("a ready frontend", || is_ready(frontend.admin).then_some(()));
    let decoder = Decoder::ready(&bootstrap, &prefix);
    let mqtt = frontend.mqtt.to_string();
    let mut simulate = fleetwire(&["simulate", "--devices", "10", "--interval", "0s", "--messages", "3000"]);
    simulate.args(["--rate", "300", "--mqtt", &mqtt]).args(flags);
    simulate.env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
    let simulate = Process::start(simulate);
    let taken = || metric(frontend.admin, "fleetwire_frontend_publishes_total", "");
    until("publishes flow", || (taken() > 300.0).then_some(()));

    kafka.kill(0).unwrap();
    until("the outage shows", || (!is_ready(frontend.admin)).then_some(()));
    kafka.restart(0).unwrap();
    until("the frontend recovers", || is_ready(frontend.admin).then_some(()));

    let (status, report) = simulate.wait();
    assert!(status.success(), "{report}");
    let acknowledged: usize = report
        .lines()
        .filter_map(|line| line.split(" acknowledged").next()?.rsplit(' ').next()?.parse().ok())
        .max()
        .unwrap();
    assert!(acknowledged >= 2900, "{report}");
    // At least as many as were acknowledged: what was sent again may be there twice.
    records("raw", acknowledged, &flags);
    until("everything decoded", || {
        let finished = metric(decoder.admin, "fleetwire_decoder_completed_total", "");
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let all = finished >= acknowledged as f64;
        all.then_some(())
    });
    frontend.process.stop();
    decoder.process.stop();
}

#[test]
fn losing_one_of_three_brokers_loses_nothing_and_turns_nobody_away() {
    let mut kafka = ApacheKafka::cluster(3).unwrap();
    let bootstrap = kafka.bootstrap();
    let prefix = topics(&bootstrap);
    let flags = ["--kafka", bootstrap.as_str(), "--topic-prefix", &prefix];
    let frontend = Frontend::ready(&bootstrap, &prefix);
    let mqtt = frontend.mqtt.to_string();
    let mut simulate = fleetwire(&["simulate", "--devices", "10", "--interval", "0s", "--messages", "2000"]);
    simulate.args(["--rate", "200", "--mqtt", &mqtt]).args(flags);
    simulate.env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
    let simulate = Process::start(simulate);
    until("publishes flow", || {
        (metric(frontend.admin, "fleetwire_frontend_publishes_total", "") > 200.0).then_some(())
    });
    kafka.kill(1).unwrap();
    let (status, report) = simulate.wait();
    assert!(status.success(), "{report}");
    assert!(report.contains("2000 acknowledged") && report.contains("0 refused, 0 failures"), "{report}");
    records("raw", 2000, &flags);
    assert!(metric(frontend.admin, "fleetwire_frontend_delivery_failures_total", "") < 1.0);
    frontend.process.stop();
}

#[test]
fn a_kafka_that_stays_away_costs_a_device_its_connection_and_not_its_data() {
    let mut kafka = ApacheKafka::single().unwrap();
    let bootstrap = kafka.bootstrap();
    let prefix = topics(&bootstrap);
    activate(&bootstrap, &prefix, DEVICE);
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("frontend.toml");
    std::fs::write(&config, "[process]\ngrace = \"5s\"\n[kafka.producer]\ndelivery_timeout = \"2s\"\n")
        .unwrap();
    let frontend = Frontend::start(&bootstrap, &prefix, Some(&config));
    until("a ready frontend", || is_ready(frontend.admin).then_some(()));
    assert!(Publish::sample(&vector()).to(frontend.mqtt).status.success());

    kafka.pause(0).unwrap();
    let payload = vector();
    let v311 = Publish::sample(&payload);
    assert!(!v311.to(frontend.mqtt).status.success(), "PUBACK without Kafka");
    let v5 = Publish { version: "mqttv5", ..v311.clone() }.to(frontend.mqtt);
    let printed = String::from_utf8_lossy(&v5.stderr).into_owned() + &String::from_utf8_lossy(&v5.stdout);
    assert!(!printed.is_empty(), "an MQTT 5 client is told why");
    assert!(metric(frontend.admin, "fleetwire_frontend_delivery_failures_total", "timed_out") >= 2.0);

    kafka.resume(0).unwrap();
    until("publishes are taken again", || v311.to(frontend.mqtt).status.success().then_some(()));
    frontend.process.stop();
}

#[test]
fn a_second_signal_ends_a_drain_that_cannot_end() {
    let mut kafka = ApacheKafka::single().unwrap();
    let bootstrap = kafka.bootstrap();
    let prefix = topics(&bootstrap);
    let frontend = Frontend::ready(&bootstrap, &prefix);
    let mqtt = frontend.mqtt.to_string();
    kafka.pause(0).unwrap();
    let mut simulate = fleetwire(&["simulate", "--devices", "5", "--interval", "0s", "--duration", "60s"]);
    simulate.args(["--mqtt", &mqtt]).env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
    let _simulate = Process::start(simulate);
    until("publishes wait for Kafka", || {
        (metric(frontend.admin, "fleetwire_frontend_publishes_total", "") >= 5.0).then_some(())
    });
    frontend.process.signal("TERM");
    until("it says that it stops", || frontend.process.printed().contains("stopping").then_some(()));
    frontend.process.signal("TERM");
    let (status, printed) = frontend.process.wait();
    assert_eq!(status.code(), Some(130), "{printed}");
}

#[test]
fn without_topics_a_service_is_not_ready_and_says_how_to_make_them() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let frontend = Frontend::start(kafka, "nobody-made-these-topics", None);
    until("it says what is missing", || {
        let (status, reasons) = get(frontend.admin, "/readyz");
        (status == 503 && reasons.contains("fleetwire topics apply")).then_some(())
    });
    frontend.process.stop();
}

#[test]
fn topics_say_that_kafka_is_away_within_their_time() {
    let output = output(&["topics", "check", "--kafka", "127.0.0.1:1", "--timeout", "1s"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!String::from_utf8_lossy(&output.stderr).is_empty());
}
