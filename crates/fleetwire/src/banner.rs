//! What people read first: version, examples, and the banner of `fleetwire run`.

use std::net::SocketAddr;

use fleetwire_mqtt::{Listener, Transport};
use fleetwire_registry::Accounts;
use fleetwire_registry::account::{PasswordRule, password_variable};
use fleetwire_service::build;

/// Version with the commit.
pub(crate) const VERSION: &str = build::VERSION;

/// Version with all facts of the build.
pub(crate) const LONG_VERSION: &str = build::LONG_VERSION;

/// Shown below `fleetwire --help`.
pub(crate) const EXAMPLES: &str = "\
Try it:
  fleetwire run                          the whole pipeline in this terminal
  fleetwire simulate --devices 20        in a second one: devices that drive it
  fleetwire watch positions              in a third one: what comes out

In production, on Apache Kafka:
  fleetwire topics apply --kafka kafka:9092
  fleetwire frontend --config frontend.toml
  fleetwire decoder --config decoder.toml
  fleetwire command-gateway --config command-gateway.toml
  fleetwire api --config api.toml        devices by HTTP and by the commands `device` and `model`
  fleetwire gaps --config gaps.toml      if you want to know which device lost what

Exit codes: 0 done, 1 failed, 2 wrong command line or configuration,
3 stopped with work left when the grace period ended, 4 a command to a device ended otherwise than it should,
130 aborted by a second signal.";

/// Facts for the banner of `fleetwire run`.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    /// Where devices connect, plain TCP first.
    pub(crate) mqtt: &'a [Listener],
    pub(crate) admin: SocketAddr,
    pub(crate) api: SocketAddr,
    pub(crate) kafka: &'a str,
    pub(crate) embedded: bool,
    pub(crate) accounts: &'a Accounts,
    pub(crate) demo_device: Option<&'a str>,
    /// The command as it was given, for example "target/release/fleetwire".
    pub(crate) command: &'a str,
    /// Flags by which other commands find this one; empty if they need none.
    pub(crate) find: &'a str,
}

/// The banner of `fleetwire run`.
pub(crate) fn text(running: &Running<'_>) -> String {
    let mut lines = vec![format!("fleetwire {} is running", build::version()), String::new()];
    for (number, Listener { transport, address }) in running.mqtt.iter().enumerate() {
        let title = if number == 0 { "MQTT" } else { "" };
        let how = match transport {
            Transport::Tcp => "",
            Transport::Tls => "  (TLS)",
            Transport::WebSocket => "  (WebSocket)",
            Transport::SecureWebSocket => "  (WebSocket over TLS)",
        };
        lines.push(format!("  {title:<8} {address}{how}"));
    }
    lines.push(format!("  admin    http://{}/  (readyz, metrics)", running.admin));
    lines.push(format!("  API      http://{}/  (openapi.json; its token is in the run file)", running.api));
    if running.embedded {
        lines.push(format!(
            "  log      embedded, {}: in memory, 5 MiB a partition, nothing kept after the stop",
            running.kafka
        ));
        lines.push(
            "           to keep it use Apache Kafka: make run KAFKA=apache, or --kafka HOST:PORT".into(),
        );
    } else {
        lines.push(format!("  log      Apache Kafka, {}", running.kafka));
    }
    for account in running.accounts.iter() {
        let name = &account.name;
        let password = if account.settings.password == PasswordRule::Own {
            "each device has a password of its own (device add --own-password)".to_owned()
        } else if account.has_well_known_password() {
            format!("password secretword (everybody knows it; {} sets another)", password_variable(name))
        } else {
            format!("password from {}", password_variable(name))
        };
        lines.push(format!("  account  {name}, {password}"));
    }
    lines.push(String::new());
    lines.push("Try next, in another terminal:".into());
    let tries = [
        ("simulate --devices 20", "devices that drive it"),
        ("watch positions", "what comes out (also: raw, events, dead-letters)"),
        ("device held", "who is knocking"),
        ("device add IMEI", "let a real device in"),
    ];
    for (arguments, meaning) in tries {
        let command = format!("{} {arguments}{}", running.command, running.find);
        lines.push(format!("  {command:<50} {meaning}"));
    }
    if let Some(device) = running.demo_device {
        lines.push(String::new());
        lines.push(format!("Device {device} and those of the published samples are activated already."));
    }
    lines.push("Ctrl-C stops it.".into());
    lines.join("\n")
}
