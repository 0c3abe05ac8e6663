//! Mosquitto's own tools: a process for each thing that is done.

use std::process::{Command, Output};
use std::sync::LazyLock;

use crate::play::{Played, Standing, each};
use crate::saw::Saw;
use crate::scenario::{Scenario, Version};
use crate::support::{Process, until};

/// What the tools say of themselves.
static HELP: LazyLock<String> = LazyLock::new(|| {
    let help = Command::new("mosquitto_pub").arg("--help").output();
    let help = help.expect("mosquitto_pub runs; `make setup` installs it");
    String::from_utf8_lossy(&help.stdout).into_owned()
});

/// Whether these tools know WebSocket.
pub(crate) fn has_websocket() -> bool {
    HELP.contains("--ws")
}

fn library() -> String {
    let words: Vec<&str> = HELP.split_whitespace().collect();
    let version = words.windows(2).find(|pair| pair[0] == "version").unwrap()[1];
    version.trim_end_matches('.').to_owned()
}

/// Plays scenarios.
pub(crate) fn play(scenarios: Vec<Scenario>) -> Played {
    each(scenarios, one)
}

fn one(scenario: &Scenario) -> Result<(Saw, Box<dyn Standing>), String> {
    let own = format!("{}/OUTC", scenario.client_id);
    let mut saw = Saw { library: library(), ..Saw::default() };

    let mut wrong = tool("mosquitto_pub", scenario, "not the password");
    let wrong = wrong.args(["-t", "BCE/D", "-m", "never", "-q", "1"]).output().unwrap();
    saw.wrong_password = (!wrong.status.success()).then(|| complaint(&wrong));

    for qos in 0..=2 {
        let published = publish(scenario, qos);
        if !published.status.success() {
            return Err(format!("QoS {qos}: {}", complaint(&published)));
        }
        saw.acknowledged.push(qos);
    }

    let granted = subscribe(scenario, &own).arg("-E").output().unwrap();
    saw.granted = code(&String::from_utf8_lossy(&granted.stdout));
    let refused = subscribe(scenario, "#").arg("-E").output().unwrap();
    let is_refused = code(&String::from_utf8_lossy(&refused.stdout)).is_none_or(|code| code >= 0x80);
    saw.refused = is_refused.then(|| complaint(&refused));

    let mut standing = subscribe(scenario, &own);
    standing.args(["--will-topic", "BCE/E", "--will-qos", "1", "--will-payload", &scenario.will()]);
    let mut standing = Process::start(standing);
    until("a subscription of mosquitto_sub", || {
        standing.assert_running();
        code(&standing.printed())
    });
    Ok((saw, Box::new(standing)))
}

fn publish(scenario: &Scenario, qos: u8) -> Output {
    let mut command = tool("mosquitto_pub", scenario, scenario.password);
    let payload = scenario.payload(&format!("qos {qos}"));
    command.args(["-t", "BCE/D", "-q", &qos.to_string(), "-m", &payload]);
    command.args(["--will-topic", "BCE/E", "--will-payload", &scenario.unwanted_will()]);
    if scenario.version == Version::V5 {
        command.args(["-D", "publish", "content-type", "application/x-interop"]);
        command.args(["-D", "publish", "user-property", "client", "mosquitto"]);
    }
    command.output().unwrap()
}

/// A subscription that tells what it does.
fn subscribe(scenario: &Scenario, topic: &str) -> Command {
    let mut command = tool("mosquitto_sub", scenario, scenario.password);
    command.args(["-d", "-q", "1", "-t", topic]);
    command
}

fn tool(name: &str, scenario: &Scenario, password: &str) -> Command {
    // What stays open must tell at once that it is subscribed.
    let mut command = Command::new("stdbuf");
    command.args(["-oL", name]);
    let version = match scenario.version {
        Version::V31 => "mqttv31",
        Version::V311 => "mqttv311",
        Version::V5 => "mqttv5",
    };
    command.args(["-h", scenario.host, "-p", &scenario.port.to_string(), "-V", version]);
    command.args(["-i", &scenario.client_id, "-u", scenario.user, "-P", password]);
    if scenario.transport.is_secure() {
        command.arg("--cafile").arg(&scenario.ca);
    }
    if let (Some(certificate), Some(key)) = (&scenario.certificate, &scenario.key) {
        command.arg("--cert").arg(certificate).arg("--key").arg(key);
    }
    if scenario.transport.is_websocket() {
        command.arg("--ws");
    }
    command
}

/// The code of the SUBACK, from "Subscribed (mid: 1): 1".
fn code(printed: &str) -> Option<u8> {
    let line = printed.lines().find(|line| line.starts_with("Subscribed (mid:"))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// What a tool said of a failure.
fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().replace('\n', " / ")
}
