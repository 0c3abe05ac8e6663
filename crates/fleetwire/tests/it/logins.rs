//! Who comes in and who does not, through the whole binary; and that no log line tells a secret.

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{DEVICE, Publish, Run, metric, output, stdout, until};

const SECRET: &str = "distinctive-password-7f3a";
const WRONG: &str = "distinctive-wrong-91bc";
const PAYLOAD: &[u8] = b"distinctive-payload-55d0";

/// A `fleetwire run` at trace level that hides devices and addresses.
fn start(dir: &TempDir) -> Run {
    let config = dir.path().join("run.toml");
    let text = "[process]\nmask_logs = \"all\"\n[subscribers.ops]\nfrom = [\"127.0.0.0/8\"]\n\
                publish = [\"tests/#\"]\n[subscribers.elsewhere]\nfrom = [\"192.0.2.0/24\"]\n";
    std::fs::write(&config, text).unwrap();
    Run::start_with(dir, |command| {
        command.args(["--log", "trace", "--log-format", "json", "--config"]).arg(&config);
        for name in ["ACCOUNT_BCE_DEVICE", "SUBSCRIBER_OPS", "SUBSCRIBER_ELSEWHERE"] {
            command.env(format!("FLEETWIRE_{name}_PASSWORD"), SECRET);
        }
    })
}

fn as_user(user: &str, password: &str, client_id: &str, topic: &str, mqtt: std::net::SocketAddr) -> i32 {
    let port = mqtt.port().to_string();
    let status = std::process::Command::new("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port, "-V", "mqttv5", "-q", "1", "-n"])
        .args(["-i", client_id, "-u", user, "-P", password, "-t", topic])
        .output()
        .unwrap()
        .status;
    status.code().unwrap()
}

#[test]
fn a_session_leaves_no_password_no_payload_and_where_it_is_masked_no_device_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let run = start(&dir);
    let good = Publish { password: SECRET, ..Publish::sample(PAYLOAD) };
    assert!(good.to(run.mqtt).status.success());
    assert_eq!(Publish { password: WRONG, ..good.clone() }.to(run.mqtt).status.code(), Some(4));
    assert_eq!(as_user("ops", SECRET, "watcher", "tests/a", run.mqtt), 0);
    until("the payload is decoded", || {
        (metric(run.admin, "fleetwire_decoder_dead_letters_total", "") >= 1.0).then_some(())
    });
    run.process.signal("TERM");
    let (status, printed) = run.process.wait();
    assert!(status.success(), "{status}");
    assert!(printed.contains("\"level\":\"TRACE\""), "the log is not at trace level");
    assert!(printed.contains("session ended") && printed.contains("not admitted"));
    let payload = String::from_utf8_lossy(PAYLOAD);
    for secret in [SECRET, WRONG, &*payload, &hex::encode(PAYLOAD), &format!("{PAYLOAD:?}")] {
        assert!(!printed.contains(secret), "`{secret}` is in the log");
    }
    let lines = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    for line in lines {
        assert!(!line.to_string().contains(DEVICE), "{line}");
        let peer = line["peer"].as_str().unwrap_or("masked-");
        assert!(peer.starts_with("masked-"), "{line}");
    }
}

#[test]
fn while_a_password_is_changed_both_open_the_account_and_the_metrics_tell_which_is_used() {
    const NEW: &str = "distinctive-new-password-20d4";
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("new");
    std::fs::write(&secret, format!("{NEW}\n")).unwrap();
    let start = |variables: &[(&str, &str)]| {
        Run::start_with(&dir, |command| {
            for (name, value) in variables {
                command.env(format!("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD{name}"), value);
            }
        })
    };
    let code = |run: &Run, password: &str| as_user("bce_device", password, DEVICE, "BCE/D", run.mqtt);
    let used = |run: &Run, password: &str| {
        let labels = format!("{{account=\"bce_device\",password=\"{password}\"}}");
        metric(run.admin, "fleetwire_frontend_logins_total", &labels)
    };
    let both = start(&[("", SECRET), ("_2_FILE", secret.to_str().unwrap())]);
    assert_eq!(
        [code(&both, SECRET), code(&both, NEW), code(&both, NEW), code(&both, WRONG)],
        [0, 0, 0, 0x86]
    );
    assert_eq!((used(&both, "1"), used(&both, "2")), (1.0, 2.0));
    both.process.stop();
    let new = start(&[("", NEW)]);
    assert_eq!([code(&new, SECRET), code(&new, NEW)], [0x86, 0]);
    assert_eq!(used(&new, "1"), 1.0);
}

#[test]
fn a_password_of_its_own_takes_the_place_of_the_shared_one() {
    let dir = tempfile::tempdir().unwrap();
    let run = start(&dir);
    let flags = run.flags();
    let add = |flag: &str| {
        let arguments = ["device", "add", DEVICE, flag, flags[0], flags[1]];
        stdout(&output(&arguments))
    };
    let printed = add("--own-password");
    let own = printed.lines().find_map(|line| line.strip_prefix("its password, which is shown this once: "));
    let own = own.unwrap_or_else(|| panic!("no password in:\n{printed}")).to_owned();
    let code = |password: &str| as_user("bce_device", password, DEVICE, "BCE/D", run.mqtt);
    until("the own password opens", || (code(&own) == 0).then_some(()));
    assert_eq!(code(SECRET), 0x86);
    let listed = stdout(&output(&["device", "list", "--json", flags[0], flags[1]]));
    assert!(!listed.contains(&own), "{listed}");
    assert!(!add("--shared-password").contains("shown this once"));
    until("the shared password opens", || (code(SECRET) == 0).then_some(()));
    let both = output(&["device", "add", DEVICE, "--own-password", "--shared-password"]);
    assert_eq!(both.status.code(), Some(2));
    run.process.stop();
}

#[test]
fn a_password_of_its_own_may_come_from_a_file_and_must_be_long() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "too short\n").unwrap();
    let path = file.to_str().unwrap();
    let refused = output(&["device", "add", DEVICE, "--own-password-file", path, "--kafka", "127.0.0.1:1"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("16 to 128 bytes"), "{refused:?}");
}

#[test]
fn a_subscriber_from_elsewhere_and_a_publish_for_a_device_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let run = start(&dir);
    assert_eq!(as_user("ops", SECRET, "w", "tests/a", run.mqtt), 0);
    assert_eq!(as_user("elsewhere", SECRET, "w", "tests/a", run.mqtt), 0x86);
    assert_eq!(as_user("ops", WRONG, "w", "tests/a", run.mqtt), 0x86);
    // mosquitto_pub ends normally when a PUBACK refuses; the counter tells.
    as_user("ops", SECRET, "w", "BCE/D", run.mqtt);
    assert!(metric(run.admin, "fleetwire_frontend_publishes_refused_total", "") >= 1.0);
    assert!(metric(run.admin, "fleetwire_frontend_publishes_total", "") < 1.0);
    run.process.stop();
}

#[test]
fn a_throttled_client_is_told_so_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let run = start(&dir);
    let code = |password: &str| as_user("bce_device", password, DEVICE, "BCE/D", run.mqtt);
    // An attempt may come back while these run.
    until("the throttle", || (code(WRONG) == 0x9f).then_some(()));
    let old = Publish { password: WRONG, ..Publish::sample(PAYLOAD) };
    until("the throttle in 3.1.1", || (old.to(run.mqtt).status.code() == Some(3)).then_some(()));
    assert!(metric(run.admin, "fleetwire_frontend_logins_throttled_total", "client_id") >= 1.0);
    assert!(metric(run.admin, "fleetwire_frontend_connects_total", "throttled") >= 1.0);
    let elsewhere = as_user("bce_device", SECRET, "865209039554705", "BCE/D", run.mqtt);
    assert_eq!(elsewhere, 0, "another device behind the same address");
    run.process.stop();
}
