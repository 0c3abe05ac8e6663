//! Who may ask, how often, and what every refusal looks like.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use fleetwire_api::ApiSettings;
use serde_json::json;

use crate::client::imei;
use crate::server::{self, LIMIT, Server};

#[test]
fn a_request_without_a_valid_token_learns_nothing() {
    let server = server::shared();
    for token in ["", "wrong-token-of-tests", "operator-token-of-test"] {
        let answer = server.client(token).get("/v1/devices");
        answer.problem(401, "unauthorized");
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"fleetwire\"");
    }
    let basic =
        server.client("").send("GET", "/v1/devices", &[("Authorization", "Basic b3BzOm9wcw==")], None);
    basic.problem(401, "unauthorized");
    let nobody = server.client("");
    nobody.get("/nowhere").problem(404, "not_found");
    assert_eq!(nobody.get("/healthz").json(), json!({ "status": "ok" }));
    assert_eq!(nobody.get("/openapi.json").status, 200);
}

#[test]
fn a_token_may_do_what_its_scopes_say() {
    let (server, id) = (server::shared(), imei());
    let (reader, writer, path) = (server.reader(), server.writer(), format!("/v1/devices/{id}"));
    let body = json!({ "model": "xirgo-lx41" });
    let detail = reader.json("PUT", &path, &body).problem(403, "forbidden");
    assert!(detail.contains("`devices`") && detail.contains("reader"), "{detail}");
    reader.import("format=csv", "").problem(403, "forbidden");
    assert_eq!(writer.json("PUT", &path, &body).json()["updated_by"], "token:writer");
    assert_eq!(reader.get(&path).status, 200);
    assert!(writer.get(&path).problem(403, "forbidden").contains("`read`"));
    writer.get("/v1/devices/export").problem(403, "forbidden");
}

#[test]
fn every_failure_is_a_problem_with_the_id_of_its_request() {
    let client = server::shared().operator();
    client.get("/nowhere").problem(404, "not_found");
    client.get("/v1/devices/867035046242895/nothing").problem(404, "not_found");
    client.get("/v1/devices/a%2Fb").problem(400, "invalid_request");
    client.get("/v1/devices/%FF").problem(400, "invalid_request");
    client.get("/v1/models/toaster").problem(404, "not_found");
    client.get("/v1/models?x=1").problem(400, "invalid_request");
    let wrong_method = client.delete("/v1/models");
    wrong_method.problem(405, "method_not_allowed");
    assert_eq!(wrong_method.header("allow"), "GET,HEAD");
    let post =
        |kind: &str, body: &str| client.send("POST", "/v1/devices", &[("Content-Type", kind)], Some(body));
    assert!(post("application/json", "{\"id\":").problem(400, "invalid_request").contains("line 1"));
    post("text/plain", "{}").problem(415, "unsupported_media_type");
    let large = json!({ "id": "1", "model": "m", "name": "x".repeat(70_000) }).to_string();
    post("application/json", &large).problem(413, "too_large");
}

#[test]
fn a_request_has_the_id_that_the_client_gives_if_it_is_a_safe_one() {
    let client = server::shared().operator();
    let asked = |id: &str| client.send("GET", "/nowhere", &[("X-Request-Id", id)], None);
    assert_eq!(asked("abc-123").header("x-request-id"), "abc-123");
    for unsafe_id in ["a b", "\"quoted\"", &"x".repeat(129)] {
        let made = asked(unsafe_id).header("x-request-id").to_owned();
        assert!(made.len() == 26 && made != unsafe_id, "{made}");
    }
    assert_eq!(client.get("/v1/models").header("x-request-id").len(), 26);
}

#[test]
fn a_token_that_asks_too_often_is_told_when_to_try_again_and_others_are_served() {
    let settings = ApiSettings {
        requests_per_second: NonZeroU32::new(1).unwrap(),
        burst: NonZeroU32::new(5).unwrap(),
        failed_logins_per_minute: NonZeroU32::new(3).unwrap(),
        ..server::settings()
    };
    let server = Server::start(settings);
    let limited = (0..20).map(|_| server.operator().get("/v1/models")).find(|answer| answer.status == 429);
    let limited = limited.unwrap();
    limited.problem(429, "rate_limited");
    assert!((1..=5).contains(&limited.header("retry-after").parse::<u32>().unwrap()));
    assert_eq!(server.reader().get("/v1/models").status, 200);
    let statuses: Vec<u16> = (0..5).map(|_| server.client("wrong").get("/v1/models").status).collect();
    assert_eq!(statuses[..3], [401; 3]);
    assert_eq!(statuses[4], 429);
    // A valid token is served, whatever else comes from its address.
    assert_eq!(server.reader().get("/v1/models").status, 200);
}

#[test]
fn a_client_that_sends_slowly_is_let_go() {
    let settings = ApiSettings {
        header_timeout: Duration::from_millis(300),
        body_timeout: Duration::from_millis(300),
        max_connections: NonZeroUsize::new(4).unwrap(),
        ..server::settings()
    };
    let server = Server::start(settings);
    let address = server.base.strip_prefix("http://").unwrap();
    let connect = |text: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let mut text = String::new();
    connect("GET /healthz HTTP/1.1\r\nHost: a\r\n").read_to_string(&mut text).unwrap();
    assert!(!text.contains("200"), "{text}");
    let head = format!(
        "POST /v1/devices HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{",
        server.operator().token
    );
    let mut text = String::new();
    connect(&head).read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 408") && text.contains("urn:fleetwire:problem:timeout"), "{text}");
    // Those that say nothing do not keep others out.
    let silent: Vec<_> = (0..4).map(|_| connect("")).collect();
    assert_eq!(server.reader().get("/v1/models").status, 200);
    drop(silent);
}
