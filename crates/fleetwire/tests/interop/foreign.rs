//! Clients of other languages: one driver process for each plays all its scenarios at once.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::play::{Played, Report};
use crate::saw::Line;
use crate::scenario::Scenario;
use crate::support::{Process, until};

/// Where `.ci/clients` installs them.
fn installed(part: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.build/interop").join(part);
    assert!(path.exists(), "{} is missing; `make clients` installs the clients", path.display());
    path
}

fn driver(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/clients").join(name)
}

/// Plays scenarios with a driver in Python.
pub(crate) fn python(script: &str, scenarios: Vec<Scenario>) -> Played {
    let mut command = Command::new(installed("venv/bin/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(driver(script));
    play(command, &[], scenarios)
}

/// Plays scenarios with a driver in JavaScript.
pub(crate) fn node(script: &str, scenarios: Vec<Scenario>) -> Played {
    let mut command = Command::new("node");
    command.arg(driver(script));
    play(command, &[installed("node")], scenarios)
}

fn play(mut command: Command, more: &[PathBuf], scenarios: Vec<Scenario>) -> Played {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.json");
    std::fs::write(&plan, serde_json::to_vec(&scenarios).unwrap()).unwrap();
    let mut process = Process::start({
        command.arg(&plan).args(more);
        command
    });
    let lines = until("a report of every scenario of a driver", || {
        process.assert_running();
        let printed = process.printed();
        let lines: Vec<Line> = printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        (lines.len() == scenarios.len()).then_some(lines)
    });
    let reports = scenarios.into_iter().map(|scenario| {
        let line = lines.iter().find(|line| line.id == scenario.id).unwrap();
        let failed = || Err(line.failed.clone().unwrap_or_default());
        Report { saw: line.saw.clone().map_or_else(failed, Ok), scenario }
    });
    Played { reports: reports.collect(), standing: vec![Box::new(process)] }
}
