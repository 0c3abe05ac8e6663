//! `fleetwire command` with `fleetwire run` and a simulated device: what a person sees, and the exit codes.

use std::process::Output;

use serde_json::Value;

use crate::support::{DEVICE, PASSWORD, Process, Run, fleetwire, stdout, until};

/// The first device of `fleetwire simulate`.
const SIMULATED: &str = "867035040000000";

fn command(run: &Run, arguments: &[&str]) -> Output {
    let mut command = fleetwire(&["command"]);
    command.args(arguments).args(run.flags()).output().unwrap()
}

/// What it printed, where it ends with this code.
fn ended(run: &Run, arguments: &[&str], code: i32) -> String {
    let output = command(run, arguments);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{err}");
    out + &err
}

#[test]
fn a_person_switches_an_output_and_sees_what_becomes_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let run = Run::start(&dir);
    let mut simulate = fleetwire(&["simulate", "--devices", "1", "--interval", "1s"]);
    simulate.args(run.flags()).env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
    let simulating = Process::start(simulate);
    until("the simulated device", || {
        let state = fleetwire(&["device", "state", SIMULATED, "--json"]).args(run.flags()).output().unwrap();
        let state: Value = serde_json::from_slice(&state.stdout).ok()?;
        (state["accepts_commands"] == true).then_some(())
    });

    let on = ended(&run, &["output", SIMULATED, "1", "on", "--for", "30s", "--json"], 0);
    let on: Value = serde_json::from_str(&on).unwrap();
    let id = on["id"].as_str().unwrap();
    let shown = until("the device's word", || {
        let shown: Value = serde_json::from_slice(&command(&run, &["show", id, "--json"]).stdout).unwrap();
        (shown["state"] == "confirmed").then_some(shown)
    });
    let statuses = shown["statuses"].as_array().unwrap();
    assert!(statuses.iter().any(|status| status["state"] == "published"), "{shown}");
    let latched = ended(&run, &["output", SIMULATED, "4", "on", "--wait"], 0);
    assert!(latched.contains("output 4 on") && latched.contains("acknowledged  nothing that"), "{latched}");
    let refused = ended(&run, &["output", SIMULATED, "4", "pulse", "--for", "1s"], 2);
    assert!(refused.contains("4 (S1, latched)"), "{refused}");
    let raw = ended(&run, &["raw", SIMULATED, "867035040000000/OUTC", "--hex", "02", "--wait"], 4);
    assert!(raw.contains("rejected") && raw.contains("not allowed"), "{raw}");

    // The device of the samples is away.
    let expired = ended(&run, &["output", DEVICE, "2", "off", "--expires", "2s", "--wait"], 4);
    assert!(expired.contains("queued        the device is not connected"), "{expired}");
    assert!(expired.contains("expired"), "{expired}");
    let over = ended(&run, &["output", DEVICE, "3", "on", "--wait=1s"], 1);
    assert!(over.contains("its state is queued"), "{over}");
    let queued = ended(&run, &["list", "--device", DEVICE, "--state", "queued", "--json"], 0);
    let queued: Value = serde_json::from_str(&queued).unwrap();
    let id = queued["id"].as_str().unwrap();
    let cancelled = ended(&run, &["cancel", id, "--wait"], 0);
    assert!(cancelled.contains("confirmed"), "{cancelled}");
    let shown = stdout(&command(&run, &["show", id]));
    assert!(shown.contains("output 3 on") && shown.contains("cancelled"), "{shown}");
    ended(&run, &["show", id, "--wait"], 4);
    assert!(ended(&run, &["cancel", id], 1).contains("nothing more comes of command"));
    let listed = stdout(&command(&run, &["list", "-n", "3"]));
    assert!(listed.starts_with("TIME (UTC)") && listed.ends_with("3 commands\n"), "{listed}");

    simulating.stop();
    run.process.stop();
}
