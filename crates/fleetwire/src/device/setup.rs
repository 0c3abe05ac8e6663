//! `fleetwire device setup`.

use std::io::{self, Write, stdout};

use anyhow::{Context as _, Result};
use clap::Args;
use fleetwire_model::DeviceId;
use fleetwire_service::exit::Exit;

use super::check;
use crate::client::{ApiFlags, Setup};
use crate::table::{dash, facts};

#[derive(Debug, Args)]
pub(super) struct SetupArgs {
    /// IMEI, or another device id
    #[arg(value_name = "IMEI")]
    id: DeviceId,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl SetupArgs {
    pub(super) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        flags.with(|api| {
            let answer = api.get(&format!("/v1/devices/{}/setup", self.id));
            let answer = answer.map_err(|err| check::with_hint(err, &self.id))?;
            let mut out = stdout().lock();
            if self.json {
                writeln!(out, "{answer}")?;
            } else {
                let setup: Setup =
                    serde_json::from_value(answer).context("the API's answer is not understood")?;
                print(&mut out, &self.id, &setup)?;
            }
            Ok(Exit::Done)
        })
    }
}

fn print(out: &mut impl Write, id: &DeviceId, setup: &Setup) -> io::Result<()> {
    let mut lines =
        vec![("device", id.to_string()), ("model", setup.model.clone()), ("region", dash(&setup.region))];
    lines.push((
        "host",
        if setup.host.is_empty() { "- (set host in [public])".into() } else { setup.host.clone() },
    ));
    lines.push(("port", setup.port.to_string()));
    if let Some(port) = setup.tls_port {
        lines.push(("port with TLS", port.to_string()));
    }
    lines.push((
        "client id",
        if setup.client_id.is_empty() { "any".to_owned() } else { setup.client_id.clone() },
    ));
    lines.push(("user", setup.user.clone()));
    lines.push(("password", setup.password_hint.clone()));
    lines.push(("publishes to", dash(&setup.publish_topics.join(", "))));
    lines.push(("subscribes to", dash(&setup.subscribe_topics.join(", "))));
    facts(out, &lines)?;
    if !setup.steps.is_empty() {
        writeln!(out, "\nOn the device, or in the vendor's tool:")?;
    }
    for (number, step) in (1..).zip(&setup.steps) {
        writeln!(out, "{number:>3}. {step}")?;
    }
    Ok(())
}
