//! The gap ledger on a real Apache Kafka: what is missing shows up, what comes late closes it, and a ledger that is
//! killed goes on where it was.

use std::net::SocketAddr;

use fleetwire_apache_kafka::TestKafka;
use fleetwire_kafka::{ClientSettings, Producer, Record};
use fleetwire_model::pb::PositionEvent;
use fleetwire_model::time::from_unix_ms;
use fleetwire_service::clock;
use prost::Message as _;
use serde_json::Value;

use crate::support::{
    DEVICE, LIMIT, Process, Publish, Run, fleetwire, is_ready, metric, output, service, stdout, topics,
    until, vector,
};

const MINUTE: i64 = 60_000;

/// One deployment with its topics.
struct Site {
    kafka: &'static str,
    prefix: String,
}

impl Site {
    fn new() -> Self {
        let kafka = TestKafka::shared().unwrap().bootstrap();
        Self { kafka, prefix: topics(kafka) }
    }

    /// A ledger that is ready. The short session lets Kafka notice soon when one is killed.
    fn ledger(&self, settings: &str) -> Ledger {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("gaps.toml");
        let group =
            "[kafka.properties]\n\"session.timeout.ms\" = \"6000\"\n\"heartbeat.interval.ms\" = \"500\"\n";
        let quick = "[gaps]\nflush_interval = \"100ms\"\nscan_interval = \"1s\"\n";
        std::fs::write(&file, format!("{group}{quick}{settings}")).unwrap();
        let mut command = service("gaps", self.kafka, &self.prefix);
        command.arg("--config").arg(&file);
        let mut process = Process::start(command);
        let admin = process.logged("admin HTTP is served", "address").parse().unwrap();
        until("a ready ledger", || is_ready(admin).then_some(()));
        Ledger { process, admin }
    }

    /// Writes positions of a device, as a decoder would.
    fn write(&self, device: &str, times_ms: impl IntoIterator<Item = i64>) {
        self.write_all(times_ms.into_iter().map(|time| (device, time)));
    }

    fn write_all<'a>(&self, records: impl IntoIterator<Item = (&'a str, i64)>) {
        let settings = ClientSettings::new(self.kafka);
        let producer = Producer::<()>::new(&settings, |delivery, ()| {
            delivery.outcome.unwrap();
        })
        .unwrap();
        let topic = format!("{}.positions.v1", self.prefix);
        for (device, time) in records {
            let event = PositionEvent {
                device_id: device.to_owned(),
                device_time: Some(from_unix_ms(time)),
                received_time: Some(from_unix_ms(clock::unix_ms())),
                ignition: Some(true),
                ..PositionEvent::default()
            };
            let value = event.encode_to_vec();
            let record = Record {
                topic: &topic,
                key: Some(device.as_bytes()),
                payload: Some(&value),
                ..Record::default()
            };
            producer.send(record, ()).unwrap();
        }
        producer.flush(LIMIT).unwrap();
    }

    fn gaps(&self, arguments: &[&str]) -> String {
        let mut command = fleetwire(&["gaps"]);
        command.args(arguments).args(["--kafka", self.kafka, "--topic-prefix", &self.prefix]);
        stdout(&command.output().unwrap())
    }

    /// The gaps of a device, and what is known of it.
    fn show(&self, device: &str) -> Value {
        serde_json::from_str(&self.gaps(&["show", device, "--json"])).unwrap()
    }

    /// Waits until the newest record that the ledger wrote of a device is this one.
    fn until_seen(&self, device: &str, time_ms: i64) {
        let last = from_unix_ms(time_ms).to_string();
        until("the ledger has seen it", || (self.show(device)["ledger"]["last"] == last).then_some(()));
    }
}

struct Ledger {
    process: Process,
    admin: SocketAddr,
}

impl Ledger {
    fn kill(self) {
        self.process.signal("KILL");
        self.process.wait();
    }
}

/// Minutes before now; the same instant for the whole test.
fn minutes(now: i64, range: impl IntoIterator<Item = i64>) -> impl Iterator<Item = i64> {
    range.into_iter().map(move |minute| now - minute * MINUTE)
}

#[test]
fn an_outage_shows_up_and_what_comes_late_closes_it_also_over_kills() {
    let (site, now) = (Site::new(), clock::unix_ms() / 1000 * 1000);
    let (lost, whole) = ("867035046242895", "490154203237518");
    let ledger = site.ledger("");
    site.write(whole, minutes(now, (0..120).rev()));
    site.write(lost, minutes(now, (90..120).rev().chain((0..30).rev())));
    site.until_seen(lost, now);
    let gap = site.show(lost)["gaps"][0].clone();
    assert_eq!(gap["state"], "GAP_STATE_OPEN");
    assert_eq!((&gap["expected"], &gap["interval_s"]), (&60.into(), &60.into()), "{gap}");
    assert_eq!(gap["from_time"], from_unix_ms(now - 90 * MINUTE).to_string());
    let table = site.gaps(&["show", lost]);
    for part in ["a record every 1m", "(learned)", "1h 1m", "open", "1 gaps, 1 of them not closed"] {
        assert!(table.contains(part), "{part} is missing in:\n{table}");
    }

    // The ledger dies; half of what is missing comes, and everything that had come once more.
    ledger.kill();
    site.write(lost, minutes(now, (60..120).rev().chain((-1..30).rev())));
    let ledger = site.ledger("");
    site.until_seen(lost, now + MINUTE);
    let gaps = site.show(lost)["gaps"].clone();
    assert_eq!(gaps.as_array().unwrap().len(), 1, "{gaps}");
    assert_eq!((&gaps[0]["state"], &gaps[0]["received"]), (&"GAP_STATE_PARTLY".into(), &30.into()), "{gaps}");
    assert_eq!(gaps[0]["gap_id"], gap["gap_id"]);
    assert_eq!(gaps[0]["missing"][0]["from_time"], from_unix_ms(now - 60 * MINUTE).to_string());
    assert!(metric(ledger.admin, "fleetwire_gaps_records_total", "late") >= 30.0);

    // It dies again; another one has the same ledger, writes nothing new of it, and takes the rest.
    let before = site.gaps(&["list", "--open", "--since", "3h", "--json"]);
    ledger.kill();
    let ledger = site.ledger("");
    site.write(whole, [now + MINUTE]);
    site.until_seen(whole, now + MINUTE);
    assert_eq!(site.gaps(&["list", "--open", "--since", "3h", "--json"]), before);
    site.write(lost, minutes(now, (30..60).rev()).chain([now + 2 * MINUTE]));
    site.until_seen(lost, now + 2 * MINUTE);
    let gap = site.show(lost)["gaps"][0].clone();
    assert_eq!((&gap["state"], &gap["received"]), (&"GAP_STATE_CLOSED".into(), &60.into()), "{gap}");
    assert!(site.gaps(&["list", "--open"]).contains("0 gaps"));
    assert!(metric(ledger.admin, "fleetwire_gaps_open", "") < 1.0);
    ledger.process.stop();
}

#[test]
fn ledgers_share_the_devices_and_hand_them_over() {
    let (site, now) = (Site::new(), clock::unix_ms() / 1000 * 1000);
    let devices: Vec<String> = (0..24).map(|number| format!("8670350400000{number:02}")).collect();
    let write = |range: std::ops::Range<i64>| {
        let times = minutes(now, range.rev());
        site.write_all(times.flat_map(|time| devices.iter().map(move |device| (device.as_str(), time))));
    };
    let first = site.ledger("");
    write(100..120);
    until("all are known", || (metric(first.admin, "fleetwire_gaps_devices", "") >= 24.0).then_some(()));
    let second = site.ledger("");
    until("both have partitions", || {
        let both = [&first, &second].map(|l| metric(l.admin, "fleetwire_kafka_assigned_partitions", ""));
        both.iter().all(|partitions| *partitions >= 2.0).then_some(())
    });
    write(50..60);
    let known = |ledger: &Ledger| metric(ledger.admin, "fleetwire_gaps_open", "");
    until("every device has a gap", || (known(&first) + known(&second) >= 24.0).then_some(()));
    // What the first has goes to the second, with the gaps that it followed.
    first.process.stop();
    write(60..100);
    until("every gap is closed", || {
        let gaps = site.gaps(&["list", "--json"]);
        let closed = gaps.lines().filter(|gap| gap.contains("GAP_STATE_CLOSED")).count();
        (closed == 24 && gaps.lines().count() == 24).then_some(())
    });
    second.process.stop();
}

#[test]
fn a_device_that_goes_silent_has_a_gap_that_is_not_over_until_it_returns() {
    let (site, device) = (Site::new(), "352099001761481");
    let ledger = site.ledger("min_gap = \"2s\"\n[gaps.devices.\"352099001761481\"]\nactive = \"1s\"\n");
    let now = clock::unix_ms() / 1000 * 1000;
    site.write(device, (0..10).rev().map(|second| now - second * 1000));
    let gap = until("the silence shows", || site.show(device)["gaps"].get(0).cloned());
    assert_eq!(gap["state"], "GAP_STATE_OPEN");
    assert_eq!(gap["interval_source"], "INTERVAL_SOURCE_CONFIGURED");
    assert!(gap.get("to_time").is_none(), "{gap}");
    assert!(site.gaps(&["list", "--open"]).contains("still silent"));
    let back = now + MINUTE;
    site.write(device, [back]);
    site.until_seen(device, back);
    let gap = &site.show(device)["gaps"][0];
    assert_eq!((&gap["expected"], &gap["to_time"]), (&59.into(), &from_unix_ms(back).to_string().into()));
    ledger.process.stop();
}

#[test]
fn topics_that_do_not_line_up_are_refused_with_what_to_do() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = format!("uneven-{}", std::process::id());
    let target = ["--kafka", kafka, "--topic-prefix", &prefix];
    let partitions = ["--partitions=positions.v1=2", "--partitions=gap-state.v1=3"];
    stdout(&fleetwire(&["topics", "apply"]).args(target).args(partitions).output().unwrap());
    let refused = service("gaps", kafka, &prefix).output().unwrap();
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{errors}");
    for part in ["has 2 partitions", "has 3", "topics apply --partitions gap-state.v1=2"] {
        assert!(errors.contains(part), "{part} is missing in:\n{errors}");
    }
}

#[test]
fn a_whole_pipeline_in_one_process_may_keep_a_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("run.toml");
    std::fs::write(&file, "[gaps]\nenabled = true\n").unwrap();
    let run = Run::start_with(&dir, |command| {
        command.arg("--config").arg(&file);
    });
    assert!(Publish::sample(&vector()).to(run.mqtt).status.success());
    // The sample is from 2020, which is not judged.
    until("the ledger has seen it", || {
        (metric(run.admin, "fleetwire_gaps_records_total", "clock_suspect") >= 1.0).then_some(())
    });
    let shown = fleetwire(&["gaps", "show", DEVICE]).args(run.flags()).output().unwrap();
    assert!(stdout(&shown).contains("does not remember"));
    run.process.stop();
}

#[test]
fn mistakes_on_the_command_line_are_explained() {
    let bad = output(&["gaps", "show", "a/b", "--kafka", "127.0.0.1:1"]);
    assert_eq!(bad.status.code(), Some(2));
    let bad = output(&["gaps", "show", "352099001761481", "--from", "yesterday", "--kafka", "127.0.0.1:1"]);
    assert!(String::from_utf8_lossy(&bad.stderr).contains("2026-11-24"));
    // A variable that names Kafka does not stand in the way of a subcommand.
    let asked = fleetwire(&["gaps", "list", "--help"]).env("FLEETWIRE_KAFKA", "127.0.0.1:1").output();
    assert!(stdout(&asked.unwrap()).contains("--since"));
}
