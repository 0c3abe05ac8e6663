//! Devices: registered, shown, changed, removed.

use serde_json::{Value, json};

use crate::client::{Answer, Client, imei};
use crate::server::{self, Server};

fn create(client: &Client, id: &str) -> Value {
    let body =
        json!({ "id": id, "model": "xirgo-lx41", "name": "truck 7", "labels": { "vehicle": "truck" } });
    let answer = client.json("POST", "/v1/devices", &body);
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

fn revision(answer: &Answer) -> u64 {
    assert!(answer.status < 300, "{}", answer.text);
    let revision = answer.json()["revision"].as_u64().unwrap();
    assert_eq!(answer.header("etag"), format!("\"{revision}\""));
    revision
}

#[test]
fn an_activated_device_is_shown_as_it_was_given() {
    let (client, id) = (server::shared().operator(), imei());
    let body = json!({ "id": id, "model": "xirgo-lx41", "name": "truck 7", "group": "north",
        "labels": { "vehicle": "truck" }, "account": "bce_device" });
    let created = client.json("POST", "/v1/devices", &body);
    assert_eq!((created.status, created.header("location")), (201, format!("/v1/devices/{id}").as_str()));
    assert_eq!(created.header("cache-control"), "no-store");
    assert_eq!(revision(&created), 1);
    let shown = client.get(&format!("/v1/devices/{id}"));
    assert_eq!((shown.status, shown.json()), (200, created.json()));
    let device = shown.json();
    let created = device["created"].as_str().unwrap();
    assert!(created.ends_with('Z') && created.len() == 24, "{created}");
    assert_eq!(device["updated"], device["created"]);
    let expected = json!({ "id": id, "model": "xirgo-lx41", "account": "bce_device", "status": "active",
        "name": "truck 7", "group": "north", "labels": { "vehicle": "truck" }, "own_password": false,
        "release_pending": false, "revision": 1, "created": created, "updated": created,
        "updated_by": "token:operator" });
    assert_eq!(device, expected);
    client.json("POST", "/v1/devices", &body).problem(409, "exists");
}

#[test]
fn what_cannot_be_a_device_is_refused_with_the_reason() {
    let client = server::shared().operator();
    let refused = |body: Value| client.json("POST", "/v1/devices", &body).problem(422, "invalid");
    let wrong_digit = refused(json!({ "id": "867035046242896", "model": "xirgo-lx41" }));
    assert!(wrong_digit.contains("should be 5"), "{wrong_digit}");
    for (body, part) in [
        (json!({ "id": "123", "model": "xirgo-lx41" }), "15 digits"),
        (json!({ "id": "867035046242895", "model": "toaster" }), "toaster"),
        (json!({ "id": "867035046242895" }), "missing field `model`"),
        (json!({ "id": "867035046242895", "model": "xirgo-lx41", "nam": "x" }), "unknown field `nam`"),
        (json!({ "id": "867035046242895", "model": "xirgo-lx41", "name": null }), "null"),
        (json!({ "id": "867035046242895", "model": "xirgo-lx41", "account": "nobody" }), "nobody"),
        (json!({ "id": "867035046242895", "model": "xirgo-lx41", "name": "x".repeat(129) }), "128"),
        (json!({ "id": "867035046242895", "model": "xirgo-lx41", "password": "short" }), "16 to 128"),
        (json!({ "id": "import", "model": "ngp-generic" }), "path of this API"),
        (json!(["867035046242895", "xirgo-lx41"]), "object"),
    ] {
        let detail = refused(body.clone());
        assert!(detail.contains(part), "{body}: {detail}");
    }
    let body = json!({ "id": "867035046242896", "model": "xirgo-lx41", "accept_check_digit": true });
    assert_eq!(client.json("POST", "/v1/devices", &body).status, 201);
    // Whoever says it again need not say so again.
    let again = client.json("PUT", "/v1/devices/867035046242896", &json!({ "model": "xirgo-lx41" }));
    assert_eq!(again.status, 200, "{}", again.text);
}

#[test]
fn the_same_put_again_changes_nothing() {
    let (client, id) = (server::shared().operator(), imei());
    let path = format!("/v1/devices/{id}");
    let body = json!({ "model": "xirgo-lx42", "name": "a", "password": "sixteen letters!" });
    let first = client.json("PUT", &path, &body);
    assert_eq!((first.status, revision(&first)), (201, 1));
    let again = client.json("PUT", &path, &body);
    assert_eq!((again.status, revision(&again)), (200, 1));
    let other = client.json("PUT", &path, &json!({ "model": "xirgo-lx42", "group": "b" }));
    assert_eq!((revision(&other), other.json()["name"].as_str()), (2, Some("a")));
    assert_eq!(other.json()["own_password"], true);
    let without = client.json("PUT", &path, &json!({ "model": "xirgo-lx42", "remove_password": true }));
    assert_eq!((revision(&without), without.json()["own_password"].as_bool()), (3, Some(false)));
}

#[test]
fn a_generated_password_is_shown_once() {
    let (client, id) = (server::shared().operator(), imei());
    create(&client, &id);
    let path = format!("/v1/devices/{id}");
    let made = client.json("PATCH", &path, &json!({ "generate_password": true })).json();
    assert_eq!(made["password"].as_str().unwrap().len(), 24);
    assert_eq!(made["own_password"], true);
    let shown = client.get(&path);
    assert!(!shown.text.contains(made["password"].as_str().unwrap()) && shown.json()["password"].is_null());
    let both = json!({ "generate_password": true, "remove_password": true });
    client.json("PATCH", &path, &both).problem(422, "invalid");
    let removed = client.json("PATCH", &path, &json!({ "remove_password": true })).json();
    assert_eq!(removed["own_password"], false);
}

#[test]
fn a_change_of_an_older_revision_is_refused_with_the_one_that_there_is() {
    let (client, id) = (server::shared().operator(), imei());
    create(&client, &id);
    let path = format!("/v1/devices/{id}");
    let matching = |method: &str, path: &str, tag: &str, body: Option<&str>| {
        client.send(method, path, &[("If-Match", tag), ("Content-Type", "application/json")], body)
    };
    let changed = matching("PATCH", &path, "\"1\"", Some(r#"{"name":"b"}"#));
    assert_eq!(revision(&changed), 2);
    let lost = matching("PATCH", &path, "\"1\"", Some(r#"{"name":"c"}"#));
    lost.problem(412, "revision_mismatch");
    assert_eq!(lost.json()["revision"], 2);
    let put = matching("PUT", &path, "\"1\"", Some(r#"{"model":"xirgo-lx41","name":"c"}"#));
    put.problem(412, "revision_mismatch");
    for action in ["disable", "enable"] {
        matching("POST", &format!("{path}/{action}"), "\"1\"", Some("")).problem(412, "revision_mismatch");
    }
    matching("DELETE", &path, "\"1\"", None).problem(412, "revision_mismatch");
    matching("DELETE", &path, "W/\"2\"", None).problem(400, "invalid_request");
    assert_eq!(client.get(&path).json()["name"], "b");
    assert_eq!(matching("DELETE", &path, "\"2\"", None).status, 204);
}

#[test]
fn a_device_is_disabled_enabled_and_removed() {
    let (client, id) = (server::shared().operator(), imei());
    create(&client, &id);
    let path = format!("/v1/devices/{id}");
    let disabled = client.post(&format!("{path}/disable"));
    assert_eq!((revision(&disabled), disabled.json()["status"].as_str()), (2, Some("disabled")));
    assert_eq!(revision(&client.post(&format!("{path}/disable"))), 2);
    // A change of its name does not let it in again; a PUT does.
    let renamed = client.json("PATCH", &path, &json!({ "name": "b", "labels": {} })).json();
    assert_eq!((renamed["status"].as_str(), &renamed["labels"]), (Some("disabled"), &json!({})));
    let put = client.json("PUT", &path, &json!({ "model": "xirgo-lx41" })).json();
    assert_eq!(put["status"], "active");
    client.post(&format!("{path}/disable"));
    let enabled = client.post(&format!("{path}/enable")).json();
    assert_eq!((enabled["status"].as_str(), enabled["name"].as_str()), (Some("active"), Some("b")));
    assert_eq!(client.delete(&path).status, 204);
    for answer in [
        client.get(&path),
        client.delete(&path),
        client.post(&format!("{path}/disable")),
        client.json("PATCH", &path, &json!({ "name": "c" })),
        client.get(&format!("{path}/setup")),
    ] {
        answer.problem(404, "not_found");
    }
}

#[test]
fn a_list_has_those_that_fit_in_pages_in_the_order_of_their_ids() {
    let client = server::shared().operator();
    let ids: Vec<String> = (0..5).map(|_| imei()).collect();
    for (place, id) in ids.iter().enumerate() {
        let label = if place % 2 == 0 { "even" } else { "odd" };
        let body = json!({ "model": "xirgo-xg37", "group": "paged", "labels": { "place": label } });
        assert_eq!(client.json("PUT", &format!("/v1/devices/{id}"), &body).status, 201);
    }
    let found = |query: &str| -> Vec<String> {
        client.all(query).iter().map(|device| device["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found("group=paged&limit=2"), ids);
    assert_eq!(found("group=paged&label=place:odd&limit=1"), [ids[1].clone(), ids[3].clone()]);
    assert_eq!(found(&format!("q={}", &ids[2][5..])), [ids[2].clone()]);
    assert_eq!(found("group=paged&model=xirgo-lx41"), [""; 0]);
    client.get("/v1/devices?cursor=%25").problem(400, "invalid_cursor");
    client.get("/v1/devices?limit=0").problem(400, "invalid_request");
    let detail = client.get("/v1/devices?grup=a").problem(400, "invalid_request");
    assert!(detail.contains("`grup`") && detail.contains("group"), "{detail}");
}

#[test]
fn what_was_registered_is_there_after_a_restart() {
    let mut server = Server::start(server::settings());
    let id = imei();
    let device = create(&server.operator(), &id);
    server.stop();
    let again = Server::at(server::settings(), server.kafka.clone(), server.topics.clone());
    assert_eq!(again.operator().get(&format!("/v1/devices/{id}")).json(), device);
    let renamed = again.operator().json("PATCH", &format!("/v1/devices/{id}"), &json!({ "name": "b" }));
    assert_eq!(revision(&renamed), 2);
}
