//! `fleetwire mapping`: a mapping is written and tested without any service.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{fleetwire, output, stdout};

const MAPPING: &str = "\
[device]
at = \"/id\"
kind = \"id\"
[time]
at = \"/t\"
[fix]
latitude = \"/lat\"
longitude = \"/lon\"
speed_kmh = { at = \"/v\", unit = \"m/s\" }
heading_deg = \"/course\"
[vehicle]
ignition = { at = \"/ign\", values = { ON = true, OFF = false } }
";

struct Files {
    dir: tempfile::TempDir,
}

impl Files {
    fn new(mapping: &str) -> Self {
        let files = Self { dir: tempfile::tempdir().unwrap() };
        files.write("mapping.toml", mapping);
        files
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn mapping(&self) -> String {
        self.dir.path().join("mapping.toml").to_str().unwrap().to_owned()
    }
}

#[test]
fn a_sample_is_shown_with_every_field_its_pointer_and_its_conversion() {
    let files = Files::new(MAPPING);
    let sample = files.write(
        "sample.json",
        "{\"id\":\"van-2\",\"t\":1700000000,\"lat\":54.7,\"lon\":25.3,\"v\":12.5,\"ign\":\"RUN\",\"door\":true}",
    );
    let output = output(&["mapping", "test", "--mapping", &files.mapping(), &sample]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    for part in [
        "record 0",
        "fix.speed_kmh",
        "45",
        "/v",
        "12.5",
        "m/s -> km/h",
        "2023-11-14T22:13:20Z",
        "json.door",
        "no candidate matched for: fix.heading_deg",
        "vehicle.ignition did not fit 1 times: it is none of the listed values",
        "1 messages, 1 positions, 0 device events, 0 records rejected",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    assert!(!text.contains("guess"));
}

#[test]
fn lines_of_standard_input_are_messages_and_a_rejected_record_is_exit_code_one() {
    let files = Files::new(MAPPING);
    let mut child = fleetwire(&["mapping", "test", "--json", "--mapping", &files.mapping(), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input =
        "{\"id\":\"van-2\",\"t\":1700000000}\n[{\"id\":\"van-2\",\"t\":1},{\"id\":\"van-2\"}]\n{\"id\":";
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["sample"], "-, line 1");
    assert_eq!(lines[0]["events"][0]["event"]["device_time"], "2023-11-14T22:13:20Z");
    assert_eq!(lines[0]["records"][0]["fields"][0]["pointer"], "/id");
    assert_eq!(lines[1]["records"][1]["error"]["code"], "no_time");
    assert_eq!(lines[2]["error"]["code"], "json");
    assert_eq!(lines[2]["error"]["byte_offset"], 6);
}

#[test]
fn a_mapping_that_is_none_is_exit_code_two_with_the_key_and_what_is_allowed() {
    for (mapping, parts) in [
        ("[fix]\nlatitute = \"/lat\"", vec!["line 2", "latitute", "`latitude`"]),
        ("[device]\nat = \"id\"", vec!["line 2", "does not begin with /"]),
        (&MAPPING.replace("\"m/s\"", "\"V\""), vec!["fix.speed_kmh.unit", "km/h, m/s, knots, mph"]),
        (&MAPPING.replace("ON = true", "ON = 1"), vec!["vehicle.ignition.values.ON", "true or false"]),
        ("[device]\nat = \"/id\"", vec!["time.at"]),
    ] {
        let files = Files::new(mapping);
        let sample = files.write("sample.json", "{}");
        let output = output(&["mapping", "test", "--mapping", &files.mapping(), &sample]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        for part in parts {
            assert!(errors.contains(part), "{part:?} is missing in:\n{errors}");
        }
    }
    let files = Files::new(MAPPING);
    let missing = output(&["mapping", "test", "--mapping", &files.mapping(), "/nowhere/sample.json"]);
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn the_built_in_mapping_is_a_start_and_says_that_it_is_a_guess() {
    let text = stdout(&output(&["mapping", "show"]));
    assert!(text.contains("A GUESS") && text.contains("guess = true"));
    let files = Files::new(&text);
    let sample =
        files.write("sample.json", "{\"imei\":\"352099001761481\",\"ts\":1700000000,\"lat\":1,\"lon\":2}");
    let output = output(&["mapping", "test", "--mapping", &files.mapping(), &sample]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("this mapping is a guess"));
}
