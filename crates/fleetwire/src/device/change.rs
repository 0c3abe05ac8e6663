//! `fleetwire device disable`, `enable` and `remove`.

use std::io::{IsTerminal as _, Write as _, stderr, stdin, stdout};

use anyhow::Result;
use clap::Args;
use fleetwire_model::DeviceId;
use fleetwire_service::exit::Exit;
use serde_json::Value;

use super::check;
use crate::client::{Api, ApiFlags, Ask, Device};
use crate::process::Usage;

#[derive(Debug, Args)]
struct Which {
    /// IMEI, or another device id
    #[arg(value_name = "IMEI")]
    id: DeviceId,
    /// Only if its record has this revision
    #[arg(long, value_name = "N")]
    if_revision: Option<u64>,
}

#[derive(Debug, Args)]
pub(super) struct DisableArgs {
    #[command(flatten)]
    which: Which,
    /// Print the device as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct EnableArgs {
    #[command(flatten)]
    which: Which,
    /// Print the device as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    #[command(flatten)]
    which: Which,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl DisableArgs {
    pub(super) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        flags.with(|api| {
            let answer = self.which.ask(api, "POST", "/disable")?;
            let what = "is disabled: its session is closed, and its next CONNECT is refused";
            print(&self.which.id, answer, what, self.json)
        })
    }
}

impl EnableArgs {
    pub(super) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        flags.with(|api| {
            let answer = self.which.ask(api, "POST", "/enable")?;
            print(&self.which.id, answer, "is active", self.json)
        })
    }
}

impl RemoveArgs {
    pub(super) fn run(&self, flags: &ApiFlags) -> Result<Exit> {
        let id = &self.which.id;
        if !self.yes && !self.confirmed()? {
            writeln!(stderr(), "nothing is changed")?;
            return Ok(Exit::Failed);
        }
        flags.with(|api| {
            self.which.ask(api, "DELETE", "")?;
            writeln!(stdout(), "device {id} is removed: its session is closed, and it is unknown now")?;
            Ok(Exit::Done)
        })
    }

    fn confirmed(&self) -> Result<bool> {
        let id = &self.which.id;
        if !stdin().is_terminal() {
            return Err(
                Usage(format!("nobody is here to ask whether to remove device {id}: add --yes")).into()
            );
        }
        let mut err = stderr();
        write!(
            err,
            "Remove device {id} from the registry? Its name, labels and password go with it. [y/N] "
        )?;
        err.flush()?;
        let mut answer = String::new();
        stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }
}

impl Which {
    fn ask(&self, api: &Api, method: &'static str, action: &str) -> Result<Value> {
        let path = format!("/v1/devices/{}{action}", self.id);
        let answer = api.change(Ask::new(method, &path).if_revision(self.if_revision), None);
        answer.map_err(|err| check::with_hint(err, &self.id))
    }
}

fn print(id: &DeviceId, answer: Value, what: &str, json: bool) -> Result<Exit> {
    let mut out = stdout().lock();
    if json {
        writeln!(out, "{answer}")?;
    } else {
        let device: Device = serde_json::from_value(answer)?;
        writeln!(out, "device {id} {what} (revision {})", device.revision)?;
    }
    Ok(Exit::Done)
}
