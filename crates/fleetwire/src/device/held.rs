//! `fleetwire device held`.

use std::io::{Write as _, stdout};

use anyhow::Result;
use clap::Args;
use fleetwire_service::exit::Exit;
use indicatif::HumanBytes;
use serde_json::Value;

use crate::client::{ApiFlags, Held, HeldDevice, encoded};
use crate::table::{Pages, counted, dash, time};

/// Devices that are asked for at once.
const PAGE: u32 = 500;

/// The one that knocked last comes first. `fleetwire device add` lets one in; what is held of it is then released.
#[derive(Debug, Args)]
pub(super) struct HeldArgs {
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

impl HeldArgs {
    pub(super) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        flags.with(|api| {
            let mut out = stdout().lock();
            let header =
                ["DEVICE", "ACCOUNT", "FROM", "FIRST SEEN (UTC)", "LAST SEEN (UTC)", "MESSAGES", "SIZE", ""];
            let mut table = Pages::new(header);
            let mut next = None::<String>;
            loop {
                let cursor = next.map(|cursor| format!("&cursor={}", encoded(&cursor))).unwrap_or_default();
                let page: Held = serde_json::from_value(api.get(&format!("/v1/held?limit={PAGE}{cursor}"))?)?;
                if self.json {
                    page.held.iter().try_for_each(|device| writeln!(out, "{device}"))?;
                } else {
                    let rows: Vec<_> = page.held.into_iter().map(row).collect::<Result<_>>()?;
                    table.print(&mut out, &rows)?;
                }
                next = page.next;
                if next.is_none() {
                    break;
                }
            }
            if !self.json {
                writeln!(out, "{}", counted(table.rows(), "device"))?;
            }
            Ok(Exit::Done)
        })
    }
}

fn row(device: Value) -> Result<[String; 8]> {
    let device: HeldDevice = serde_json::from_value(device)?;
    Ok([
        device.id,
        device.account,
        dash(&device.remote_address),
        time(&device.first_seen),
        time(&device.last_seen),
        device.messages.to_string(),
        HumanBytes(device.bytes).to_string(),
        if device.releasing { "being released".to_owned() } else { String::new() },
    ])
}
