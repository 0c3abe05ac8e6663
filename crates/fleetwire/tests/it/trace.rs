//! `fleetwire trace`: one device followed through every service, with a real client, as a person sees it.

use std::process::{Child, Command, Stdio};

use fleetwire_apache_kafka::TestKafka;
use serde_json::Value;

use crate::support::{
    ApiService, DEVICE, Decoder, Frontend, PASSWORD, Process, Publish, Run, TOKEN, activate, fleetwire,
    metric, output, stdout, topics, until, vector,
};

/// Somebody who follows a device.
struct Watcher(Process);

impl Watcher {
    fn start(device: &str, flags: &[&str]) -> Self {
        let mut command = fleetwire(&["trace", device]);
        command.args(flags).env("FLEETWIRE_API_TOKEN", TOKEN);
        Self(Process::start(command))
    }

    /// The steps that were shown, with `--json`.
    fn steps(&self) -> Vec<Value> {
        let printed = self.0.printed();
        printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for a step that is so.
    fn step(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{what}; shown: {}", self.0.printed()), || {
            self.0.assert_running();
            self.steps().into_iter().find(&is_so)
        })
    }

    fn named(&mut self, name: &str) -> Value {
        self.step(name, |step| step["step"] == name)
    }

    /// Waits for a line with all of these.
    fn line(&mut self, parts: &[&str]) -> String {
        until(&format!("a line with {parts:?}"), || {
            self.0.assert_running();
            let printed = self.0.printed();
            printed.lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
        })
    }
}

/// Waits for each step of the first publish, and looks at it.
fn one_publish(watcher: &mut Watcher, prefix: &str, size: usize) {
    let connected = watcher.named("connected");
    assert_eq!(
        (connected["account"].as_str(), connected["service"].as_str()),
        (Some("bce_device"), Some("frontend"))
    );
    let received = watcher.named("received");
    assert_eq!((&received["mqtt_topic"], &received["qos"]), (&"BCE/D".into(), &1.into()));
    assert_eq!((&received["size"], &received["packet_id"]), (&size.into(), &1.into()));
    let subject = received["subject"].clone();
    let about = |name: &'static str| {
        let subject = subject.clone();
        move |step: &Value| step["step"] == name && step["subject"] == subject
    };
    let handed = watcher.step("handed over", about("handed_over"));
    assert_eq!(handed["kafka_topic"], format!("{prefix}.raw.v1"));
    let stored = watcher.step("stored", about("stored"));
    assert!(stored["partition"].is_number() && stored["offset"].is_number(), "{stored}");
    assert_eq!(watcher.step("answered", about("answered"))["code"], "success");
    let read = watcher.step("decoded", about("decoded"));
    assert_eq!((&read["protocol"], &read["count"]), (&"iotm".into(), &1.into()));
    assert_eq!((&read["partition"], &read["offset"]), (&stored["partition"], &stored["offset"]));
    let produced = watcher.step("produced", about("produced"));
    assert_eq!(
        (&produced["count"], &produced["kafka_topic"]),
        (&1.into(), &format!("{prefix}.positions.v1").into())
    );
    assert!(produced["offset"].is_number() && produced["since_received_ms"].is_number(), "{produced}");
    watcher.named("disconnected");
}

#[test]
fn every_step_of_a_publish_is_shown_and_why_others_do_not_come_so_far() {
    let kafka = TestKafka::shared().unwrap().bootstrap();
    let prefix = topics(kafka);
    activate(kafka, &prefix, DEVICE);
    let (frontend, decoder) = (Frontend::ready(kafka, &prefix), Decoder::ready(kafka, &prefix));
    let api = ApiService::ready(kafka, &prefix);
    let mut watcher = Watcher::start(DEVICE, &["--for", "10m", "--json", "--api", &api.url]);
    for admin in [frontend.admin, decoder.admin] {
        until("the device is followed", || {
            (metric(admin, "fleetwire_trace_devices", "") > 0.0).then_some(())
        });
    }

    let payload = vector();
    let sample = Publish::sample(&payload);
    assert!(sample.to(frontend.mqtt).status.success());
    one_publish(&mut watcher, &prefix, payload.len());

    // Nothing shows payloads that nobody asked for.
    assert!(watcher.steps().iter().all(|step| step.get("payload_hex").is_none()));

    let wrong = Publish { password: "not the password", ..sample.clone() };
    assert!(!wrong.to(frontend.mqtt).status.success());
    let refused = watcher.named("connect_refused");
    assert_eq!(refused["code"], "bad_credentials");
    assert!(refused["detail"].as_str().unwrap().contains("bce_device"), "{refused}");

    assert!(Publish { payload: b"\xff\xff", ..sample.clone() }.to(frontend.mqtt).status.success());
    let letter = watcher.named("dead_letter");
    assert!(
        !letter["code"].as_str().unwrap().is_empty() && !letter["detail"].as_str().unwrap().is_empty(),
        "{letter}"
    );

    let forbidden = Publish { topic: "another/topic", version: "5", ..sample };
    forbidden.to(frontend.mqtt);
    assert_eq!(watcher.named("publish_refused")["code"], "not_authorized");

    watcher.0.signal("INT");
    let (status, printed) = watcher.0.wait();
    assert!(status.success(), "{status}: {printed}");
    for admin in [frontend.admin, decoder.admin] {
        until("nobody is followed", || (metric(admin, "fleetwire_trace_devices", "") == 0.0).then_some(()));
    }
    assert!(metric(frontend.admin, "fleetwire_trace_steps_total", "") > 5.0);
    for process in [frontend.process, decoder.process, api.process] {
        process.stop();
    }
}

/// A device that waits for commands.
struct Listening(Child);

impl Listening {
    fn start(run: &Run) -> Self {
        let (ip, port) = (run.mqtt.ip().to_string(), run.mqtt.port().to_string());
        let child = Command::new("mosquitto_sub")
            .args(["-h", &ip, "-p", &port, "-i", DEVICE, "-u", "bce_device", "-P", PASSWORD])
            .args(["-q", "1", "-t", &format!("{DEVICE}/OUTC")])
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_command_is_followed_to_the_puback_of_its_device() {
    let dir = tempfile::tempdir().unwrap();
    let run = Run::start(&dir);
    let mut watcher = Watcher::start(DEVICE, &run.flags());
    watcher.line(&["is followed for 5m"]);
    let listening = Listening::start(&run);
    watcher.line(&["subscribed", "867035046242895/OUTC", "QoS 1"]);
    let mut order = vec!["command", "output", DEVICE, "1", "on", "--for", "2s", "--json"];
    order.extend(run.flags());
    let sent: Value = serde_json::from_str(&stdout(&output(&order))).unwrap();
    let id = sent["id"].as_str().unwrap();
    for state in ["accepted", "published", "acknowledged"] {
        watcher.line(&["gateway", "command status", state, id]);
    }
    watcher.line(&["frontend", "command called", "867035046242895/OUTC", id]);
    watcher.line(&["frontend", "command answered", "acknowledged", id]);
    drop(listening);
    watcher.line(&["disconnected"]);
    watcher.0.signal("INT");
    assert!(watcher.0.wait().0.success());
    run.process.stop();
}

#[test]
fn a_device_that_nobody_activated_shows_what_is_held_and_the_end_comes_by_itself() {
    const STRANGER: &str = "356307042441013";
    let dir = tempfile::tempdir().unwrap();
    let run = Run::start(&dir);
    let mut flags = vec!["--for", "8s", "--payload", "--json"];
    flags.extend(run.flags());
    let watcher = Watcher::start(STRANGER, &flags);
    let payload = vector();
    let publish = Publish { client_id: STRANGER, ..Publish::sample(&payload) };
    until("the publish is held", || {
        assert!(publish.to(run.mqtt).status.success());
        watcher.steps().iter().any(|step| step["step"] == "held").then_some(())
    });
    let (status, printed) = watcher.0.wait();
    assert!(status.success(), "{status}: {printed}");
    let received: Value = printed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|step| step["step"] == "received")
        .unwrap();
    assert_eq!(received["payload_hex"], hex::encode(&payload));
    // What ended by itself costs nothing any more.
    until("nobody is followed", || (metric(run.admin, "fleetwire_trace_devices", "") == 0.0).then_some(()));
    run.process.stop();
}
