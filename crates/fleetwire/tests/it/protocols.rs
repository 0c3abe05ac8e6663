//! Every protocol from a real client to its position, by configuration alone where the protocol asks for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{DEVICE, PASSWORD, Publish, Run, output, records, stdout};

/// The password of devices that have one of their own.
const OWN: &str = "a password of one device";
const DT7: &str = include_str!("../../../codec/tests/fixtures/dt7/b08_by_timer.hex");
const DT7_DEVICE: &str = "359006055003838";
/// Nobody has them.
const RELAYED: &str = "352099001761481";
const UNKNOWN: &str = "490154203237518";

const CONFIG: &str = "
[accounts.acme]
client_ids = 'device'
password = 'own'
publish = ['acme/%c/up']

[models.acme-t1]
name = 'Acme T1'
account = 'acme'
protocol = 'json'
mapping = 'acme.toml'

[models.old-bce]
account = 'bce_device'
protocol = 'dt7'
";

const MAPPING: &str = "
[device]
at = '/id'
kind = 'id'
[time]
at = '/t'
[fix]
latitude = '/lat'
longitude = '/lon'
speed_kmh = { at = '/v', unit = 'm/s' }
";

/// A pipeline with a model and an account of its own.
struct Site {
    dir: TempDir,
    run: Run,
}

impl Site {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| -> PathBuf {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        write("acme.toml", MAPPING);
        write("own", OWN);
        let config = write("run.toml", CONFIG);
        let run = Run::start_with(&dir, |command: &mut Command| {
            command.arg("--config").arg(&config);
            command.env("FLEETWIRE_ACCOUNT_GLOBALMATIX_DEVICE_PASSWORD", PASSWORD);
        });
        Self { dir, run }
    }

    /// Activates a device; the model may be one of the running pipeline's configuration.
    fn activate(&self, device: &str, model: &str, flags: &[&str]) {
        let own = self.dir.path().join("own");
        let mut command = vec!["device", "add", device, "--model", model];
        command.extend(self.run.flags());
        command.extend(flags);
        let own = Path::to_str(&own).unwrap();
        if !flags.contains(&"--shared-password") {
            command.extend(["--own-password-file", own]);
        }
        let printed = stdout(&output(&command));
        assert!(printed.contains(device), "{printed}");
    }

    fn publish(&self, user: &str, client_id: &str, password: &str, topic: &str, payload: &[u8]) -> bool {
        let publish = Publish { user, client_id, password, topic, ..Publish::sample(payload) };
        publish.to(self.run.mqtt).status.success()
    }

    fn records(&self, what: &str, count: usize) -> Vec<Value> {
        records(what, count, &self.run.flags())
    }
}

#[test]
fn a_tracker_that_nobody_here_knows_is_added_by_configuration_alone() {
    let site = Site::start();
    site.activate("van-2", "acme-t1", &[]);
    let payload = br#"{"id": "van-2", "t": 1790000000, "lat": 54.7, "lon": 25.3, "v": 12.5, "door": true}"#;
    assert!(site.publish("acme", "van-2", OWN, "acme/van-2/up", payload));
    assert!(!site.publish("acme", "van-2", PASSWORD, "acme/van-2/up", payload), "not its password");
    let position = &site.records("positions", 1)[0];
    assert_eq!((&position["device_id"], &position["model"]), (&json!("van-2"), &json!("acme-t1")));
    assert_eq!(position["device_time"], "2026-09-21T14:13:20Z");
    assert_eq!(position["fix"]["speed_kmh"], 45.0);
    assert_eq!(position["attributes"]["json.door"]["bool_value"], true);
    // A body that names another device than the one that connected.
    let foreign = br#"{"id": "van-3", "t": 1790000001, "lat": 1, "lon": 2}"#;
    assert!(site.publish("acme", "van-2", OWN, "acme/van-2/up", foreign));
    assert_eq!(site.records("dead-letters", 1)[0]["code"], "identity_mismatch");
    site.run.process.stop();
}

#[test]
fn an_ngp_device_becomes_a_position_and_its_event() {
    let site = Site::start();
    site.activate("truck-7", "ngp-generic", &[]);
    let payload = br#"{"message_time":"2026-11-25T20:00:00Z","device_id":"truck-7","version":"1.2",
        "location":{"latitude":43.25,"longitude":27.9,"fix_type":"HAS_FIX","satellites":9,"speed":62},
        "event_id":202}"#;
    assert!(site.publish("ngp_device", "truck-7", OWN, "ngp/truck-7", payload));
    let position = &site.records("positions", 1)[0];
    assert_eq!((&position["protocol"], &position["fix"]["speed_kmh"]), (&json!("ngp"), &json!(62.0)));
    assert_eq!(site.records("events", 1)[0]["code"], 202);
    site.run.process.stop();
}

#[test]
fn a_vendors_cloud_speaks_for_the_devices_of_its_account_and_for_no_others() {
    let site = Site::start();
    site.activate(RELAYED, "globalmatix-xtcu", &["--shared-password"]);
    let payload = json!([
        { "imei": RELAYED, "timestamp": 1_795_636_800, "latitude": 48.1, "longitude": 11.5 },
        { "imei": UNKNOWN, "timestamp": 1_795_636_800, "latitude": 1, "longitude": 2 },
        { "imei": DEVICE, "timestamp": 1_795_636_800, "latitude": 3, "longitude": 4 },
        { "imei": RELAYED },
    ]);
    let payload = payload.to_string();
    assert!(site.publish("globalmatix_device", "cloud", PASSWORD, "globalmatix/in", payload.as_bytes()));
    let positions = site.records("positions", 1);
    assert_eq!(
        (&positions[0]["device_id"], &positions[0]["fix"]["latitude"]),
        (&json!(RELAYED), &json!(48.1))
    );
    let letters = site.records("dead-letters", 3);
    let mut codes: Vec<_> = letters.iter().map(|letter| letter["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["identity_mismatch", "no_time", "not_activated"]);
    assert!(letters.iter().all(|letter| letter["raw"]["client_id"] == "cloud"));
    site.run.process.stop();
}

#[test]
fn a_device_of_the_older_binary_format_is_read_as_its_model_says() {
    let site = Site::start();
    site.activate(DT7_DEVICE, "old-bce", &["--shared-password"]);
    let payload = hex::decode(DT7.trim()).unwrap();
    assert!(site.publish("bce_device", DT7_DEVICE, PASSWORD, "BCE/D", &payload));
    let position = &site.records("positions", 1)[0];
    assert_eq!((&position["protocol"], &position["fix"]["satellites"]), (&json!("dt7"), &json!(8)));
    site.run.process.stop();
}
