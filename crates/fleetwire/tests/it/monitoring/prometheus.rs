//! A real Prometheus, started for a test.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use fleetwire_service::clock;
use serde_json::Value;
use tempfile::TempDir;
use ureq::Agent;

use super::scaled::{repository, scaled};
use crate::support::{Process, until};

/// A Prometheus that scrapes every second.
#[derive(Debug)]
pub(crate) struct Prometheus {
    process: Process,
    url: String,
    agent: Agent,
    _dir: TempDir,
}

/// The program: of the path, or where `.ci/prometheus` unpacked it.
fn program() -> PathBuf {
    let found = |program: &Path| {
        let mut command = Command::new(program);
        command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let unpacked = repository().join(".build/prometheus/usr/bin/prometheus");
    [PathBuf::from("prometheus"), unpacked]
        .into_iter()
        .find(|program| found(program))
        .expect("prometheus runs; `make setup` fetches it")
}

impl Prometheus {
    /// Scrapes targets, each with its job, and has the shipped rules with their durations divided by `factor`.
    pub(crate) fn start(targets: &[(&str, SocketAddr)], factor: u64) -> Self {
        use std::fmt::Write as _;
        let dir = tempfile::tempdir().unwrap();
        for name in ["recording.yml", "alerts.yml"] {
            let shipped = repository().join("deploy/prometheus/rules").join(name);
            let rules = scaled(&std::fs::read_to_string(shipped).unwrap(), factor);
            std::fs::write(dir.path().join(name), rules).unwrap();
        }
        let mut config = "global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }\n\
                          rule_files: [recording.yml, alerts.yml]\nscrape_configs:\n"
            .to_owned();
        for (job, address) in targets {
            writeln!(config, "  - {{ job_name: {job}, static_configs: [{{ targets: ['{address}'] }}] }}")
                .unwrap();
        }
        let file = dir.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(program());
        command.arg("--config.file").arg(&file).arg("--storage.tsdb.path").arg(dir.path().join("data"));
        command.arg("--web.listen-address=127.0.0.1:0").stdin(Stdio::null());
        let mut process = Process::start(command);
        let address = until("the address of Prometheus", || {
            process.assert_running();
            let printed = process.printed();
            let line = printed.lines().find(|line| line.contains("msg=\"Listening on\""))?;
            Some(line.rsplit_once("address=")?.1.trim().to_owned())
        });
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_mins(1)))
            .build();
        Self { process, url: format!("http://{address}/api/v1"), agent: config.into(), _dir: dir }
    }

    /// What the API answers, which has to be a success.
    pub(crate) fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let request = self.agent.get(format!("{}/{path}", self.url));
        let mut response =
            request.query_pairs(parameters.iter().copied()).call().map_err(|err| format!("{path}: {err}"))?;
        let mut answer: Value = response.body_mut().read_json().map_err(|err| format!("{path}: {err}"))?;
        if answer["status"] == "success" && answer.get("warnings").is_none() {
            return Ok(answer["data"].take());
        }
        Err(answer.to_string())
    }

    /// What a query gives at a moment, unix time in seconds: series with labels and a value.
    pub(crate) fn at(&self, query: &str, moment: f64) -> Result<Vec<Value>, String> {
        let data = self.get("query", &[("query", query), ("time", &moment.to_string())])?;
        vector(&data, "vector")
    }

    /// What a query gives over a time: series with labels and values.
    pub(crate) fn over(&self, query: &str, from: f64, to: f64) -> Result<Vec<Value>, String> {
        let (from, to) = (from.to_string(), to.to_string());
        let data =
            self.get("query_range", &[("query", query), ("start", &from), ("end", &to), ("step", "1")])?;
        vector(&data, "matrix")
    }

    /// Names of the alerts that fire.
    pub(crate) fn firing(&self) -> BTreeSet<String> {
        let data = self.get("alerts", &[]).unwrap();
        let alerts = data["alerts"].as_array().unwrap().iter();
        alerts
            .filter(|alert| alert["state"] == "firing")
            .map(|alert| alert["labels"]["alertname"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until a query gives something.
    pub(crate) fn wait_for_series(&mut self, query: &str) {
        until(query, || {
            self.process.assert_running();
            self.at(query, now()).is_ok_and(|found| !found.is_empty()).then_some(())
        });
    }

    /// Waits until all of these alerts fire; the moment.
    pub(crate) fn wait_for(&mut self, names: &[&str]) -> f64 {
        let mut missing = names.to_vec();
        until(&format!("alerts {names:?}"), || {
            self.process.assert_running();
            let firing = self.firing();
            missing.retain(|name| !firing.contains(*name));
            missing.is_empty().then(now)
        })
    }

    /// Waits until none of these alerts fires.
    pub(crate) fn wait_for_quiet(&mut self, names: &[&str]) {
        until(&format!("the end of alerts {names:?}"), || {
            self.process.assert_running();
            let firing = self.firing();
            names.iter().all(|name| !firing.contains(*name)).then_some(())
        });
    }

    /// A clean stop.
    pub(crate) fn stop(self) {
        self.process.stop();
    }
}

fn vector(data: &Value, kind: &str) -> Result<Vec<Value>, String> {
    if data["resultType"] != kind {
        return Err(format!("a {} where a {kind} is shown", data["resultType"]));
    }
    Ok(data["result"].as_array().cloned().unwrap_or_default())
}

/// Unix time in seconds.
pub(crate) fn now() -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
    let seconds = clock::unix_ms() as f64 / 1e3;
    seconds
}
