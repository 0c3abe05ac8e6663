//! `fleetwire command cancel` and `approve`: commands about another one.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use fleetwire_model::DeviceId;
use fleetwire_service::exit::Exit;
use serde_json::Map;

use super::send::CommonFlags;
use crate::client::{ApiFlags, encoded};

#[derive(Debug, Args)]
struct Which {
    /// Id of the command
    #[arg(value_name = "COMMAND")]
    id: String,
    /// Its device, where several devices have a command of this id
    #[arg(long, value_name = "IMEI")]
    device: Option<DeviceId>,
    #[command(flatten)]
    flags: CommonFlags,
}

#[derive(Debug, Args)]
pub(super) struct CancelArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    which: Which,
}

impl CancelArgs {
    pub(super) fn run(&self, api: &ApiFlags) -> Result<Exit> {
        self.which.send(api, "cancel")
    }
}

impl ApproveArgs {
    pub(super) fn run(&self, api: &ApiFlags) -> Result<Exit> {
        self.which.send(api, "approve")
    }
}

impl Which {
    fn send(&self, api: &ApiFlags, verb: &str) -> Result<Exit> {
        let device = self.device.as_ref().map(|device| format!("?device={device}")).unwrap_or_default();
        let path = format!("/v1/commands/{}/{verb}{device}", encoded(&self.id));
        api.with_commands(|api| self.flags.send(api, &path, Map::new(), Duration::from_mins(1)))
    }
}
