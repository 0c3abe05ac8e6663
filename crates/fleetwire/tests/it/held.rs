//! Devices that nobody activated, with a real client on a real Kafka: they knock, are held, and once they are let in
//! everything of them appears in its order, once.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fleetwire_apache_kafka::TestKafka;
use fleetwire_kafka::{ClientSettings, Range, RangeEvent, RangeReader};
use fleetwire_model::pb::{PositionEvent, RawPublish};
use prost::Message as _;
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::devices::{Cli, Connected};
use crate::raws::{now_ms, produce, publish};
use crate::support::{
    ApiService, DEVICE, Decoder, Frontend, PASSWORD, Publish, TOKEN, activate, is_ready, metric, topics,
    until, vector,
};

/// A device that publishes every few milliseconds until it is told to stop.
struct Tracker {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Tracker {
    fn start(mqtt: std::net::SocketAddr, client_id: &str) -> Self {
        let mut options = MqttOptions::new(client_id, mqtt.ip().to_string(), mqtt.port());
        options.set_credentials("bce_device", PASSWORD).set_clean_session(true);
        let (client, mut connection) = Client::new(options, 10);
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = std::thread::spawn({
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            move || {
                let payload = vector();
                for event in connection.iter() {
                    match event.unwrap() {
                        Event::Incoming(Packet::ConnAck(_)) => {}
                        Event::Incoming(Packet::PubAck(_)) => {
                            acknowledged.fetch_add(1, Ordering::SeqCst);
                            if stop.load(Ordering::SeqCst) {
                                client.disconnect().unwrap();
                                continue;
                            }
                            std::thread::sleep(Duration::from_millis(15));
                        }
                        Event::Outgoing(rumqttc::Outgoing::Disconnect) => return,
                        _ => continue,
                    }
                    client.publish("BCE/D", QoS::AtLeastOnce, false, payload.clone()).unwrap();
                }
            }
        });
        Self { stop, acknowledged, thread }
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Stops it, and tells how many publishes were acknowledged.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        self.acknowledged.load(Ordering::SeqCst)
    }
}

/// What is committed of a topic, each partition in its order.
fn committed(kafka: &str, topic: &str, mut each: impl FnMut((i32, i64), &[u8])) {
    let stop = CancellationToken::new();
    let reader = RangeReader::new(&ClientSettings::new(kafka), topic, Range::default(), &stop).unwrap();
    loop {
        match reader.next(Duration::from_millis(200)).unwrap() {
            RangeEvent::Record(record) => {
                each((record.partition(), record.offset()), record.payload().unwrap_or_default());
            }
            RangeEvent::Idle => {}
            RangeEvent::End => return,
        }
    }
}

/// Where each publish of the device lies in the raw topic, with its sequence, in order.
fn raw(kafka: &str, prefix: &str) -> Vec<((i32, i64), u64)> {
    let mut raw = Vec::new();
    committed(kafka, &format!("{prefix}.raw.v1"), |place, value| {
        let publish = RawPublish::decode(value).unwrap();
        assert_eq!((publish.device_id.as_str(), publish.model.is_empty()), (DEVICE, false));
        raw.push((place, publish.session_sequence));
    });
    raw
}

/// The raw records that positions came from, in the order of the positions.
fn positions(kafka: &str, prefix: &str) -> Vec<(i32, i64)> {
    let mut positions = Vec::new();
    committed(kafka, &format!("{prefix}.positions.v1"), |_, value| {
        let raw = PositionEvent::decode(value).unwrap().raw_ref.unwrap();
        positions.push((raw.partition, raw.offset));
    });
    positions
}

/// Who is listed.
fn knocking(api: &ApiService) -> Vec<Value> {
    let printed = Cli { url: &api.url, token: TOKEN }.run(&["device", "held", "--json"]);
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn in_order(raw: &[((i32, i64), u64)], count: u64) {
    let sequences: Vec<u64> = raw.iter().map(|(_, sequence)| *sequence).collect();
    assert_eq!(sequences, (1..=count).collect::<Vec<_>>());
}

#[test]
fn a_device_that_knocks_is_listed_and_all_of_it_appears_in_its_order_when_it_is_let_in() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let (api, frontend) = (ApiService::ready(kafka, &prefix), Frontend::ready(kafka, &prefix));
    let decoder = Decoder::ready(kafka, &prefix);
    let cli = Cli { url: &api.url, token: TOKEN };

    let tracker = Tracker::start(frontend.mqtt, DEVICE);
    until("it has published", || (tracker.acknowledged() >= 100).then_some(()));
    let knock = until("it is listed", || {
        knocking(&api).into_iter().find(|knock| knock["messages"].as_u64().is_some_and(|count| count >= 100))
    });
    assert_eq!((&knock["id"], &knock["account"]), (&DEVICE.into(), &"bce_device".into()));
    assert!(knock["remote_address"].as_str().unwrap().starts_with("127.0.0.1:"), "{knock}");
    assert!(raw(kafka, &prefix).is_empty());

    cli.run(&["device", "add", DEVICE]);
    // It goes on meanwhile, and is never quiet; in the end it publishes directly.
    until("it publishes directly", || {
        (metric(frontend.admin, "fleetwire_frontend_publishes_total", "topic=\"raw\"") >= 50.0).then_some(())
    });
    let count = tracker.stop();
    let raw =
        until("everything is in raw", || Some(raw(kafka, &prefix)).filter(|raw| raw.len() as u64 >= count));
    in_order(&raw, count);
    let places: Vec<_> = raw.iter().map(|(place, _)| *place).collect();
    let positions = until("everything is decoded", || {
        Some(positions(kafka, &prefix)).filter(|positions| positions.len() as u64 >= count)
    });
    assert_eq!(positions, places);
    until("nobody knocks", || knocking(&api).is_empty().then_some(()));
    assert_eq!(cli.json(&["device", "show", DEVICE])["release_pending"], false);
    decoder.process.stop();
    frontend.process.stop();
    api.process.stop();
}

#[test]
fn a_release_that_is_killed_goes_on_where_it_was() {
    // How much is released before somebody sees it depends on the machine.
    let came_in_time = [100_000, 300_000].into_iter().any(kill_half_way);
    assert!(came_in_time, "every release was over before its keeper was killed");
}

/// Kills the keeper during a release of so many publishes, and looks at what came; whether it was killed in time.
fn kill_half_way(count: u64) -> bool {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let payload = vector();
    // As a frontend holds them.
    produce(
        kafka,
        &format!("{prefix}.held.v1"),
        (1..=count).map(|sequence| {
            let held = RawPublish { session_sequence: sequence, ..publish(DEVICE, &payload, now_ms()) };
            (DEVICE.to_owned(), held.encode_to_vec(), Some(now_ms()))
        }),
    );
    let api = ApiService::ready(kafka, &prefix);
    until("all of it is known", || {
        knocking(&api).iter().any(|knock| knock["messages"] == count).then_some(())
    });
    Cli { url: &api.url, token: TOKEN }.run(&["device", "add", DEVICE]);
    let half_way =
        until("some is released", || Some(raw(kafka, &prefix).len()).filter(|released| *released > 0));
    api.process.signal("KILL");
    drop(api);

    let api = ApiService::ready(kafka, &prefix);
    let raw =
        until("the rest is released", || Some(raw(kafka, &prefix)).filter(|raw| raw.len() as u64 >= count));
    in_order(&raw, count);
    until("the release is over", || {
        let shown = Cli { url: &api.url, token: TOKEN }.json(&["device", "show", DEVICE]);
        (shown["release_pending"] == false).then_some(())
    });
    api.process.stop();
    (half_way as u64) < count
}

#[test]
fn devices_that_nobody_activated_have_limits_and_others_have_none() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("frontend.toml");
    let limits = "[frontend.unactivated_limits]\naddress_sessions = 1\n\
                  address_bytes = { per_second = 1, burst = 65536 }\n";
    std::fs::write(&config, limits).unwrap();
    activate(kafka, &prefix, DEVICE);
    let frontend = Frontend::start(kafka, &prefix, Some(&config));
    until("a ready frontend", || is_ready(frontend.admin).then_some(()));
    // Two of them are more than a burst.
    let payload = vec![7; 60_000];
    let (stranger, second) = ("865209039554705", "352099001761481");

    for _ in 0..5 {
        assert!(
            Publish::sample(&payload).to(frontend.mqtt).status.success(),
            "an activated one has no limit"
        );
    }
    let told = |version| {
        let publish = Publish { client_id: stranger, version, ..Publish::sample(&payload) };
        let output = publish.to(frontend.mqtt);
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(told("5"), (true, String::new()));
    let (_, words) = told("5");
    assert!(words.contains("Quota exceeded"), "{words}");
    // An older client is not acknowledged: its connection is closed.
    let file = dir.path().join("payload");
    std::fs::write(&file, &payload).unwrap();
    let port = frontend.mqtt.port().to_string();
    let mut old = Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port, "-i", stranger, "-u", "bce_device", "-P", PASSWORD])
        .args(["-q", "1", "-V", "311", "-t", "BCE/D", "-f"])
        .arg(&file)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let counted = |limit: &str| {
        metric(frontend.admin, "fleetwire_frontend_unactivated_refused_total", &format!("limit=\"{limit}\""))
    };
    until("it is refused", || (counted("address_bytes") >= 2.0).then_some(()));
    old.kill().unwrap();
    old.wait().unwrap();
    let connected = until("one may connect", || {
        let sessions = metric(frontend.admin, "fleetwire_frontend_unactivated_sessions", "");
        (sessions < 1.0).then(|| Connected::open(frontend.mqtt, stranger))
    });
    let refused = Publish { client_id: second, ..Publish::sample(&payload) }.to(frontend.mqtt);
    assert!(!refused.status.success());
    assert!(counted("address_sessions") >= 1.0);
    let stored = metric(frontend.admin, "fleetwire_frontend_publishes_total", "topic=\"held\"");
    assert!((stored - 1.0).abs() < 0.5, "{stored}");
    drop(connected);
    frontend.process.stop();
}
