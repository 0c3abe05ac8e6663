//! Help, configuration errors, exit codes.

use crate::support::{fleetwire, output, stdout};

#[test]
fn help_of_every_command_says_what_to_do() {
    let help = stdout(&output(&["--help"]));
    for command in [
        "run",
        "frontend",
        "decoder",
        "api",
        "gaps",
        "simulate",
        "decode",
        "watch",
        "dead-letters",
        "replay",
        "device",
        "command",
        "command-gateway",
        "model",
        "mapping",
        "metrics",
        "topics",
        "check-config",
        "completions",
    ] {
        assert!(help.contains(command), "{command} is missing in:\n{help}");
        assert!(stdout(&output(&[command, "--help"])).contains("Usage: fleetwire"), "{command}");
    }
    assert!(help.contains("Exit codes"));
}

#[test]
fn the_version_names_the_build() {
    let version = stdout(&output(&["--version"]));
    for fact in ["commit", "compiler  rustc", "target"] {
        assert!(version.contains(fact), "{version}");
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&output(&["completions", shell])).contains("fleetwire"), "{shell}");
    }
}

#[test]
fn a_bad_file_is_told_with_line_key_and_allowed_values() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("frontend.toml");
    let path = file.to_str().unwrap();
    for (text, expected) in [
        ("[frontend]\nlissten = \"0.0.0.0:1883\"\n", vec!["line 2", "lissten", "`listen`"]),
        ("[frontend]\nunactivated = \"maybe\"\n", vec!["line 2", "maybe", "`hold`", "`reject`"]),
        ("[process]\ngrace = \"soon\"\n", vec!["line 2", "grace"]),
        ("[frontend.websocket]\ntls_listen = \"127.0.0.1:0\"\n", vec!["`certificate`", "[frontend.tls]"]),
        ("[frontend.proxy_protocol]\nfrom = [\"10.0.0.0/33\"]\n", vec!["line 2", "from"]),
        ("[kafka.properties]\nacks = \"1\"\n", vec!["acks"]),
        ("[kafka.properties]\n\"securty.protocol\" = \"ssl\"\n", vec!["securty.protocol"]),
        ("[kafka.properties]\n\"sasl.password\" = \"x\"\n", vec!["FLEETWIRE_KAFKA_SASL_PASSWORD"]),
        ("nonsense\n", vec!["line 1"]),
    ] {
        std::fs::write(&file, text).unwrap();
        for arguments in [["check-config", "frontend", path], ["frontend", "--config", path]] {
            let output = output(&arguments);
            let errors = String::from_utf8(output.stderr).unwrap();
            for part in &expected {
                assert!(errors.contains(part), "{part} is missing in:\n{errors}");
            }
            assert_eq!(output.status.code(), Some(2), "{errors}");
        }
    }
}

#[test]
fn the_shipped_samples_pass_the_check() {
    for service in ["run", "frontend", "decoder", "command-gateway", "gaps", "api"] {
        let file = format!("{}/../../deploy/config/{service}.toml", env!("CARGO_MANIFEST_DIR"));
        assert!(stdout(&output(&["check-config", service, &file])).contains("is fine"));
    }
}

#[test]
fn production_refuses_the_password_that_everybody_knows() {
    let start = |password: Option<&str>| {
        let mut command = fleetwire(&["frontend", "--kafka", "127.0.0.1:1", "--admin", "127.0.0.1:0"]);
        if let Some(password) = password {
            command.env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", password);
        }
        command.output().unwrap()
    };
    for password in [None, Some("secretword")] {
        let output = start(password);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD"), "{errors}");
    }
}

#[test]
fn a_frontend_that_anybody_could_send_commands_through_does_not_start() {
    let start = |arguments: &[&str]| {
        let mut command = fleetwire(&["frontend", "--kafka", "127.0.0.1:1", "--admin", "127.0.0.1:0"]);
        command.args(arguments).env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", "one of our own");
        command
    };
    let refused = |mut command: std::process::Command, named: &str| {
        let output = command.output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(named), "{errors}");
    };
    refused(start(&[]), "FLEETWIRE_DOWNLINK_TOKEN_FILE");
    let mut short = start(&[]);
    short.env("FLEETWIRE_DOWNLINK_TOKEN", "short");
    refused(short, "FLEETWIRE_DOWNLINK_TOKEN must have 16");
}

#[test]
fn tools_without_a_pipeline_say_how_to_get_one() {
    let dir = tempfile::tempdir().unwrap();
    for tool in [vec!["watch", "positions"], vec!["simulate"], vec!["device", "list"], vec!["model", "list"]]
    {
        let output = fleetwire(&tool).arg("--data-dir").arg(dir.path()).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("fleetwire run"), "{errors}");
    }
}

#[test]
fn a_mistyped_imei_is_explained() {
    let add = |imei: &str| {
        let output = output(&["device", "add", imei, "--kafka", "127.0.0.1:1"]);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(add("86703504624289").contains("15 digits"));
    assert!(add("86703504624289x").contains("character 15"));
    assert!(add("867035046242896").contains("should be 5"));
}
