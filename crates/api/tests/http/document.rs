//! The document: what is checked in is what is served.

use std::path::Path;

use serde_json::Value;

use crate::server;

#[test]
fn the_document_that_is_checked_in_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let made = fleetwire_api::openapi();
    if std::env::var_os("FLEETWIRE_UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "docs/openapi.json is not what the API serves; write it anew with `fleetwire api --openapi \
         >docs/openapi.json`, or run this test with FLEETWIRE_UPDATE_OPENAPI=1"
    );
    assert_eq!(server::shared().client("").get("/openapi.json").text, made);
}

#[test]
fn every_operation_has_its_failures_and_its_scope_in_the_document() {
    let document: Value = serde_json::from_str(&fleetwire_api::openapi()).unwrap();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with(['4', '5'])) {
                let content = response["content"].as_object().unwrap();
                let is_health = path == "/healthz" && status == "503";
                assert!(
                    is_health || content.contains_key("application/problem+json"),
                    "{method} {path} {status}"
                );
            }
            assert!(operation["operationId"].is_string() && operation["tags"].is_array(), "{method} {path}");
            if path.starts_with("/v1/") {
                assert!(responses.contains_key("401") && responses.contains_key("429"), "{method} {path}");
                assert!(operation["description"].as_str().unwrap().contains("Scope: `"), "{method} {path}");
            }
        }
    }
    assert_eq!(operations, 28);
}
