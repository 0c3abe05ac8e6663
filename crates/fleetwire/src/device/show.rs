//! `fleetwire device show`.

use std::io::{Write as _, stdout};

use anyhow::{Context as _, Result};
use clap::Args;
use fleetwire_model::DeviceId;
use fleetwire_service::exit::Exit;

use super::check;
use crate::client::{ApiFlags, Device};
use crate::table::{dash, facts, time};

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// IMEI, or another device id
    #[arg(value_name = "IMEI")]
    id: DeviceId,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl ShowArgs {
    pub(super) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        flags.with(|api| {
            let answer = api
                .get(&format!("/v1/devices/{}", self.id))
                .map_err(|err| check::with_hint(err, &self.id))?;
            let mut out = stdout().lock();
            if self.json {
                writeln!(out, "{answer}")?;
            } else {
                let device: Device =
                    serde_json::from_value(answer).context("the API's answer is not understood")?;
                facts(&mut out, &lines(&device))?;
            }
            Ok(Exit::Done)
        })
    }
}

fn lines(device: &Device) -> Vec<(&'static str, String)> {
    let labels: Vec<String> = device.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let password = if device.own_password { "its own" } else { "the account's" };
    let mut lines = vec![
        ("device", device.id.clone()),
        ("status", device.status.clone()),
        ("model", device.model.clone()),
        ("account", device.account.clone()),
        ("password", password.to_owned()),
        ("name", dash(&device.name)),
        ("group", dash(&device.group)),
        ("labels", dash(&labels.join(", "))),
        ("revision", device.revision.to_string()),
        ("created", format!("{} UTC", time(&device.created))),
        ("changed", format!("{} UTC by {}", time(&device.updated), dash(&device.updated_by))),
    ];
    if device.release_pending {
        lines.push(("held", "what was held of it is being released".to_owned()));
    }
    lines
}
