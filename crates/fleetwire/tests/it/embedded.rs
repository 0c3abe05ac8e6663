//! `fleetwire run` on its embedded log: the newcomer's five minutes.

use serde_json::Value;

use crate::support::{
    DEVICE, PASSWORD, Publish, Run, fleetwire, get, metric, output, records, stdout, until, vector,
};

fn near(value: &Value, expected: f64) {
    let value = value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    assert!((value - expected).abs() < 1e-6, "{value} is not {expected}");
}

#[test]
fn the_published_sample_of_a_real_client_becomes_its_position() {
    let dir = tempfile::tempdir().unwrap();
    let run = Run::start(&dir);
    let banner = run.process.printed();
    for part in ["MQTT", "admin", "bce_device", "nothing kept", "KAFKA=apache", "simulate", "watch positions"]
    {
        assert!(banner.contains(part), "{part} is missing in:\n{banner}");
    }
    assert!(!banner.contains(PASSWORD), "a secret is printed:\n{banner}");

    let published = Publish::sample(&vector()).to(run.mqtt);
    assert!(published.status.success(), "{published:?}");
    let position = &records("positions", 1, &run.flags())[0];
    assert_eq!(position["device_id"], DEVICE);
    assert_eq!(position["protocol"], "iotm");
    assert_eq!(position["device_time"], "2020-12-30T05:51:51Z");
    let fix = &position["fix"];
    assert_eq!(fix["type"], "FIX_TYPE_FIX");
    near(&fix["latitude"], 25.162_023_544_311_523);
    near(&fix["longitude"], 55.402_519_226_074_22);
    near(&fix["speed_kmh"], 18.0);
    near(&fix["heading_deg"], 238.0);
    near(&fix["altitude_m"], -2.0);
    near(&fix["hdop"], 0.8);
    assert_eq!(fix["satellites"], 6);
    near(&position["power"]["supply_v"], 14.51);
    near(&position["odometer_m"], 1_050_739.915_470_600_1);
    assert_eq!(position["ignition"], true);
    assert_eq!(position["inputs"], serde_json::json!([{ "number": 5, "on": true }]));

    let raw = &records("raw", 1, &run.flags())[0];
    assert_eq!(raw["topic"], "BCE/D");
    assert_eq!(raw["qos"], "QOS_AT_LEAST_ONCE");
    assert_eq!(position["raw_ref"]["topic"], "fleetwire.raw.v1");
    run.process.stop();
}

#[test]
fn a_simulated_fleet_flows_through_and_ctrl_c_stops_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let run = Run::start(&dir);
    let mut simulate = fleetwire(&["simulate", "--devices", "20", "--interval", "0s", "--messages", "400"]);
    simulate.args(run.flags()).env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
    let report = stdout(&simulate.output().unwrap());
    assert!(report.contains("400 acknowledged") && report.contains("0 refused"), "{report}");

    until("every acknowledged message decoded", || {
        (metric(run.admin, "fleetwire_decoder_payloads_total", "") >= 400.0).then_some(())
    });
    assert!(metric(run.admin, "fleetwire_decoder_dead_letters_total", "") < 1.0);
    let table = fleetwire(&["watch", "positions", "--from-beginning", "-n", "5"]).args(run.flags()).output();
    let table = stdout(&table.unwrap());
    assert!(table.starts_with("DEVICE") && table.lines().count() == 6, "{table}");
    for what in ["raw", "events"] {
        assert_eq!(records(what, 3, &run.flags()).len(), 3);
    }
    let (_, metrics) = get(run.admin, "/metrics");
    assert!(!metrics.contains("8670350400"), "a device id is a label");

    let run_file = run.data_dir.join("run.json");
    run.process.signal("INT");
    let (status, printed) = run.process.wait();
    assert!(status.success(), "{status}:\n{printed}");
    assert!(!run_file.exists());
}

#[test]
fn activated_devices_are_known_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let device = "490154203237518";
    let run = Run::start(&dir);
    let added = fleetwire(&["device", "add", device, "--name", "truck 7"]).args(run.flags()).output();
    assert!(stdout(&added.unwrap()).contains("activated"));
    run.process.stop();

    let run = Run::start(&dir);
    let listed = stdout(&fleetwire(&["device", "list"]).args(run.flags()).output().unwrap());
    assert!(listed.contains(device) && listed.contains("truck 7"), "{listed}");
    let payload = vector();
    let published = Publish { client_id: device, ..Publish::sample(&payload) }.to(run.mqtt);
    assert!(published.status.success(), "{published:?}");
    assert_eq!(records("raw", 1, &run.flags())[0]["device_id"], device);
    run.process.stop();
}

#[test]
fn a_second_run_in_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = Run::start(&dir);
    let second = output(&[
        "run",
        "--mqtt",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--data-dir",
        run.data_dir.to_str().unwrap(),
    ]);
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another `fleetwire run`"));
    run.process.stop();
}
