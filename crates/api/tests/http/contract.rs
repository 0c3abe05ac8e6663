//! Schemathesis, a client that makes requests from the document and checks the answers against it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fleetwire_api::ApiSettings;

use crate::client::imei;
use crate::server::{self, Server};

/// Where `.ci/clients` installs it.
fn schemathesis() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join(".build/schemathesis/venv/bin/schemathesis");
    assert!(program.exists(), "schemathesis is not installed; run `make clients`");
    program
}

#[test]
fn what_the_api_answers_is_what_its_document_says() {
    // There is no gateway, so whoever waits for a command's end waits until the time of a request is nearly over.
    let settings = ApiSettings { request_timeout: Duration::from_secs(5), ..server::settings() };
    let server = Server::start(settings);
    let client = server.operator();
    // The devices of the document's examples, so that good ways are walked as well.
    for id in ["867035046242895".to_owned(), imei()] {
        let body = serde_json::json!({ "model": "xirgo-fms500-light-iotm" });
        assert_eq!(client.json("PUT", &format!("/v1/devices/{id}"), &body).status, 201);
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http");
    let scratch = tempfile::tempdir().unwrap();
    let run = Command::new(schemathesis())
        .arg("--config-file")
        .arg(here.join("schemathesis.toml"))
        .args(["run", &format!("{}/openapi.json", server.base)])
        .env("FLEETWIRE_API_TOKEN", &client.token)
        .env("NO_COLOR", "1")
        .current_dir(scratch.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    println!("{said}");
}

/// `cargo test -p fleetwire-api --test http -- --ignored --nocapture by_hand`
#[test]
#[ignore = "serves until it is killed, to try things by hand"]
fn an_api_to_try_by_hand() {
    let server = server::shared();
    println!("export API={} TOKEN={}", server.base, server.operator().token);
    loop {
        std::thread::park();
    }
}
