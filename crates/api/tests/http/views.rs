//! Models, set-up, state, and devices that nobody activated.

use std::time::{Duration, Instant};

use fleetwire_kafka::{Producer, Record};
use fleetwire_model::Topic;
use fleetwire_model::pb::{
    DeviceState, DigitalLine, Fix, FixType, FrontendAlive, Knock, Session, SessionState,
};
use fleetwire_model::time::from_unix_ms;
use fleetwire_service::clock;
use serde_json::{Value, json};

use crate::client::imei;
use crate::server::{self, LIMIT, Server};

#[test]
fn models_tell_how_they_connect_and_what_they_can_do() {
    let client = server::shared().reader();
    let all = client.get("/v1/models").json();
    assert_eq!(all["models"].as_array().unwrap().len(), 10);
    let model = client.get("/v1/models/xirgo-fms500-light-iotm").json();
    assert_eq!(model["publish_topics"], json!(["BCE/D", "BCE/E", "BCE/F", "BCE/R"]));
    assert_eq!(
        model["outputs"][0],
        json!({ "number": 1, "name": "OUT1", "id": "out1", "kind": "timed", "confirmed_by": 1 })
    );
    assert!(model["capabilities"].as_array().unwrap().contains(&json!("timed_outputs")));
    assert_eq!(client.get("/v1/models/globalmatix-xtcu").json()["guess"], true);
}

#[test]
fn the_setup_of_a_device_says_what_to_type_into_it() {
    let (client, id) = (server::shared().operator(), imei());
    let path = format!("/v1/devices/{id}");
    client.json("PUT", &path, &json!({ "model": "xirgo-fms500-light-iotm" }));
    let setup = client.get(&format!("{path}/setup")).json();
    assert_eq!((setup["host"].as_str(), setup["port"].as_u64()), (Some("mqtt.example.org"), Some(1883)));
    assert_eq!((setup["region"].as_str(), setup["tls_port"].as_u64()), (Some("eu"), Some(8883)));
    assert_eq!(
        (setup["client_id"].as_str(), setup["user"].as_str()),
        (Some(id.as_str()), Some("bce_device"))
    );
    assert_eq!(setup["subscribe_topics"], json!([format!("{id}/OUTC")]));
    assert!(setup["steps"].to_string().contains("FMSET"), "{setup}");
    let cloud = imei();
    client.json("PUT", &format!("/v1/devices/{cloud}"), &json!({ "model": "globalmatix-xtcu" }));
    let setup = client.get(&format!("/v1/devices/{cloud}/setup")).json();
    assert!(setup["client_id"].is_null() && setup["steps"].to_string().contains("vendor's cloud"));
}

fn knock(server: &Server, id: &str, last_ms: i64) {
    let knock = Knock {
        device_id: id.to_owned(),
        account: "bce_device".to_owned(),
        remote_address: "192.0.2.7:40122".to_owned(),
        first_time: Some(from_unix_ms(1_700_000_000_000)),
        last_time: Some(from_unix_ms(last_ms)),
        messages: 3,
        bytes: 207,
        frontend_id: "frontend-0".to_owned(),
        ..Knock::default()
    };
    write(server, Topic::Knocks, id, &knock);
}

/// Writes a record as the service does whose topic it is.
pub(crate) fn write(server: &Server, topic: Topic, key: &str, message: &impl prost::Message) {
    let producer: Producer<()> =
        Producer::new(&server.kafka, |delivery, ()| delivery.outcome.map(drop).unwrap()).unwrap();
    let (topic, value) = (server.topics.name(topic), message.encode_to_vec());
    let record = Record {
        topic: &topic,
        key: Some(key.as_bytes()),
        payload: Some(&value),
        timestamp_ms: None,
        headers: &[],
    };
    producer.send(record, ()).map_err(|(err, ())| err).unwrap();
    producer.flush(LIMIT).unwrap();
}

pub(crate) fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_knocks_is_listed_newest_first_and_activating_it_releases_what_is_held() {
    let server = Server::start(server::settings());
    let client = server.operator();
    let ids: Vec<String> = (0..3).map(|_| imei()).collect();
    for (place, id) in ids.iter().enumerate() {
        knock(&server, id, 1_700_000_001_000 + 1000 * i64::try_from(place).unwrap());
    }
    let list = |query: &str| client.get(&format!("/v1/held{query}")).json();
    let all = until(|| Some(list("")).filter(|list| list["held"].as_array().unwrap().len() == 3));
    let listed = |list: &Value| -> Vec<String> {
        list["held"].as_array().unwrap().iter().map(|held| held["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(&all), [ids[2].clone(), ids[1].clone(), ids[0].clone()]);
    let expected = json!({ "id": ids[0], "account": "bce_device", "remote_address": "192.0.2.7:40122",
        "first_seen": "2023-11-14T22:13:20.000Z", "last_seen": "2023-11-14T22:13:21.000Z", "messages": 3,
        "bytes": 207, "frontend": "frontend-0", "releasing": false });
    assert_eq!(all["held"][2], expected);
    let first = list("?limit=2");
    assert_eq!(listed(&first), [ids[2].clone(), ids[1].clone()]);
    let rest = list(&format!("?limit=2&cursor={}", first["next"].as_str().unwrap()));
    assert_eq!((listed(&rest), rest["next"].is_null()), (vec![ids[0].clone()], true));

    let path = format!("/v1/devices/{}", ids[0]);
    let state = client.get(&format!("{path}/state")).json();
    assert_eq!((state["registered"].as_bool(), &state["held"]), (Some(false), &expected));
    let activated = client.json("PUT", &path, &json!({ "model": "xirgo-lx41" })).json();
    assert_eq!(activated["release_pending"], true);
    assert_eq!(list("")["held"][2]["releasing"], true);
    let state = client.get(&format!("{path}/state")).json();
    assert_eq!((state["registered"].as_bool(), state["status"].as_str()), (Some(true), Some("active")));
    let imported = client.import("format=csv", &format!("id,model\n{},xirgo-lx41\n", ids[1]));
    assert!(imported.text.contains("\"created\":1"), "{}", imported.text);
    assert_eq!(client.get(&format!("/v1/devices/{}", ids[1])).json()["release_pending"], true);
    client.json("PUT", &format!("/v1/devices/{}", ids[2]), &json!({ "model": "xirgo-lx41" }));
}

#[test]
fn the_state_of_a_device_of_which_nothing_is_known_is_not_found() {
    let (client, id) = (server::shared().operator(), imei());
    let path = format!("/v1/devices/{id}");
    client.get(&format!("{path}/state")).problem(404, "not_found");
    client.json("PUT", &path, &json!({ "model": "xirgo-lx41" }));
    let state = client.get(&format!("{path}/state")).json();
    let expected =
        json!({ "id": id, "registered": true, "status": "active", "connected": false, "outputs": [] });
    assert_eq!(state, expected);
}

#[test]
fn the_state_of_a_device_is_where_it_is_connected_and_what_it_last_reported() {
    let (server, id) = (server::shared(), imei());
    let (client, path) = (server.operator(), format!("/v1/devices/{id}"));
    client.json("PUT", &path, &json!({ "model": "xirgo-lx41" }));
    let time = Some(from_unix_ms(1_700_000_000_000));
    let alive = FrontendAlive {
        frontend_id: "frontend-7".to_owned(),
        run: "run".to_owned(),
        time: Some(from_unix_ms(clock::unix_ms())),
        valid_s: 600,
        ..FrontendAlive::default()
    };
    write(server, Topic::Sessions, "@frontend-7", &alive);
    let session = Session {
        device_id: id.clone(),
        state: SessionState::Connected.into(),
        session_id: "01JDH3ZK6W4T4Q6ZV0Q8X9Y7AB".to_owned(),
        epoch: 1,
        frontend_id: "frontend-7".to_owned(),
        frontend_run: "run".to_owned(),
        since: time,
        accepts_commands: true,
        remote_address: "192.0.2.7:40122".to_owned(),
        ..Session::default()
    };
    write(server, Topic::Sessions, &id, &session);
    let fix = Fix {
        r#type: FixType::Fix.into(),
        latitude: 25.5,
        longitude: 55.25,
        speed_kmh: Some(18.0),
        satellites: Some(6),
        ..Fix::default()
    };
    let state = DeviceState {
        device_id: id.clone(),
        last_seen_time: time,
        position_time: time,
        fix: Some(fix),
        ignition: Some(true),
        outputs: vec![DigitalLine { number: 1, on: true }],
        positions: 1,
        reported_time: time,
    };
    write(server, Topic::DeviceState, &id, &state);
    let state = until(|| {
        let state = client.get(&format!("{path}/state")).json();
        (state["connected"] == true && state["last_seen"].is_string()).then_some(state)
    });
    let time = "2023-11-14T22:13:20.000Z";
    let expected = json!({ "id": id, "registered": true, "status": "active", "connected": true,
        "frontend": "frontend-7", "remote_address": "192.0.2.7:40122", "since": time, "accepts_commands": true,
        "last_seen": time, "ignition": true, "outputs": [{ "number": 1, "on": true }],
        "position": { "time": time, "latitude": 25.5, "longitude": 55.25, "speed_kmh": 18.0, "satellites": 6 } });
    assert_eq!(state, expected);
}
