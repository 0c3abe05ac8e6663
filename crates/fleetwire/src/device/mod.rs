//! `fleetwire device`: let devices in, look at them, lock them out.

mod add;
mod batches;
mod change;
mod check;
mod export;
mod files;
mod held;
mod import;
mod list;
mod password;
mod setup;
mod show;
mod state;

pub(crate) use check::with_hint;

use anyhow::Result;
use clap::{Args, Subcommand};
use fleetwire_service::exit::Exit;

use crate::client::ApiFlags;
use crate::model;

/// A device gets in only when a person activated it.
///
/// These commands talk to the HTTP API: that of --api, or of the `fleetwire run` on this machine. With --kafka and
/// without --api they do without one: the command is its own API for as long as it takes.
#[derive(Debug, Args)]
pub(crate) struct DeviceArgs {
    #[command(subcommand)]
    command: DeviceCommand,
    #[command(flatten)]
    api: ApiFlags,
}

#[derive(Debug, Subcommand)]
enum DeviceCommand {
    /// Activate a device by its IMEI; one that is registered gets the model and is active again
    Add(add::AddArgs),
    /// List the registered devices
    List(list::ListArgs),
    /// Show what is registered of a device
    Show(show::ShowArgs),
    /// Lock a device out: its session is closed, and its next CONNECT refused
    Disable(change::DisableArgs),
    /// Let a disabled device in again
    Enable(change::EnableArgs),
    /// Remove a device from the registry; what it published stays
    Remove(change::RemoveArgs),
    /// Register many devices from a file
    Import(import::ImportArgs),
    /// Write all registered devices into a file
    Export(export::ExportArgs),
    /// Tell what to type into the device's own configuration
    Setup(setup::SetupArgs),
    /// List who is knocking: devices with valid credentials that nobody activated
    Held(held::HeldArgs),
    /// Show whether a device is connected, and what it last reported
    State(state::StateArgs),
    /// The same as `fleetwire model list`
    #[command(hide = true)]
    Models(model::ListArgs),
}

pub(crate) fn device(args: &DeviceArgs) -> Result<Exit> {
    let api = &args.api;
    match &args.command {
        DeviceCommand::Add(add) => add.run(api),
        DeviceCommand::List(list) => list.run(api),
        DeviceCommand::Show(show) => show.run(api),
        DeviceCommand::Disable(disable) => disable.run(api),
        DeviceCommand::Enable(enable) => enable.run(api),
        DeviceCommand::Remove(remove) => remove.run(api),
        DeviceCommand::Import(import) => import.run(api),
        DeviceCommand::Export(export) => export.run(api),
        DeviceCommand::Setup(setup) => setup.run(api),
        DeviceCommand::Held(held) => held.run(api),
        DeviceCommand::State(state) => state.run(api),
        DeviceCommand::Models(list) => list.run(api),
    }
}
