//! Subscriber accounts: what operators' tools see of live traffic, and what they can never do.

use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{DEVICE, PASSWORD, Process, Publish, Run, metric, until, vector};

const OPERATOR: &str = "the operators' password";

fn start(dir: &TempDir) -> Run {
    let config = dir.path().join("run.toml");
    let text = "[subscribers.ops]\nfrom = [\"127.0.0.0/8\"]\npublish = [\"tools/#\"]\n";
    std::fs::write(&config, text).unwrap();
    Run::start_with(dir, |command| {
        command.arg("--config").arg(&config);
        command.env("FLEETWIRE_SUBSCRIBER_OPS_PASSWORD", OPERATOR);
    })
}

/// One of mosquitto's tools, as an operator.
fn tool(name: &str, run: &Run, client_id: &str) -> Command {
    let mut command = Command::new(name);
    command.args(["-h", "127.0.0.1", "-p", &run.mqtt.port().to_string(), "-V", "mqttv5"]);
    command.args(["-i", client_id, "-u", "ops", "-P", OPERATOR]).stdin(Stdio::null());
    command
}

/// Watches until `count` messages have come; one line of JSON each.
fn watch(run: &Run, client_id: &str, filter: &str, count: &str) -> Process {
    let before = metric(run.admin, "fleetwire_frontend_subscriptions_total", "granted");
    let mut command = tool("mosquitto_sub", run, client_id);
    command.args(["-t", filter, "-q", "2", "-C", count, "-W", "60", "-F", "%j"]);
    let process = Process::start(command);
    until("a subscription", || {
        let now = metric(run.admin, "fleetwire_frontend_subscriptions_total", "granted");
        (now > before).then_some(())
    });
    process
}

fn messages(process: Process) -> Vec<Value> {
    let (status, printed) = process.wait();
    assert!(status.success(), "{status}: {printed}");
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_operator_sees_what_devices_publish_while_it_listens() {
    let dir = tempfile::tempdir().unwrap();
    let run = start(&dir);
    let watching = watch(&run, "desk", "#", "1");
    assert!(Publish::sample(b"plain text").to(run.mqtt).status.success());
    let [message] = &messages(watching)[..] else { panic!("one message") };
    assert_eq!((&message["topic"], &message["payload"]), (&"BCE/D".into(), &"plain text".into()));
    assert_eq!(message["qos"], 1);
    assert_eq!(message["properties"]["user-properties"]["client_id"], DEVICE);
    // Nobody listens any more: nothing is mirrored, everything is stored.
    until("the operator is gone", || {
        (metric(run.admin, "fleetwire_frontend_sessions", "") < 0.5).then_some(())
    });
    let taken = metric(run.admin, "fleetwire_frontend_messages_total", "taken");
    assert!(Publish::sample(&vector()).to(run.mqtt).status.success());
    assert!(metric(run.admin, "fleetwire_frontend_messages_total", "taken") < taken + 0.5);
    assert!(metric(run.admin, "fleetwire_frontend_publishes_total", "raw") >= 2.0);
    run.process.stop();
}

#[test]
fn operators_talk_to_each_other_and_never_in_the_name_of_a_device() {
    let dir = tempfile::tempdir().unwrap();
    let run = start(&dir);
    let publish = |topic: &str, flags: &[&str]| {
        let mut command = tool("mosquitto_pub", &run, "pub");
        command.args(["-t", topic, "-m", "hello", "-q", "2"]).args(flags).output().unwrap()
    };
    // Retained, for one who comes later; and live.
    assert!(publish("tools/état", &["-r"]).status.success());
    let watching = watch(&run, "desk", "tools/+", "2");
    assert!(publish("tools/b", &[]).status.success());
    let seen = messages(watching);
    let topics: Vec<&str> = seen.iter().filter_map(|message| message["topic"].as_str()).collect();
    assert_eq!(topics, ["tools/état", "tools/b"]);
    assert_eq!((&seen[0]["retain"], &seen[1]["retain"]), (&1.into(), &0.into()));

    let refused = metric(run.admin, "fleetwire_frontend_publishes_refused_total", "");
    for topic in ["BCE/D", "867035046242895/OUTC", "$SYS/x"] {
        publish(topic, &[]);
    }
    assert!(metric(run.admin, "fleetwire_frontend_publishes_refused_total", "") >= refused + 3.0);
    assert!(metric(run.admin, "fleetwire_frontend_publishes_total", "") < 0.5, "nothing went to Kafka");
    run.process.stop();
}

#[test]
fn messages_wait_for_an_operator_whose_session_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let run = start(&dir);
    let away = |limit: &str, count: &str| {
        let mut command = tool("mosquitto_sub", &run, "desk");
        command.args(["-c", "-x", "600", "-t", "BCE/+", "-q", "1", "-W", limit, "-C", count, "-F", "%p"]);
        command.output().unwrap()
    };
    // Subscribes, gets nothing, and goes away: mosquitto_sub calls that a timeout.
    assert_eq!(away("1", "1").status.code(), Some(27));
    until("a kept session", || {
        (metric(run.admin, "fleetwire_frontend_sessions_away", "") > 0.5).then_some(())
    });
    for text in ["one", "two"] {
        assert!(
            Publish { password: PASSWORD, ..Publish::sample(text.as_bytes()) }.to(run.mqtt).status.success()
        );
    }
    let seen = away("60", "2");
    assert_eq!(String::from_utf8_lossy(&seen.stdout), "one\ntwo\n");
    assert!(metric(run.admin, "fleetwire_frontend_sessions_kept_total", "resumed") > 0.5);
    run.process.stop();
}
