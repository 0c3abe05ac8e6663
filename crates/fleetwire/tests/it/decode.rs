//! `fleetwire decode`: payloads of every form, settings, errors with their place, exit codes.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::{DEVICE, VECTOR, fleetwire, output, stdout, vector};

const NGP: &str = include_str!("../../../codec/tests/fixtures/ngp/complete.json");

/// Runs the command with a payload on standard input.
fn decode(arguments: &[&str], payload: &[u8]) -> Output {
    let mut command = fleetwire(&["decode"]);
    command.args(arguments).arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(payload);
    child.wait_with_output().unwrap()
}

fn report(arguments: &[&str], payload: &[u8]) -> Value {
    let output = decode(&[arguments, &["--json"]].concat(), payload);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn fails(output: &Output, code: i32, part: &str) {
    let told = [&output.stdout[..], &output.stderr].concat();
    let told = String::from_utf8(told).unwrap();
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(told.contains(part), "{part} is missing in:\n{told}");
}

#[test]
fn a_payload_is_shown_with_its_parts_and_its_events() {
    let shown = stdout(&decode(&["--model", "xirgo-lx41"], VECTOR.as_bytes()));
    for part in ["69 bytes from hexadecimal digits, read as iotm, model xirgo-lx41", "1 event:", DEVICE] {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
    let event: Value = serde_json::from_str(shown.lines().last().unwrap()).unwrap();
    assert_eq!((&event["device_id"], &event["protocol"]), (&DEVICE.into(), &"iotm".into()));
    assert_eq!(event["power"]["supply_v"], 14.51);
}

#[test]
fn digits_and_binary_and_a_file_are_the_same_payload() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("capture.bin");
    std::fs::write(&file, vector()).unwrap();
    let of_file = output(&["decode", "--protocol", "iotm", "--json", file.to_str().unwrap()]);
    let of_file: Value = serde_json::from_str(&stdout(&of_file)).unwrap();
    assert_eq!(of_file["form"], "binary");
    let grouped: Vec<_> = vector().iter().map(|byte| format!("0x{byte:02X}")).collect();
    for text in [VECTOR.to_owned(), grouped.join(", "), grouped.join(" \n")] {
        let of_digits = report(&["--protocol", "iotm"], text.as_bytes());
        assert_eq!(of_digits["form"], "hexadecimal digits", "{text}");
        assert_eq!(of_digits["events"], of_file["events"]);
        assert_eq!(of_digits["events"][0]["topic"], "positions.v1");
    }
}

#[test]
fn a_json_message_is_shown_by_its_members() {
    let arguments =
        ["--protocol", "ngp", "--topic", "ngp/857378374927457", "--received", "2024-09-02T10:03:44Z"];
    let shown = stdout(&decode(&arguments, NGP.as_bytes()));
    for part in [
        "from JSON text, read as ngp",
        "/location/latitude",
        "fix.latitude",
        "power.supply_v = 13.9",
        "attribute custom_fuel = 86",
        "2 events:",
        "movement_start",
    ] {
        assert!(shown.contains(part), "{part} is missing in:\n{shown}");
    }
    let told = report(&arguments, NGP.as_bytes());
    let member =
        told["parts"].as_array().unwrap().iter().find(|part| part["what"] == "/board_voltage").unwrap();
    let place = |end: &str| usize::try_from(member[end].as_u64().unwrap()).unwrap();
    assert_eq!(&NGP[place("start")..place("end")], "13.9");
    assert_eq!(told["events"][0]["event"]["received_time"], "2024-09-02T10:03:44Z");
    assert_eq!(told["events"][1]["event"]["code"], 406);
}

#[test]
fn what_does_not_decode_is_shown_with_its_place() {
    let mut payload = vector();
    *payload.last_mut().unwrap() ^= 1;
    let output = decode(&["--protocol", "iotm"], &payload);
    fails(&output, 1, "checksum: ");
    fails(&output, 1, "byte 68: ");
    let told = report(&["--protocol", "iotm"], &payload);
    assert_eq!(
        (&told["errors"][0]["code"], &told["errors"][0]["byte_offset"]),
        (&"checksum".into(), &68.into())
    );
    let output = decode(&["--protocol", "ngp"], b"{\"device_id\": \"a\", }");
    fails(&output, 1, "^ byte 19");
    fails(&decode(&["--protocol", "ngp", "--topic", "ngp/other"], NGP.as_bytes()), 1, "identity_mismatch: ");
}

#[test]
fn settings_say_how_a_model_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("run.toml");
    let text = "[frontend]\nlisten = '127.0.0.1:1883'\n[models.acme-t1]\naccount = 'acme'\nprotocol = 'ngp'\n\
                ngp = { check_topic = false }\n[decoder.ngp]\nunknown_version = 'reject'\n";
    std::fs::write(&file, text).unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let message = br#"{"message_time":"2024-09-02T10:03:43Z","device_id":"a","version":"3"}"#;
    let own = [&config[..], &["--model", "acme-t1", "--topic", "ngp/b"]].concat();
    assert!(decode(&own, message).status.success());
    let default = [&config[..], &["--protocol", "ngp"]].concat();
    fails(&decode(&default, message), 1, "bad_field: version");
    std::fs::write(&file, "[models.acme-t1]\nacount = 'acme'\n").unwrap();
    fails(&decode(&own, message), 2, "acount");
}

#[test]
fn a_wrong_command_says_what_is_right() {
    fails(&decode(&[], b""), 2, "--model <MODEL>");
    fails(&decode(&["--model", "toaster"], b""), 2, "xirgo-lx41");
    fails(&decode(&["--protocol", "toast"], b""), 2, "iotm, ngp");
    fails(&decode(&["--protocol", "iotm", "--model", "xirgo-lx41"], b""), 2, "cannot be used");
    fails(&decode(&["--protocol", "iotm", "--hex"], b"02 0"), 2, "odd number of digits");
    fails(&decode(&["--protocol", "iotm", "--hex"], b"02 zz"), 2, "no hexadecimal digit");
    fails(&decode(&["--protocol", "iotm", "--received", "noon"], b""), 2, "noon");
    fails(&output(&["decode", "--protocol", "iotm", "/nonexistent"]), 2, "/nonexistent cannot be read");
}

#[test]
fn forced_forms_are_not_looked_at() {
    let told = report(&["--protocol", "iotm", "--binary"], VECTOR.as_bytes());
    assert_eq!((&told["form"], &told["errors"][0]["code"]), (&"binary".into(), &"version".into()));
}
