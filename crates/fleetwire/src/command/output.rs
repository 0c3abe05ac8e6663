//! `fleetwire command output`.

use anyhow::Result;
use clap::{Args, ValueEnum};
use fleetwire_model::DeviceId;
use fleetwire_service::exit::Exit;
use serde_json::Map;

use super::send::SendFlags;
use crate::client::ApiFlags;
use crate::device;

#[derive(Debug, Args)]
pub(super) struct OutputArgs {
    /// IMEI, or another device id
    #[arg(value_name = "IMEI")]
    device: DeviceId,
    /// Number of the output, as `fleetwire model show` has it
    #[arg(value_name = "OUTPUT", value_parser = clap::value_parser!(u8).range(1..))]
    output: u8,
    /// What it is to do
    action: Action,
    /// How long, for timed outputs: 0.01 to 655.35 seconds
    #[arg(long = "for", value_name = "TIME")]
    duration: Option<humantime::Duration>,
    #[command(flatten)]
    flags: SendFlags,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// On: a latched output until the next command, a timed one for --for, or as long as the device can
    On,
    /// Off, in the same way
    Off,
    /// On for --for; timed outputs only
    Pulse,
}

impl OutputArgs {
    pub(super) fn run(&self, api: &ApiFlags) -> Result<Exit> {
        let action = match self.action {
            Action::On => "on",
            Action::Off => "off",
            Action::Pulse => "pulse",
        };
        let mut body = Map::new();
        body.insert("action".to_owned(), action.into());
        if let Some(duration) = self.duration {
            body.insert("duration".to_owned(), duration.to_string().into());
        }
        let path = format!("/v1/devices/{}/outputs/{}", self.device, self.output);
        api.with_commands(|api| {
            self.flags.send(api, &path, body).map_err(|err| device::with_hint(err, &self.device))
        })
    }
}
