//! What must hold of a scenario: in the client's eyes, and in the raw topic.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::play::Report;
use crate::saw::Saw;
use crate::scenario::{Scenario, Version};

/// Publishes that a scenario leaves in the raw topic: one of each quality of service, and a will.
pub(crate) const RECORDS: usize = 4;

/// Everything that is not as it must be.
pub(crate) fn faults(report: &Report, raw: &[Value]) -> Vec<String> {
    let Report { scenario, saw } = report;
    let mut faults = match saw {
        Ok(saw) => seen(scenario, saw),
        Err(why) => vec![format!("the client gave up: {why}")],
    };
    let stored: Vec<Value> =
        raw.iter().filter(|record| record["client_id"] == scenario.client_id).map(essence).collect();
    let expected = expected(scenario);
    if stored != expected {
        faults.push(format!("in the raw topic is\n  {}\ninstead of\n  {}", json!(stored), json!(expected)));
    }
    faults
}

fn seen(scenario: &Scenario, saw: &Saw) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            faults.push(format!("{what}: {saw:?}"));
        }
    };
    must(saw.wrong_password.as_ref().is_some_and(|words| !words.is_empty()), "a wrong password is refused");
    must(saw.acknowledged == [0, 1, 2], "every quality of service is acknowledged");
    must(saw.granted == Some(1), "the own topic is granted");
    must(saw.refused.as_ref().is_some_and(|words| !words.is_empty()), "all topics are refused");
    // MQTT 3.1 has no such flag.
    if scenario.version > Version::V31 {
        must(saw.session_present.is_none_or(|present| present == [false, true]), "Session Present is true");
    }
    if scenario.version == Version::V5 && saw.limits.is_some() {
        must(saw.limit("Receive Maximum") == Some(64), "Receive Maximum is told");
        must(saw.limit("Maximum Packet Size") == Some(64 * 1024), "Maximum Packet Size is told");
        must(saw.limit("Topic Alias Maximum") == Some(16), "Topic Alias Maximum is told");
    }
    faults
}

/// What the raw topic must hold, and nothing else.
fn expected(scenario: &Scenario) -> Vec<Value> {
    let qualities = ["QOS_AT_MOST_ONCE", "QOS_AT_LEAST_ONCE", "QOS_EXACTLY_ONCE"];
    let publishes = qualities.into_iter().enumerate().map(|(level, qos)| {
        record(
            scenario,
            "BCE/D",
            &scenario.payload(&format!("qos {level}")),
            qos,
            scenario.version == Version::V5,
        )
    });
    let mut will = record(scenario, "BCE/E", &scenario.will(), "QOS_AT_LEAST_ONCE", false);
    will["will"] = json!(true);
    publishes.chain([will]).collect()
}

fn record(scenario: &Scenario, topic: &str, payload: &str, qos: &str, properties: bool) -> Value {
    let mut record = json!({
        "topic": topic,
        "payload": payload,
        "qos": qos,
        "client_id": scenario.client_id,
        "device_id": scenario.client_id,
        "account": scenario.user,
        "mqtt_version": scenario.version.level(),
    });
    if properties {
        record["content_type"] = json!("application/x-interop");
        record["user_properties"] = json!([{ "name": "client", "value": scenario.client.name() }]);
    }
    record
}

/// The fields of a record that a scenario determines.
fn essence(record: &Value) -> Value {
    let fields = ["topic", "payload", "qos", "client_id", "device_id", "account", "mqtt_version"];
    let more = ["content_type", "user_properties", "will", "retain", "dup"];
    let fields = fields.into_iter().chain(more);
    let present = fields.filter_map(|name| Some((name.to_owned(), record.get(name)?.clone())));
    let mut essence = Value::Object(present.collect());
    let payload = BASE64_STANDARD.decode(record["payload"].as_str().unwrap_or_default()).unwrap();
    essence["payload"] = String::from_utf8(payload).unwrap().into();
    essence
}
