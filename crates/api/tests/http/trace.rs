//! Following a device, as a client of the API sees it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fleetwire_kafka::{Producer, Record};
use fleetwire_model::pb::{TraceStep, TraceStepKind};
use fleetwire_model::{Topic, time::from_unix_ms};
use prost::Message as _;
use serde_json::{Value, json};

use crate::client::{Client, imei};
use crate::server::{self, LIMIT, Server};

/// The events of a stream: what they are, and what they say.
fn stream(client: &Client, path: &str) -> impl Iterator<Item = (String, Value)> + use<> {
    let mut stream = TcpStream::connect(client.base.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let token = &client.token;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    .unwrap();
    let mut kind = String::new();
    BufReader::new(stream).lines().map_while(Result::ok).filter_map(move |line| {
        if let Some(event) = line.strip_prefix("event: ") {
            event.clone_into(&mut kind);
        }
        line.strip_prefix("data: ").map(|data| (kind.clone(), serde_json::from_str(data).unwrap()))
    })
}

/// Tells a step as a service would.
fn tell(server: &Server, device: &str, code: &str) {
    let producer = Producer::new(&server.kafka, |_, ()| {}).unwrap();
    let step = TraceStep {
        device_id: device.to_owned(),
        time: Some(from_unix_ms(1_609_307_511_120)),
        kind: TraceStepKind::Received.into(),
        code: code.to_owned(),
        payload: vec![2, 255].into(),
        ..TraceStep::default()
    };
    let (topic, value) = (server.topics.name(Topic::Trace), step.encode_to_vec());
    let record =
        Record { topic: &topic, key: Some(device.as_bytes()), payload: Some(&value), ..Record::default() };
    producer.send(record, ()).unwrap();
    producer.flush(LIMIT).unwrap();
}

#[test]
fn a_device_is_followed_until_it_is_ended_by_the_request_that_began_it() {
    let server = server::shared();
    let (client, device) = (server.operator(), imei());
    let path = format!("/v1/devices/{device}/trace");
    client.get(&path).problem(404, "not_found");
    client.delete(&path).problem(404, "not_found");
    let first = client.json("POST", &path, &json!({ "for": "10m", "payload": true }));
    assert_eq!(first.status, 201, "{}", first.text);
    let first = first.json();
    assert_eq!((&first["device_id"], &first["requested_by"]), (&json!(device), &json!("token:operator")));
    // A second request prolongs it and never shortens it, nor hides what the first one shows.
    let second = client.post(&path).json();
    assert_eq!((&second["expires"], &second["payload"]), (&first["expires"], &json!(true)));
    assert_eq!(client.get(&path).json(), second);
    let ended_by = |id: &Value| client.delete(&format!("{path}?trace_id={}", id.as_str().unwrap()));
    ended_by(&first["trace_id"]).problem(404, "not_found");
    assert_eq!(ended_by(&second["trace_id"]).status, 204);
    let deadline = Instant::now() + LIMIT;
    while client.get(&path).status != 404 {
        assert!(Instant::now() < deadline, "it is still followed");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn following_needs_the_scope_of_changes_and_a_time_that_may_be() {
    let server = server::shared();
    let path = format!("/v1/devices/{}/trace", imei());
    let asked = |client: &Client, body: &Value| client.json("POST", &path, body);
    asked(&server.reader(), &json!({})).problem(403, "forbidden");
    asked(&server.sender(), &json!({})).problem(403, "forbidden");
    server.writer().get(&path).problem(403, "forbidden");
    for wrong in [json!({ "for": "2h" }), json!({ "for": "0s" }), json!({ "four": "1m" }), json!([])] {
        asked(&server.operator(), &wrong).problem(422, "invalid");
    }
    server.operator().json("POST", "/v1/devices/a%20b/trace", &json!({})).problem(400, "invalid_request");
}

#[test]
fn steps_come_as_they_are_told_and_payloads_only_to_those_who_may_see_them() {
    let server = server::shared();
    let (operator, reader, device) = (server.operator(), server.reader(), imei());
    let path = format!("/v1/devices/{device}/trace");
    let events = format!("{path}/events");
    let (mut seen, mut hidden) = (stream(&operator, &events), stream(&reader, &events));
    for stream in [&mut seen, &mut hidden] {
        assert_eq!(stream.next().unwrap().0, "ready");
    }
    assert_eq!(operator.json("POST", &path, &json!({ "for": "1m", "payload": true })).status, 201);
    tell(server, &imei(), "of another device");
    tell(server, &device, "one");
    let expected = json!({ "time": "2020-12-30T05:51:51.120Z", "step": "received", "service": "frontend",
        "replica": "", "code": "one" });
    assert_eq!(hidden.next().unwrap(), ("step".to_owned(), expected));
    assert_eq!(seen.next().unwrap().1["payload_hex"], "02ff");
    assert_eq!(operator.delete(&path).status, 204);
    for mut stream in [seen, hidden] {
        assert_eq!(stream.next().unwrap(), ("end".to_owned(), json!({ "reason": "over" })));
        assert!(stream.next().is_none());
    }
}
