//! The pipeline under test: `fleetwire run`, the devices of the matrix, and what came of it all.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::scenario::{Scenario, Transport};
use crate::support::{LIMIT, Run, metric, output, records, stdout};

/// A pipeline with all its transports.
#[derive(Debug)]
pub(crate) struct Pipeline {
    run: Run,
    /// Where devices connect.
    pub(crate) ports: BTreeMap<Transport, u16>,
    /// The authority that signed the certificate.
    pub(crate) ca: PathBuf,
    _dir: TempDir,
}

impl Pipeline {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let run = Run::start(&dir);
        let ports = BTreeMap::from([(Transport::Tcp, run.mqtt.port())]);
        Self { run, ports, ca: dir.path().join("ca.pem"), _dir: dir }
    }

    /// Activates the device of every scenario.
    pub(crate) fn activate(&self, scenarios: &[Scenario]) {
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
