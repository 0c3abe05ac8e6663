//! Commands: checked, sent, and what became of them. The test writes the statuses in place of a gateway.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use fleetwire_api::{ApiSettings, CommandSettings};
use fleetwire_kafka::{Event, Reader, ReaderOptions};
use fleetwire_model::Topic;
use fleetwire_model::pb::{Command, CommandState, CommandStatus, OutputAction, RawRef, command::Action};
use fleetwire_model::time::{from_unix_ms, to_unix_ms};
use fleetwire_service::clock;
use prost::Message as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::client::{Answer, Client, imei};
use crate::server::{self, LIMIT, Server};
use crate::views::{until, write};

/// A device that is activated.
pub(crate) fn device(server: &Server, model: &str) -> String {
    let id = imei();
    let put = server.operator().json("PUT", &format!("/v1/devices/{id}"), &json!({ "model": model }));
    assert_eq!(put.status, 201, "{}", put.text);
    id
}

/// Every command that is in the topic by now.
pub(crate) fn written(server: &Server) -> Vec<(String, Command)> {
    let topic = server.topics.name(Topic::Commands);
    let stop = CancellationToken::new();
    let reader = Reader::new(&server.kafka, &topic, ReaderOptions::default(), &stop).unwrap();
    let mut commands = Vec::new();
    loop {
        match reader.next(LIMIT).unwrap() {
            Event::Record(record) => {
                let key = String::from_utf8(record.key().unwrap().to_vec()).unwrap();
                let command = Command::decode(record.payload().unwrap()).unwrap();
                let kind = Some(b"fleetwire.v1.Command".as_slice());
                // Those of plain producers have none.
                assert!(
                    record.header("fleetwire-type") == kind || !command.requested_by.starts_with("token:")
                );
                commands.push((key, command));
            }
            Event::CaughtUp => return commands,
            Event::Idle => panic!("the commands cannot be read"),
        }
    }
}

fn command(server: &Server, id: &str) -> Command {
    let found: Vec<_> = written(server).into_iter().filter(|(_, command)| command.command_id == id).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    let (key, command) = found.into_iter().next().unwrap();
    assert_eq!(key, command.device_id);
    command
}

/// Writes a status as a gateway does.
pub(crate) fn tell(server: &Server, command: &Command, sequence: u32, state: CommandState, terminal: bool) {
    let status = CommandStatus {
        command_id: command.command_id.clone(),
        device_id: command.device_id.clone(),
        state: state.into(),
        terminal,
        time: Some(from_unix_ms(clock::unix_ms())),
        code: if terminal { "telemetry" } else { "" }.to_owned(),
        reason: if terminal { "telemetry says so" } else { "" }.to_owned(),
        sequence,
        frontend_id: if sequence > 1 { "frontend-7" } else { "" }.to_owned(),
        attempts: sequence.min(1),
        unique_id: (sequence > 1).then_some(9),
        command: (sequence == 1).then(|| command.clone()),
        evidence: terminal.then(|| RawRef {
            topic: "fleetwire.raw.v1".into(),
            partition: 3,
            offset: 77,
            record_index: 2,
            record_count: 4,
        }),
    };
    write(server, Topic::CommandStatus, &command.device_id, &status);
}

fn accepted(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(answer.header("location"), format!("/v1/commands/{id}"));
    id
}

fn switch(client: &Client, device: &str, output: u8, body: &Value) -> Answer {
    client.json("POST", &format!("/v1/devices/{device}/outputs/{output}"), body)
}

#[test]
fn an_output_is_switched_by_a_command_in_kafka_and_its_states_are_shown() {
    let server = server::shared();
    let (client, id) = (server.operator(), device(server, "xirgo-lx41"));
    let body = json!({ "action": "on", "duration": "2s", "expires_in": "90s", "on_behalf_of": "anna" });
    let sent = switch(&client, &id, 1, &body);
    let command_id = accepted(&sent);
    let answer = sent.json();
    assert_eq!((answer["state"].as_str(), answer["terminal"].as_bool()), (Some("sent"), Some(false)));
    let command = command(server, &command_id);
    assert_eq!(
        (command.device_id.as_str(), command.requested_by.as_str()),
        (id.as_str(), "token:operator/anna")
    );
    let time = |time: &Option<_>| to_unix_ms(time.as_ref().unwrap());
    assert_eq!(time(&command.expire_time) - time(&command.issued_time), 90_000);
    let Some(Action::OutputControl(control)) = &command.action else { panic!("{command:?}") };
    assert_eq!((control.output, control.action()), (1, OutputAction::On));
    assert_eq!(control.duration.map(|duration| duration.seconds), Some(2));

    let path = format!("/v1/commands/{command_id}");
    let shown = client.get(&path).json();
    assert_eq!((shown["state"].as_str(), &shown["statuses"]), (Some("sent"), &json!([])));
    assert_eq!(shown["command"]["output"], json!({ "output": 1, "action": "on", "duration": "2s" }));
    tell(server, &command, 1, CommandState::Accepted, false);
    tell(server, &command, 2, CommandState::Published, false);
    tell(server, &command, 3, CommandState::Confirmed, true);
    let shown = until(|| Some(client.get(&path).json()).filter(|shown| shown["terminal"] == true));
    let states: Vec<&str> = shown["statuses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|status| status["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["accepted", "published", "confirmed"]);
    assert_eq!((shown["code"].as_str(), shown["unique_id"].as_u64()), (Some("telemetry"), Some(9)));
    assert_eq!(
        shown["evidence"],
        json!({ "topic": "fleetwire.raw.v1", "partition": 3, "offset": 77, "record_index": 2 })
    );
    let detail = client.post(&format!("{path}/cancel")).problem(409, "finished");
    assert!(detail.contains("confirmed"), "{detail}");
}

#[test]
fn what_cannot_work_is_refused_before_it_is_sent_with_what_would() {
    let server = server::shared();
    let (client, id) = (server.operator(), device(server, "xirgo-lx41"));
    let on = json!({ "action": "on" });
    switch(&client, &imei(), 1, &on).problem(404, "not_found");
    for (output, body, part) in [
        (9, on.clone(), "4 (S1, latched)"),
        (1, json!({ "action": "pulse" }), "needs a `duration`"),
        (1, json!({ "action": "on", "duration": "700s" }), "655.35"),
        (4, json!({ "action": "on", "duration": "2s" }), "leave it out"),
        (1, json!({ "action": "on", "expires_in": "25h" }), "24 hours"),
        (1, json!({ "action": "on", "expires_in": "soon" }), "`expires_in`"),
        (1, json!({ "action": "toggle" }), "unknown variant"),
        (1, json!({ "action": "on", "on_behalf_of": "" }), "`on_behalf_of`"),
    ] {
        let detail = switch(&client, &id, output, &body).problem(422, "invalid");
        assert!(detail.contains(part), "{detail}");
    }
    switch(&client, &id, 0, &on).problem(400, "invalid_request");
    let cloud = device(server, "globalmatix-xtcu");
    assert!(switch(&client, &cloud, 1, &on).problem(422, "invalid").contains("no outputs"));
    client.post(&format!("/v1/devices/{id}/disable"));
    switch(&client, &id, 1, &on).problem(409, "disabled");
    let send = |body: &Value| client.json("POST", "/v1/commands", body);
    for body in [
        json!({ "device_id": id }),
        json!({ "device_id": id, "cancel": { "command_id": "a" }, "approve": { "command_id": "a" } }),
    ] {
        assert!(send(&body).problem(422, "invalid").contains("exactly one"));
    }
    let raw = json!({ "device_id": cloud, "raw": { "topic": "a/#", "payload": "" } });
    assert!(send(&raw).problem(422, "invalid").contains("wildcards"));
    let unsent = written(server).into_iter().filter(|(key, _)| [&id, &cloud].contains(&key)).count();
    assert_eq!(unsent, 0);
}

#[test]
fn commands_need_their_own_scope() {
    let server = server::shared();
    let id = device(server, "xirgo-lx41");
    let on = json!({ "action": "on" });
    for client in [server.reader(), server.writer()] {
        let detail = switch(&client, &id, 1, &on).problem(403, "forbidden");
        assert!(detail.contains("`commands`"), "{detail}");
    }
    let command_id = accepted(&switch(&server.sender(), &id, 1, &on));
    assert!(
        server
            .sender()
            .get(&format!("/v1/commands/{command_id}"))
            .problem(403, "forbidden")
            .contains("`read`")
    );
    assert!(
        server.sender().delete(&format!("/v1/devices/{id}")).problem(403, "forbidden").contains("`devices`")
    );
    assert_eq!(server.reader().get(&format!("/v1/commands/{command_id}")).status, 200);
}

#[test]
fn a_request_with_a_key_is_one_command_however_often_it_comes() {
    let server = server::shared();
    let (client, id) = (server.operator(), device(server, "xirgo-lx41"));
    let keyed = |client: &Client, key: &str, body: &Value| {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
        client.send("POST", &format!("/v1/devices/{id}/outputs/1"), &headers, Some(&body.to_string()))
    };
    let on = json!({ "action": "on" });
    let first = accepted(&keyed(&client, "key 1", &on));
    assert_eq!(accepted(&keyed(&client, "key 1", &on)), first);
    assert_ne!(accepted(&keyed(&client, "key 2", &on)), first);
    assert_ne!(accepted(&keyed(&server.sender(), "key 1", &on)), first);
    assert_eq!(command(server, &first).command_id, first);
    let other = keyed(&client, "key 1", &json!({ "action": "off" })).problem(422, "invalid");
    assert!(other.contains("another command") && other.contains(&first), "{other}");
    keyed(&client, &"x".repeat(256), &on).problem(400, "invalid_request");
}

#[test]
fn a_command_of_another_sender_is_taken_back_and_approved_by_commands_of_their_own() {
    let server = server::shared();
    let (client, id) = (server.operator(), device(server, "xirgo-lx41"));
    let made = |command_id: &str| Command {
        command_id: command_id.to_owned(),
        device_id: id.clone(),
        requested_by: "a plain producer".to_owned(),
        ..Command::default()
    };
    let command_id = format!("plain-{id}");
    client.post(&format!("/v1/commands/{command_id}/cancel")).problem(404, "not_found");
    tell(server, &made(&command_id), 1, CommandState::Queued, false);
    let path = format!("/v1/commands/{command_id}");
    until(|| Some(()).filter(|()| client.get(&path).status == 200));
    let cancel = accepted(&client.post(&format!("{path}/cancel")));
    let Some(Action::Cancel(of)) = command(server, &cancel).action else { panic!("no cancellation") };
    assert_eq!(of.command_id, command_id);
    let approve =
        accepted(&client.json("POST", &format!("{path}/approve"), &json!({ "on_behalf_of": "bo" })));
    let approve = command(server, &approve);
    assert_eq!(approve.requested_by, "token:operator/bo");
    assert!(matches!(&approve.action, Some(Action::Approve(of)) if of.command_id == command_id));
    let by_hand = json!({ "device_id": id, "cancel": { "command_id": "older" } });
    accepted(&client.json("POST", "/v1/commands", &by_hand));
    // A second device may have a command of the same id.
    let other = Command { device_id: imei(), ..made(&command_id) };
    tell(server, &other, 1, CommandState::Queued, false);
    until(|| Some(()).filter(|()| client.get(&path).status == 409));
    assert!(client.get(&path).problem(409, "ambiguous").contains(&other.device_id));
    let one = client.get(&format!("{path}?device={id}")).json();
    assert_eq!(one["device_id"].as_str(), Some(id.as_str()));
}

#[test]
fn commands_are_listed_the_newest_first_and_the_oldest_are_let_go() {
    let commands =
        CommandSettings { max_commands: NonZeroUsize::new(5).unwrap(), ..CommandSettings::default() };
    let server = Server::start(ApiSettings { commands, ..server::settings() });
    let client = server.reader();
    let (device, start) = (imei(), clock::unix_ms());
    for number in 0_i32..8 {
        let command_id = format!("c-{number}");
        let state = if number % 2 == 0 { CommandState::Queued } else { CommandState::Expired };
        let status = CommandStatus {
            command_id: command_id.clone(),
            device_id: device.clone(),
            state: state.into(),
            terminal: state == CommandState::Expired,
            time: Some(from_unix_ms(start + i64::from(number))),
            sequence: 1,
            command: Some(Command { command_id, device_id: device.clone(), ..Command::default() }),
            ..CommandStatus::default()
        };
        write(&server, Topic::CommandStatus, &device, &status);
    }
    let ids = |list: &Value| -> Vec<String> {
        list["commands"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let list = |query: &str| client.get(&format!("/v1/commands{query}")).json();
    until(|| Some(()).filter(|()| ids(&list("")) == ["c-7", "c-6", "c-5", "c-4", "c-3"]));
    let first = list("?limit=2");
    assert_eq!(ids(&first), ["c-7", "c-6"]);
    let next = list(&format!("?limit=2&cursor={}", first["next"].as_str().unwrap()));
    assert_eq!(ids(&next), ["c-5", "c-4"]);
    assert_eq!(ids(&list("?state=queued")), ["c-6", "c-4"]);
    assert_eq!(ids(&list("?state=queued&state=expired&limit=3")), ["c-7", "c-6", "c-5"]);
    assert_eq!(ids(&list(&format!("?device={}", imei()))), [""; 0]);
    assert_eq!(ids(&list(&format!("?device={device}"))).len(), 5);
    client.get("/v1/commands?state=lost").problem(400, "invalid_request");
    client.get("/v1/commands?cursor=AAAA").problem(400, "invalid_cursor");
    client.get("/v1/commands/c-0").problem(404, "not_found");
    // Another process sees the same.
    let other = Server::at(server::settings(), server.kafka.clone(), server.topics.clone());
    assert_eq!(ids(&other.reader().get("/v1/commands?limit=3").json()), ["c-7", "c-6", "c-5"]);
}

/// The lines of a stream of events.
fn stream(server: &Server, path: &str, more: &str) -> impl Iterator<Item = String> + use<> {
    let mut stream = TcpStream::connect(server.base.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let token = server.operator().token;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{more}\r\n"
    )
    .unwrap();
    // The framing of chunks is on lines of its own.
    BufReader::new(stream).lines().map_while(Result::ok)
}

fn next_data(lines: &mut impl Iterator<Item = String>) -> Value {
    let line = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned)).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn events_come_as_they_happen_and_end_with_the_last_state() {
    let server = server::shared();
    let (client, id) = (server.operator(), device(server, "xirgo-lx41"));
    let command_id = accepted(&switch(&client, &id, 1, &json!({ "action": "off" })));
    let command = command(server, &command_id);
    let path = format!("/v1/commands/{command_id}/events");
    let mut lines = stream(server, &path, "");
    assert_eq!(next_data(&mut lines)["state"], "sent");
    tell(server, &command, 1, CommandState::Accepted, false);
    assert_eq!(next_data(&mut lines)["state"], "accepted");
    tell(server, &command, 2, CommandState::Published, false);
    let published = next_data(&mut lines);
    assert_eq!(
        (published["state"].as_str(), published["frontend"].as_str()),
        (Some("published"), Some("frontend-7"))
    );
    // Somebody who comes back has what was told already.
    let mut again = stream(server, &path, "Last-Event-ID: 1\r\n");
    assert_eq!(next_data(&mut again)["state"], "published");
    tell(server, &command, 3, CommandState::Acknowledged, true);
    for mut lines in [lines, again] {
        assert_eq!(next_data(&mut lines)["state"], "acknowledged");
        assert_eq!(next_data(&mut lines), json!({ "reason": "terminal" }));
        assert!(lines.all(|line| !line.contains("data")));
    }
    let over = client.send("GET", &path, &[("Last-Event-ID", "3")], None);
    assert_eq!(over.status, 204);
    client.send("GET", &path, &[("Last-Event-ID", "x")], None).problem(400, "invalid_request");
    client.get("/v1/commands/nothing/events").problem(404, "not_found");
}

#[test]
fn streams_are_few_show_that_they_live_and_have_an_end() {
    let commands = CommandSettings {
        max_streams: NonZeroUsize::MIN,
        max_stream: Duration::from_secs(3),
        heartbeat: Duration::from_millis(100),
        ..CommandSettings::default()
    };
    // Neither limit of a request ends a stream.
    let (request_timeout, idle_timeout) = (Duration::from_secs(1), Duration::from_secs(1));
    let mut server =
        Server::start(ApiSettings { commands, request_timeout, idle_timeout, ..server::settings() });
    let client = server.operator();
    let command = Command { command_id: "c".to_owned(), device_id: imei(), ..Command::default() };
    tell(&server, &command, 1, CommandState::Queued, false);
    until(|| Some(()).filter(|()| client.get("/v1/commands/c").status == 200));
    let begin = Instant::now();
    let mut lines = stream(&server, "/v1/commands/c/events", "");
    assert_eq!(next_data(&mut lines)["state"], "queued");
    let busy = client.get("/v1/commands/c/events");
    busy.problem(503, "busy");
    assert_eq!(busy.header("retry-after"), "5");
    let heartbeats = lines.by_ref().take_while(|line| !line.contains("event: end"));
    assert!(heartbeats.filter(|line| line == ":").count() >= 3);
    assert_eq!(next_data(&mut lines), json!({ "reason": "time" }));
    assert!(begin.elapsed() >= Duration::from_millis(2900), "{:?}", begin.elapsed());
    // There is room for another one, which the stop of the process ends.
    let mut lines = stream(&server, "/v1/commands/c/events", "");
    assert_eq!(next_data(&mut lines)["state"], "queued");
    let stopping = std::thread::spawn(move || server.stop());
    assert_eq!(next_data(&mut lines), json!({ "reason": "stopping" }));
    stopping.join().unwrap();
}

#[test]
fn a_request_may_wait_for_the_last_state() {
    let server = server::shared();
    let (client, id) = (server.operator(), device(server, "xirgo-lx41"));
    let ask = |wait: &str, key: &str| {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
        let body = json!({ "action": "on" }).to_string();
        client.send("POST", &format!("/v1/devices/{id}/outputs/2?wait={wait}"), &headers, Some(&body))
    };
    ask("26s", "a").problem(400, "invalid_request");
    let first = ask("1s", "a");
    let command_id = accepted(&first);
    assert_eq!(first.json()["state"], "sent");
    let told = command(server, &command_id);
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask("20s", "a"));
        tell(server, &told, 1, CommandState::Accepted, false);
        tell(server, &told, 2, CommandState::Rejected, true);
        asked.join().unwrap()
    });
    assert_eq!((answer.status, answer.json()["state"].as_str()), (200, Some("rejected")), "{}", answer.text);
}
