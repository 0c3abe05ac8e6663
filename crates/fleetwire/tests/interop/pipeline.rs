//! The pipeline under test: `fleetwire run`, the devices of the matrix, and what came of it all.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;
use tempfile::TempDir;

use crate::certificates::Authority;
use crate::scenario::{Scenario, Transport};
use crate::support::{LIMIT, Run, metric, output, records, stdout};

/// Every transport, each on a free port.
const TRANSPORTS: &str = r#"
[frontend.websocket]
listen = "127.0.0.1:0"
tls_listen = "127.0.0.1:0"
path = "/mqtt"

[frontend.tls]
listen = "127.0.0.1:0"
certificate = "DIR/server.pem"
key = "DIR/server.key"
"#;

/// What makes the common name of a client certificate the client id.
const CLIENT_CERTIFICATES: &str = r#"
client_ca = "DIR/ca.pem"
client_certificates = "optional"

[accounts.bce_device]
client_ids = "imei"
certificate = "common_name"
publish = ["BCE/D", "BCE/E"]
subscribe = ["%c/OUTC"]
"#;

/// A pipeline with all its transports.
#[derive(Debug)]
pub(crate) struct Pipeline {
    run: Run,
    ports: BTreeMap<Transport, u16>,
    authority: Authority,
    dir: TempDir,
}

impl Pipeline {
    /// Starts it; with `certificate` a device must show one that is its own.
    pub(crate) fn start(certificate: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new(dir.path());
        authority.sign("localhost", dir.path(), "server");
        let config = dir.path().join("run.toml");
        let text = [TRANSPORTS, if certificate { CLIENT_CERTIFICATES } else { "" }].concat();
        std::fs::write(&config, text.replace("DIR", &dir.path().display().to_string())).unwrap();
        let flags = ["--config", config.to_str().unwrap(), "--log", "info", "--log-format", "json"];
        let run = Run::start_with(&dir, |command| {
            command.args(flags);
        });
        let ports = ports(&run.process.printed());
        Self { run, ports, authority, dir }
    }

    /// Tells each scenario where to go, and activates its device.
    pub(crate) fn prepare(&self, scenarios: &mut [Scenario], certificate: bool) {
        for scenario in &mut *scenarios {
            scenario.port = self.ports[&scenario.transport];
            scenario.ca = self.dir.path().join("ca.pem");
            if certificate {
                let name = &scenario.client_id;
                self.authority.sign(name, self.dir.path(), name);
                scenario.certificate = Some(self.dir.path().join(format!("{name}.pem")));
                scenario.key = Some(self.dir.path().join(format!("{name}.key")));
            }
        }
        for some in scenarios.chunks(8) {
            std::thread::scope(|scope| {
                for scenario in some {
                    let flags = self.run.flags();
                    scope.spawn(move || {
                        let add = ["device", "add", &scenario.client_id, "--name", &scenario.id];
                        stdout(&output(&[&add[..], &flags].concat()));
                    });
                }
            });
        }
    }

    /// Everything in the raw topic, once there are as many as are expected or the time for it is over.
    pub(crate) fn raw(&self, expected: usize) -> Vec<Value> {
        let stored = || metric(self.run.admin, "fleetwire_frontend_publishes_total", "topic=\"raw\"");
        let deadline = std::time::Instant::now() + LIMIT;
        #[expect(clippy::cast_precision_loss, reason = "a small count")]
        while stored() < expected as f64 && std::time::Instant::now() < deadline {
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
        records("raw", stored() as usize, &self.run.flags())
    }

    /// SIGTERM, and a clean end.
    pub(crate) fn stop(self) {
        self.run.process.stop();
    }
}

/// The port of each transport, from what the process logged.
fn ports(printed: &str) -> BTreeMap<Transport, u16> {
    let lines = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let listeners = lines.filter(|line| line["message"] == "devices may connect");
    let port = |line: Value| {
        let transport: Transport = serde_json::from_value(line["transport"].clone()).unwrap();
        let address: SocketAddr = line["address"].as_str().unwrap().parse().unwrap();
        (transport, address.port())
    };
    listeners.map(port).collect()
}
