//! A deployment on loopback: topics of its own in some Kafka, devices, and a frontend of the binary.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use fleetwire_kafka::ClientSettings;
use fleetwire_model::{DeviceId, Imei, Topic, Topics};
use fleetwire_registry::Catalogue;
use fleetwire_registry::write::{Activation, Existing, OwnLogin, Writer};

use crate::service::Service;

/// User name of the devices.
pub const ACCOUNT: &str = "bce_device";
/// Their password.
pub const PASSWORD: &str = "a password of the benches";
/// Topic that they publish to.
pub const TOPIC: &str = "BCE/D";

const PATIENCE: Duration = Duration::from_mins(2);
/// With these the frontend's log names its addresses.
const ADDRESSES: [&str; 2] = ["admin HTTP is served", "devices may connect"];

/// A deployment.
#[derive(Debug)]
pub struct Site {
    binary: PathBuf,
    bootstrap: String,
    topics: Topics,
}

impl Site {
    /// Makes the topics.
    pub fn new(binary: PathBuf, bootstrap: String, prefix: &str) -> Result<Self> {
        Self::with_partitions(binary, bootstrap, prefix, None)
    }

    /// Makes the topics, each with so many partitions, if it is said.
    pub fn with_partitions(
        binary: PathBuf,
        bootstrap: String,
        prefix: &str,
        partitions: Option<u16>,
    ) -> Result<Self> {
        let site = Self { binary, bootstrap, topics: Topics::new(prefix)? };
        let mut command = site.command(&["topics", "apply"]);
        if let Some(count) = partitions {
            command.args(Topic::ALL.map(|topic| format!("--partitions={}={count}", topic.suffix())));
        }
        let output = command.output()?;
        ensure!(output.status.success(), "topics: {}", String::from_utf8_lossy(&output.stderr));
        Ok(site)
    }

    /// How Kafka is reached.
    pub fn client(&self) -> ClientSettings {
        ClientSettings::new(self.bootstrap.clone())
    }

    /// Names of the topics.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// The binary with a command for this deployment and no other.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FLEETWIRE_") {
                command.env_remove(name);
            }
        }
        command.args(arguments).args(["--kafka", &self.bootstrap, "--topic-prefix", self.topics.prefix()]);
        command
    }

    /// Activates devices; what others publish goes to the held topic.
    pub fn activate(&self, imeis: impl Iterator<Item = Imei>) -> Result<()> {
        let model = Catalogue::built_in().get(Catalogue::DEFAULT).context("no default model")?;
        let activation = |imei| Activation {
            device: DeviceId::from(imei),
            model,
            name: String::new(),
            login: OwnLogin::default(),
        };
        let activations: Vec<_> = imeis.map(activation).collect();
        let client = self.client();
        let writer = Writer { client: &client, topics: &self.topics, by: "benches", limit: PATIENCE };
        writer.activate(&activations, Existing::Update)?;
        Ok(())
    }

    /// The same deployment with another binary.
    #[must_use]
    pub fn with_binary(&self, binary: PathBuf) -> Self {
        Self { binary, bootstrap: self.bootstrap.clone(), topics: self.topics.clone() }
    }

    /// Starts a frontend that is ready, again if its port is not free yet; `mqtt` is `HOST:PORT`.
    pub fn frontend(&self, mqtt: &str, config: Option<&Path>) -> Result<Service> {
        self.frontend_with(mqtt, config, &[])
    }

    /// The same of a frontend that keeps no metrics.
    pub fn frontend_without_metrics(&self, mqtt: &str) -> Result<Service> {
        self.frontend_with(mqtt, None, &[("FLEETWIRE_BENCH_NO_METRICS", "1")])
    }

    fn frontend_with(
        &self,
        mqtt: &str,
        config: Option<&Path>,
        environment: &[(&str, &str)],
    ) -> Result<Service> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut command = self.command(&["frontend", "--mqtt", mqtt, "--downlink", "127.0.0.1:0"]);
            if let Some(config) = config {
                command.arg("--config").arg(config);
            }
            command.env("FLEETWIRE_ACCOUNT_BCE_DEVICE_PASSWORD", PASSWORD);
            command.envs(environment.iter().copied());
            match Service::start(command, &ADDRESSES) {
                Err(error) if Instant::now() < deadline && format!("{error:#}").contains("in use") => {}
                outcome => return outcome,
            }
        }
    }
}

/// IMEIs that nobody has.
pub fn imeis(count: u32) -> Result<Vec<Imei>> {
    const FIRST: u64 = 35_000_000_000_000;
    let imei = |index: u32| {
        let digits = FIRST + u64::from(index);
        Imei::from_number(digits * 10 + u64::from(Imei::check_digit(digits))).context("too many devices")
    };
    (0..count).map(imei).collect()
}
