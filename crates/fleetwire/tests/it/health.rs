//! What the admin port says of a process: when it is ready, when it is live, and what it logs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use fleetwire_apache_kafka::{ApacheKafka, TestKafka};
use serde_json::Value;

use crate::support::{
    Frontend, PASSWORD, Process, Publish, TOKEN, fleetwire, get, is_ready, metric, output, service, topics,
    until, vector,
};

/// For how long Kafka is away. Longer than any limit below.
const OUTAGE: Duration = Duration::from_secs(75);
/// Kafka may be away for three seconds; a part may be silent for half a minute, which is far below the default.
const STRICT: &str = "[process]\nkafka_away_limit = \"3s\"\nhang_limit = \"30s\"\n\
                      [kafka.producer]\ndelivery_timeout = \"5s\"\n";

/// A service with its admin address.
struct Service {
    name: &'static str,
    process: Process,
    admin: SocketAddr,
}

impl Service {
    fn start(name: &'static str, kafka: &str, prefix: &str, toml: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("service.toml");
        std::fs::write(&config, format!("{STRICT}{toml}")).unwrap();
        let mut command = service(name, kafka, prefix);
        command.arg("--config").arg(&config);
        command
            .env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD)
            .env("FLEETWIRE_API_TOKEN_TESTS", TOKEN);
        if name == "frontend" {
            command.args(["--mqtt", "127.0.0.1:0", "--downlink", "127.0.0.1:0"]);
        }
        let mut process = Process::start(command);
        let admin = process.logged("admin HTTP is served", "address").parse().unwrap();
        Self { name, process, admin }
    }
}

fn all(kafka: &str, prefix: &str) -> Vec<Service> {
    let api = "[api]\nlisten = \"127.0.0.1:0\"\n[api.tokens.tests]\nscopes = [\"read\", \"devices\"]\n";
    [("frontend", ""), ("decoder", ""), ("command-gateway", ""), ("api", api), ("gaps", "")]
        .map(|(name, toml)| Service::start(name, kafka, prefix, toml))
        .into()
}

#[test]
fn a_dead_kafka_makes_every_service_unready_and_none_not_live_however_long_it_takes() {
    let mut kafka = ApacheKafka::single().unwrap();
    let bootstrap = kafka.bootstrap();
    let prefix = topics(&bootstrap);
    let services = all(&bootstrap, &prefix);
    for service in &services {
        until(&format!("a ready {}", service.name), || is_ready(service.admin).then_some(()));
        assert!(metric(service.admin, "fleetwire_health_condition", "") >= 1.0);
    }
    kafka.kill(0).unwrap();
    for service in &services {
        until(&format!("an unready {}", service.name), || {
            let (status, reasons) = get(service.admin, "/readyz");
            (status == 503 && reasons.contains("Kafka")).then_some(())
        });
        let (_, shown) = get(service.admin, "/metrics");
        let is_unready = |line: &str| line.starts_with("fleetwire_health_condition{") && line.ends_with(" 0");
        assert!(shown.lines().any(is_unready), "{}: {shown}", service.name);
    }
    let (begun, mut most) = (Instant::now(), 0);
    while begun.elapsed() < OUTAGE {
        for service in &services {
            let (status, signs) = get(service.admin, "/livez");
            assert_eq!(status, 200, "{}: {signs}", service.name);
            let signs: Value = serde_json::from_str(&signs).unwrap();
            assert!(!signs.as_object().unwrap().is_empty(), "{} shows no sign of life", service.name);
            let silent =
                signs.as_object().unwrap().values().map(|sign| sign["silent_seconds"].as_u64().unwrap());
            most = most.max(silent.max().unwrap_or_default());
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
    // A figure for whoever changes the limits.
    writeln!(std::io::stderr(), "the longest silence while Kafka was away: {most} s").unwrap();
    kafka.restart(0).unwrap();
    for service in services {
        until(&format!("{} recovers", service.name), || is_ready(service.admin).then_some(()));
        service.process.stop();
    }
}

#[test]
fn a_kafka_that_was_never_there_leaves_a_service_unready_and_live() {
    let dead = "127.0.0.1:1";
    for service in all(dead, "nobody") {
        let (status, reasons) = get(service.admin, "/readyz");
        assert_eq!(status, 503, "{}: {reasons}", service.name);
        let (status, signs) = get(service.admin, "/livez");
        assert_eq!(status, 200, "{}: {signs}", service.name);
        service.process.stop();
    }
}

#[test]
fn the_canary_goes_round_and_is_no_session_of_anybody() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let toml = "[frontend]\nmax_connections = 1\n[frontend.canary]\nevery = \"100ms\"\n\
                [frontend.gate]\nconnections_per_address = 1\nconnect_rate_per_address = 1\n\
                connect_burst_per_address = 1\n";
    let frontend = Service::start("frontend", kafka, &prefix, toml);
    let rounds = || metric(frontend.admin, "fleetwire_frontend_canary_total", "acknowledged");
    until("rounds", || (is_ready(frontend.admin) && rounds() >= 10.0).then_some(()));
    for name in [
        "fleetwire_frontend_accepted_total",
        "fleetwire_frontend_connections",
        "fleetwire_frontend_sessions",
        "fleetwire_frontend_connects_total",
        "fleetwire_frontend_disconnects_total",
        "fleetwire_frontend_turned_away_total",
        "fleetwire_frontend_publishes_total",
        "fleetwire_frontend_handshake_seconds_count",
        "fleetwire_frontend_puback_seconds_count",
        "fleetwire_frontend_account_publishes_total",
    ] {
        assert!(metric(frontend.admin, name, "") < 1.0, "{name}");
    }
    assert!(metric(frontend.admin, "fleetwire_frontend_canary_seconds_count", "") >= 10.0);
    frontend.process.stop();
}

#[test]
fn nobody_else_comes_in_as_the_canary() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let frontend = Frontend::ready(kafka, &prefix);
    let payload = vector();
    let as_canary =
        Publish { user: "$canary", client_id: "$canary", topic: "$canary", ..Publish::sample(&payload) };
    let with_its_id = Publish { client_id: "$canary", ..Publish::sample(&payload) };
    let with_its_name = Publish { user: "$canary", ..Publish::sample(&payload) };
    let with_its_topic = Publish { topic: "$canary", ..Publish::sample(&payload) };
    for attempt in [as_canary, with_its_id, with_its_name, with_its_topic] {
        for version in ["311", "mqttv5"] {
            let tried = Publish { version, ..attempt.clone() }.to(frontend.mqtt);
            let refused = !tried.status.success() || !tried.stderr.is_empty();
            assert!(refused, "{attempt:?} {version}: {tried:?}");
        }
    }
    assert!(metric(frontend.admin, "fleetwire_frontend_connects_total", "bad_client_id") >= 4.0);
    assert!(metric(frontend.admin, "fleetwire_frontend_connects_total", "bad_credentials") >= 2.0);
    assert!(is_ready(frontend.admin));
    frontend.process.stop();
}

#[test]
fn a_frontend_that_drains_is_not_ready_and_stays_live() {
    let mut kafka = ApacheKafka::single().unwrap();
    let bootstrap = kafka.bootstrap();
    let prefix = topics(&bootstrap);
    let frontend = Frontend::ready(&bootstrap, &prefix);
    kafka.pause(0).unwrap();
    // A publish that waits for Kafka holds the drain up.
    let mqtt = frontend.mqtt.to_string();
    let mut simulate = fleetwire(&["simulate", "--devices", "2", "--interval", "0s", "--duration", "60s"]);
    simulate.args(["--mqtt", &mqtt]).env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
    let _simulate = Process::start(simulate);
    until("publishes wait for Kafka", || {
        (metric(frontend.admin, "fleetwire_frontend_publishes_total", "") >= 2.0).then_some(())
    });
    frontend.process.signal("TERM");
    until("it says that it stops", || {
        let (status, reasons) = get(frontend.admin, "/readyz");
        (status == 503 && reasons.contains("\"stopping\"")).then_some(())
    });
    assert_eq!(get(frontend.admin, "/livez").0, 200);
    frontend.process.signal("TERM");
    frontend.process.wait();
}

/// A request with a method and a body; the status and the answer.
fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[test]
fn what_is_logged_changes_while_the_process_runs_and_masks_stay() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("frontend.toml");
    std::fs::write(&config, "[process]\nmask_logs = \"all\"\n").unwrap();
    // Neither a format nor a terminal: the lines are JSON.
    let mut command = fleetwire(&["frontend", "--kafka", kafka, "--topic-prefix", &prefix]);
    command.args([
        "--admin",
        "127.0.0.1:0",
        "--mqtt",
        "127.0.0.1:0",
        "--downlink",
        "127.0.0.1:0",
        "--config",
    ]);
    command.arg(&config).env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
    let mut process = Process::start(command);
    let admin: SocketAddr = process.logged("admin HTTP is served", "address").parse().unwrap();
    let mqtt: SocketAddr = process.logged("devices may connect", "address").parse().unwrap();
    until("a ready frontend", || is_ready(admin).then_some(()));

    let payload = vector();
    let publish = || assert!(Publish::sample(&payload).to(mqtt).status.success());
    let ended = |process: &Process| process.printed().matches("session ended").count();
    publish();
    assert_eq!(ended(&process), 0);
    let (status, shown) = ask(admin, "PUT", "/v1/log-filter?for=1h", "info,fleetwire_mqtt=debug");
    assert_eq!(status, 200, "{shown}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (shown["current"].as_str(), shown["configured"].as_str()),
        (Some("info,fleetwire_mqtt=debug"), Some("info"))
    );
    assert!(shown["returns_in_seconds"].as_u64().unwrap() > 3500);
    publish();
    until("lines of the module", || (ended(&process) > 0).then_some(()));
    assert!(!process.printed().contains("867035046242895"), "a filter must not take a mask off");

    for (query, filter, says) in [
        ("", "inof", "target=level"),
        ("", "[session{client=1}]=trace", "settings only"),
        ("?for=never", "debug", "10m"),
        ("?until=1h", "debug", "for=10m"),
        ("?for=0s", "debug", "1s"),
    ] {
        let (status, answer) = ask(admin, "PUT", &format!("/v1/log-filter{query}"), filter);
        assert_eq!(status, 400, "{answer}");
        assert!(answer.contains(says), "{answer}");
    }
    assert_eq!(ask(admin, "PUT", "/v1/log-filter?for=1s", "debug").0, 200);
    until("its time is over", || {
        get(admin, "/v1/log-filter").1.contains("\"current\":\"info\"").then_some(())
    });
    assert_eq!(ask(admin, "PUT", "/v1/log-filter", "error").0, 200);
    let (status, shown) = ask(admin, "DELETE", "/v1/log-filter", "");
    assert!(status == 200 && shown.contains("\"current\":\"info\""), "{shown}");
    assert!(metric(admin, "fleetwire_logs_total", "info") >= 2.0);
    process.stop();
}

#[test]
fn times_of_the_canary_that_do_not_fit_together_are_refused_before_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("frontend.toml");
    std::fs::write(&config, "[frontend.canary]\nlive_within = \"1s\"\n").unwrap();
    let checked = output(&["check-config", "frontend", config.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(2));
    let told = String::from_utf8_lossy(&checked.stderr);
    assert!(told.contains("frontend.canary.live_within"), "{told}");
}
