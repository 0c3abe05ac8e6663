//! `fleetwire command show`.

use std::io::{Write, stdout};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use fleetwire_model::DeviceId;
use fleetwire_service::exit::Exit;

use super::follow::{Follow, Wait};
use super::types::Command;
use crate::client::{ApiFlags, encoded};
use crate::table::{Pages, dash, facts, time};

/// How long --wait waits unless it is said.
const WAIT: Duration = Duration::from_mins(10);

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Id of the command
    #[arg(value_name = "COMMAND")]
    id: String,
    /// Its device, where several devices have a command of this id
    #[arg(long, value_name = "IMEI")]
    device: Option<DeviceId>,
    /// Show its states, also those that come, until the last one; --wait=TIME ends sooner [default: 10m]
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    wait: Option<Wait>,
    /// JSON: one object, with --wait one for each state
    #[arg(long)]
    json: bool,
}

impl ShowArgs {
    pub(super) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        flags.with_commands(|api| {
            if let Some(wait) = self.wait {
                let (device, begin) = (self.device.as_ref(), Instant::now());
                let limit = wait.or(WAIT);
                return Follow { id: &self.id, device, limit, json: self.json, begin }.run(api);
            }
            let device = self.device.as_ref().map(|device| format!("?device={device}")).unwrap_or_default();
            let answer = api.get(&format!("/v1/commands/{}{device}", encoded(&self.id)))?;
            let mut out = stdout().lock();
            if self.json {
                writeln!(out, "{answer}")?;
            } else {
                let command = serde_json::from_value(answer).context("the API's answer is not understood")?;
                print(&mut out, &command)?;
            }
            Ok(Exit::Done)
        })
    }
}

fn print(out: &mut impl Write, command: &Command) -> Result<()> {
    let end = if command.status.terminal { "" } else { ", more may come" };
    let mut lines = vec![
        ("command", command.id.clone()),
        ("device", command.device_id.clone()),
        ("state", format!("{}{end}", command.status.state)),
        ("reason", dash(&command.status.words())),
    ];
    if let Some(asked) = &command.asked {
        lines.push(("what", asked.words()));
        lines.push((
            "asked for",
            format!("{} UTC by {}", time(&asked.issued_time), dash(&asked.requested_by)),
        ));
        lines.push(("good until", format!("{} UTC", time(&asked.expire_time))));
    }
    facts(out, &lines)?;
    if !command.statuses.is_empty() {
        writeln!(out)?;
        let rows: Vec<_> = command
            .statuses
            .iter()
            .map(|status| {
                [time(&status.time), status.state.clone(), dash(&status.code), dash(&status.words())]
            })
            .collect();
        Pages::new(["TIME (UTC)", "STATE", "CODE", "REASON"]).print(out, &rows)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_command_is_shown_with_all_that_became_of_it() {
        let command = serde_json::from_value(json!({
            "id": "c-1", "device_id": "867035046242895", "state": "rejected", "terminal": true, "code": "no_output",
            "reason": "the model has no output 7", "time": "2026-11-26T03:00:00.000Z", "sequence": 1, "attempts": 0,
            "command": { "issued_time": "2026-11-26T02:59:59.000Z", "expire_time": "2026-11-26T03:01:00.000Z",
                "requested_by": "token:ops", "output": { "output": 7, "action": "on" } },
            "statuses": [{ "state": "rejected", "terminal": true, "code": "no_output",
                "reason": "the model has no output 7", "time": "2026-11-26T03:00:00.000Z", "sequence": 1 }]
        }));
        let mut out = Vec::new();
        print(&mut out, &command.unwrap()).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in ["state       rejected\n", "output 7 on", "by token:ops", "no_output", "TIME (UTC)"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}
