//! `fleetwire device list`.

use std::io::{Write, stdout};

use anyhow::Result;
use clap::{Args, ValueEnum};
use fleetwire_service::exit::Exit;
use serde_json::Value;

use super::add::label;
use crate::client::{Api, ApiFlags, Device, Devices, encoded};
use crate::table::{Pages, counted, dash, time};

/// Devices that are asked for at once.
const PAGE: u32 = 500;

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    filter: Filter,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

/// Which devices.
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Only devices of this model
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Only devices that may come in, or that may not
    #[arg(long)]
    status: Option<Status>,
    /// Only devices of this account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Only devices of this group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Only devices with this label
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Option<(String, String)>,
    /// Only devices whose id or name contains this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Active,
    Disabled,
}

impl Filter {
    /// As the query of a URL, which begins with "?".
    fn query(&self) -> String {
        let status = self.status.map(|status| match status {
            Status::Active => "active".to_owned(),
            Status::Disabled => "disabled".to_owned(),
        });
        let label = self.label.as_ref().map(|(key, value)| format!("{key}:{value}"));
        let given = [
            ("model", &self.model),
            ("status", &status),
            ("account", &self.account),
            ("group", &self.group),
            ("label", &label),
            ("q", &self.search),
        ];
        let given = given.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
        given
            .fold(format!("?limit={PAGE}"), |query, (key, value)| format!("{query}&{key}={}", encoded(value)))
    }
}

impl ListArgs {
    pub(super) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        flags.with(|api| if self.json { self.json(api) } else { self.table(api) })
    }

    fn json(&self, api: &Api) -> Result<Exit> {
        let mut out = stdout().lock();
        self.pages(api, |devices| Ok(devices.iter().try_for_each(|device| writeln!(out, "{device}"))?))?;
        Ok(Exit::Done)
    }

    fn table(&self, api: &Api) -> Result<Exit> {
        let mut out = stdout().lock();
        let mut table = Pages::new(["DEVICE", "STATUS", "MODEL", "NAME", "GROUP", "CHANGED (UTC)", "BY"]);
        self.pages(api, |devices| {
            let rows: Vec<_> = devices.into_iter().map(row).collect::<Result<_>>()?;
            Ok(table.print(&mut out, &rows)?)
        })?;
        writeln!(out, "{}", counted(table.rows(), "device"))?;
        Ok(Exit::Done)
    }

    /// Every page, one after the other.
    fn pages(&self, api: &Api, mut take: impl FnMut(Vec<Value>) -> Result<()>) -> Result<()> {
        let query = self.filter.query();
        let mut next = None::<String>;
        loop {
            let cursor = next.map(|cursor| format!("&cursor={}", encoded(&cursor))).unwrap_or_default();
            let page: Devices = serde_json::from_value(api.get(&format!("/v1/devices{query}{cursor}"))?)?;
            take(page.devices)?;
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    }
}

fn row(device: Value) -> Result<[String; 7]> {
    let device: Device = serde_json::from_value(device)?;
    let changed = time(&device.updated);
    Ok([
        device.id,
        device.status,
        device.model,
        dash(&device.name),
        dash(&device.group),
        changed,
        device.updated_by,
    ])
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        filter: Filter,
    }

    #[test]
    fn filters_go_into_the_query_encoded() {
        let line = ["x", "--status", "disabled", "--label", "vehicle=truck 7", "--search", "a&b"];
        let query = Line::parse_from(line).filter.query();
        assert_eq!(query, "?limit=500&status=disabled&label=vehicle%3Atruck%207&q=a%26b");
        assert_eq!(Line::parse_from(["x"]).filter.query(), "?limit=500");
    }
}
