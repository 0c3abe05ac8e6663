//! Steps as the API shows them.

use std::fmt::Write as _;

use fleetwire_model::pb;
use fleetwire_model::time::to_unix_ms;
use fleetwire_trace::{service, word};
use serde::Serialize;

use crate::time::rfc3339;

/// One step. What is empty or absent is left out.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    time: Option<String>,
    /// Milliseconds since the publish that it is about was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    since_received_ms: Option<i64>,
    /// What happened, a fixed word.
    #[serde(rename = "step")]
    what: &'static str,
    /// Kind of the service that tells it.
    service: &'static str,
    replica: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    code: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    mqtt_topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    qos: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packet_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    kafka_topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    remote_address: String,
    /// The beginning of the payload, hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    payload_hex: String,
}

/// Whether whoever asks may see payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payloads {
    Shown,
    Hidden,
}

impl Step {
    pub(super) fn new(step: pb::TraceStep, payloads: Payloads) -> Self {
        let time_ms = step.time.as_ref().map(to_unix_ms);
        let received_ms = step.received_time.as_ref().map(to_unix_ms);
        let shown: &[u8] = if payloads == Payloads::Shown { &step.payload } else { &[] };
        Self {
            time: rfc3339(step.time.as_ref()),
            since_received_ms: time_ms.zip(received_ms).map(|(time, received)| time - received),
            what: word(step.kind()),
            service: service(step.kind()),
            payload_hex: hex(shown),
            replica: step.replica,
            subject: step.subject,
            code: step.code,
            detail: step.detail,
            mqtt_topic: step.mqtt_topic,
            qos: step.qos,
            packet_id: step.packet_id,
            size: step.size,
            kafka_topic: step.kafka_topic,
            partition: step.partition,
            offset: step.offset,
            protocol: step.protocol,
            count: step.count,
            account: step.account,
            remote_address: step.remote_address,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use fleetwire_model::time::from_unix_ms;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_shows_what_it_has_and_the_payload_only_to_those_who_may_see_it() {
        let step = pb::TraceStep {
            time: Some(from_unix_ms(1_609_307_511_120)),
            received_time: Some(from_unix_ms(1_609_307_511_100)),
            kind: pb::TraceStepKind::Received.into(),
            replica: "frontend-0".into(),
            qos: Some(0),
            payload: vec![2, 255].into(),
            ..pb::TraceStep::default()
        };
        let shown = |payloads| serde_json::to_value(Step::new(step.clone(), payloads)).unwrap();
        let expected = json!({
            "time": "2020-12-30T05:51:51.120Z", "since_received_ms": 20, "step": "received", "service": "frontend",
            "replica": "frontend-0", "qos": 0,
        });
        assert_eq!(shown(Payloads::Hidden), expected);
        assert_eq!(shown(Payloads::Shown)["payload_hex"], "02ff");
    }
}
