//! `fleetwire command list`.

use std::io::{Write as _, stdout};

use anyhow::Result;
use clap::Args;
use fleetwire_model::DeviceId;
use fleetwire_service::exit::Exit;
use serde_json::Value;

use super::types::{Command, Commands};
use crate::client::{Api, ApiFlags, encoded};
use crate::table::{Pages, counted, dash, time};

/// Commands that are asked for at once.
const PAGE: u64 = 500;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only commands of this device
    #[arg(long, value_name = "IMEI")]
    device: Option<DeviceId>,
    /// Only commands in this state, for example queued; may be repeated
    #[arg(long, value_name = "STATE")]
    state: Vec<String>,
    /// Commands at most, the newest first
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: u64,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

impl ListArgs {
    pub(super) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        flags.with_commands(|api| {
            let mut out = stdout().lock();
            let mut table = Pages::new(["TIME (UTC)", "DEVICE", "STATE", "WHAT", "BY", "COMMAND"]);
            self.pages(api, |commands| {
                if self.json {
                    return Ok(commands.iter().try_for_each(|command| writeln!(out, "{command}"))?);
                }
                let rows: Vec<_> = commands.into_iter().map(row).collect::<Result<_>>()?;
                Ok(table.print(&mut out, &rows)?)
            })?;
            if !self.json {
                writeln!(out, "{}", counted(table.rows(), "command"))?;
            }
            Ok(Exit::Done)
        })
    }

    /// The first part of a URL's query.
    fn query(&self) -> String {
        let device = self.device.iter().map(|device| ("device", device.as_str()));
        let states = self.state.iter().map(|state| ("state", state.as_str()));
        device
            .chain(states)
            .fold(String::new(), |query, (key, value)| format!("{query}&{key}={}", encoded(value)))
    }

    /// Every page, one after the other, as far as there may be more.
    fn pages(&self, api: &Api, mut take: impl FnMut(Vec<Value>) -> Result<()>) -> Result<()> {
        let (query, mut next, mut left) = (self.query(), None::<String>, self.limit);
        while left > 0 {
            let cursor = next.map(|cursor| format!("&cursor={}", encoded(&cursor))).unwrap_or_default();
            let path = format!("/v1/commands?limit={}{query}{cursor}", left.min(PAGE));
            let page: Commands = serde_json::from_value(api.get(&path)?)?;
            left = left.saturating_sub(page.commands.len() as u64);
            take(page.commands)?;
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        Ok(())
    }
}

fn row(command: Value) -> Result<[String; 6]> {
    let command: Command = serde_json::from_value(command)?;
    let asked = command.asked.unwrap_or_default();
    Ok([
        time(&command.status.time),
        command.device_id,
        command.status.state.clone(),
        asked.words(),
        dash(&asked.requested_by),
        command.id,
    ])
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        list: ListArgs,
    }

    #[test]
    fn filters_go_into_the_query() {
        let line = ["x", "--device", "867035046242895", "--state", "queued", "--state", "sent"];
        assert_eq!(Line::parse_from(line).list.query(), "&device=867035046242895&state=queued&state=sent");
        assert_eq!(Line::parse_from(["x"]).list.query(), "");
    }

    #[test]
    fn a_command_of_which_the_first_status_is_not_known_has_a_row_all_the_same() {
        let row =
            row(serde_json::json!({ "id": "c", "device_id": "d", "state": "failed", "terminal": true }))
                .unwrap();
        assert_eq!(row, ["-", "d", "failed", "-", "-", "c"].map(str::to_owned));
    }
}
