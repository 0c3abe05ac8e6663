//! Import and export.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use fleetwire_api::ApiSettings;
use fleetwire_model::Imei;
use serde_json::{Value, json};

use crate::client::{Answer, imei};
use crate::server::{self, LIMIT, Server};

fn done(answer: &Answer) -> Value {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "application/x-ndjson"),
        "{}",
        answer.text
    );
    answer.lines().last().unwrap()["done"].clone()
}

fn errors(answer: &Answer) -> Vec<(u64, String, String)> {
    let error = |line: &Value| {
        let error = line.get("error")?;
        let text = |key: &str| error[key].as_str().unwrap().to_owned();
        Some((error["line"].as_u64().unwrap(), text("code"), text("detail")))
    };
    answer.lines().iter().filter_map(error).collect()
}

#[test]
fn a_line_that_fails_is_told_with_its_number_and_stops_no_other() {
    let client = server::shared().operator();
    let ids: Vec<String> = (0..4).map(|_| imei()).collect();
    assert_eq!(
        client.json("PUT", &format!("/v1/devices/{}", ids[3]), &json!({ "model": "xirgo-lx41" })).status,
        201
    );
    let body = format!(
        "\u{feff}id,model,name,labels,status\r\n\
         {},xirgo-lx41,one,vehicle=truck;site=a\\;b,\r\n\
         123,xirgo-lx41,,,\r\n\
         {},toaster,,,\r\n\
         \r\n\
         {},xirgo-lx42,\"two, three\",,disabled\r\n\
         {},xirgo-lx42,\"open,,\r\n\
         {},xirgo-lx41,,,\r\n",
        ids[0], ids[1], ids[1], ids[2], ids[3]
    );
    let answer = client.import("format=csv", &body);
    let expected =
        json!({ "lines": 6, "created": 2, "updated": 0, "unchanged": 0, "failed": 4, "complete": true });
    assert_eq!(done(&answer), expected, "{}", answer.text);
    let errors = errors(&answer);
    let found: Vec<(u64, &str)> = errors.iter().map(|(line, code, _)| (*line, code.as_str())).collect();
    assert_eq!(found, [(3, "invalid"), (4, "invalid"), (7, "invalid"), (8, "exists")]);
    assert!(errors[0].2.contains("15 digits") && errors[1].2.contains("toaster"), "{errors:?}");
    let one = client.get(&format!("/v1/devices/{}", ids[0])).json();
    assert_eq!(one["labels"], json!({ "vehicle": "truck", "site": "a;b" }));
    let two = client.get(&format!("/v1/devices/{}", ids[1])).json();
    assert_eq!((two["name"].as_str(), two["status"].as_str()), (Some("two, three"), Some("disabled")));
}

#[test]
fn devices_that_are_registered_fail_stay_or_change_as_the_request_says() {
    let (client, id) = (server::shared().operator(), imei());
    let line = |name: &str| format!("{}\n", json!({ "id": id, "model": "xirgo-lx41", "name": name }));
    assert_eq!(done(&client.import("format=jsonl", &line("a")))["created"], 1);
    assert_eq!(done(&client.import("format=jsonl", &line("b")))["failed"], 1);
    assert_eq!(done(&client.import("format=jsonl&existing=keep", &line("b")))["unchanged"], 1);
    assert_eq!(client.get(&format!("/v1/devices/{id}")).json()["name"], "a");
    // The second line of a device sees what the first one did, also in one batch.
    let twice = client.import("format=jsonl&existing=update", &(line("b") + &line("b") + &line("c")));
    assert_eq!((done(&twice)["updated"].as_u64(), done(&twice)["unchanged"].as_u64()), (Some(2), Some(1)));
    assert_eq!(client.get(&format!("/v1/devices/{id}")).json()["name"], "c");
    for (query, part) in [("", "`format`"), ("format=xml", "csv or jsonl"), ("format=csv&existing=x", "keep")]
    {
        let detail = client.import(query, "").problem(400, "invalid_request");
        assert!(detail.contains(part), "{detail}");
    }
    let header = client.import("format=csv", "imei,model\n1,2\n");
    assert_eq!(done(&header)["complete"], false);
    assert!(errors(&header)[0].2.contains("`imei`"));
}

#[test]
fn an_export_imported_elsewhere_is_the_same_fleet() {
    let (mut from, mut into) = (Server::start(server::settings()), Server::start(server::settings()));
    let (one, other) = (from.operator(), into.operator());
    for (place, status) in ["", "disabled", "", "disabled"].iter().enumerate() {
        let id = imei();
        let body = json!({ "model": "xirgo-lx42", "name": format!("n{place}, \"x\""), "group": "g",
            "labels": { "a;b": "c=d", "place": place.to_string() } });
        assert_eq!(one.json("PUT", &format!("/v1/devices/{id}"), &body).status, 201);
        if *status == "disabled" {
            one.post(&format!("/v1/devices/{id}/disable"));
        }
    }
    let ngp = json!({ "model": "ngp-generic", "account": "bce_device", "generate_password": true });
    let password =
        one.json("PUT", "/v1/devices/truck-7", &ngp).json()["password"].as_str().unwrap().to_owned();
    let facts = |client: &crate::client::Client| -> Vec<Value> {
        let mut all = client.all("");
        for device in &mut all {
            for changing in ["revision", "created", "updated", "updated_by", "own_password"] {
                device.as_object_mut().unwrap().remove(changing);
            }
        }
        all
    };
    for format in ["csv", "jsonl"] {
        let export = one.get(&format!("/v1/devices/export?format={format}"));
        assert_eq!(export.status, 200);
        assert!(!export.text.contains(&password));
        let import = other.import(&format!("format={format}&existing=update"), &export.text);
        assert_eq!(done(&import)["failed"], 0, "{}", import.text);
        assert_eq!(facts(&other), facts(&one), "{format}");
        // Again, it changes nothing.
        let again = other.import(&format!("format={format}&existing=update"), &export.text);
        assert_eq!(done(&again)["unchanged"], 5, "{format}: {}", again.text);
    }
    let disabled = one.get("/v1/devices/export?status=disabled").lines();
    assert_eq!(disabled.len(), 2);
    from.stop();
    into.stop();
}

#[test]
fn a_large_import_is_written_in_batches_and_tells_its_progress() {
    let mut server = Server::start(server::settings());
    let client = server.operator();
    let line = |number: u64| {
        let first = 86_703_504_000_000 + number;
        format!("{first}{},xirgo-lx41", Imei::check_digit(first))
    };
    let lines: Vec<String> = (0..5000).map(line).collect();
    let answer = client.import("format=csv", &format!("id,model\n{}\n", lines.join("\n")));
    assert_eq!(
        (done(&answer)["created"].as_u64(), done(&answer)["lines"].as_u64()),
        (Some(5000), Some(5000))
    );
    let export = client.get("/v1/devices/export?format=csv");
    assert_eq!(export.text.lines().count(), 5001);
    server.stop();
}

/// Begins an import of which the body does not go on after these lines.
fn begin(server: &Server, lines: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.base.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let token = server.operator().token;
    write!(
        stream,
        "POST /v1/devices/import?format=jsonl HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 100000\r\n\r\n{lines}"
    )
    .unwrap();
    stream
}

#[test]
fn a_client_that_goes_away_makes_room_for_another() {
    let settings = ApiSettings { max_transfers: NonZeroUsize::new(1).unwrap(), ..server::settings() };
    let server = Server::start(settings);
    let line = format!("{}\n", json!({ "id": imei(), "model": "xirgo-lx41" }));
    let stream = begin(&server, &line);
    let mut told = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(told.any(|line| line.contains("\"progress\"")));
    server.operator().get("/v1/devices/export").problem(503, "busy");
    drop(told);
    let deadline = Instant::now() + LIMIT;
    while server.operator().get("/v1/devices/export").status != 200 {
        assert!(Instant::now() < deadline, "the import goes on without its client");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn progress_is_told_while_the_body_is_still_coming_and_a_silent_client_is_let_go() {
    let settings = ApiSettings {
        idle_timeout: Duration::from_secs(3),
        max_transfers: NonZeroUsize::new(1).unwrap(),
        ..server::settings()
    };
    let server = Server::start(settings);
    let id = imei();
    let line = format!("{}\n", json!({ "id": id, "model": "xirgo-lx41" }));
    let stream = begin(&server, &line);
    let mut told = BufReader::new(stream).lines().map_while(Result::ok);
    let progress = told.find(|line| line.contains("\"progress\"") && line.contains("\"written\":1"));
    assert!(progress.is_some());
    // It is the only one that may run.
    server.operator().import("format=jsonl", &line).problem(503, "busy");
    let error = told.find(|line| line.contains("\"error\"")).unwrap();
    assert!(error.contains("timeout") && error.contains("3 s"), "{error}");
    let done = told.find(|line| line.contains("\"done\"")).unwrap();
    assert!(done.contains("\"created\":1") && done.contains("\"complete\":false"), "{done}");
    assert_eq!(server.operator().get(&format!("/v1/devices/{id}")).status, 200);
}
