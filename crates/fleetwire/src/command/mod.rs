//! `fleetwire command`: tell devices what to do, and see what becomes of it.

mod about;
mod follow;
mod list;
mod output;
mod raw;
mod send;
mod show;
mod types;

use anyhow::Result;
use clap::{Args, Subcommand};
use fleetwire_service::exit::Exit;

use crate::client::ApiFlags;

/// Every command has one fate, and these show it.
///
/// They talk to the HTTP API: that of --api, or of the `fleetwire run` on this machine. With --kafka and without --api
/// they do without one: the command is its own API for as long as it takes. A command gateway has to run in either case.
///
/// With --wait the exit code is 0 if the command was acknowledged or confirmed, 4 if it ended in another state, and 1 if
/// the wait was over first.
#[derive(Debug, Args)]
pub(crate) struct CommandArgs {
    #[command(subcommand)]
    command: CommandCommand,
    #[command(flatten)]
    api: ApiFlags,
}

#[derive(Debug, Subcommand)]
enum CommandCommand {
    /// Switch an output of a device: fleetwire command output IMEI 1 on --for 2s --wait
    Output(output::OutputArgs),
    /// Publish bytes to a device, on a topic that the gateways allow
    Raw(raw::RawArgs),
    /// List the newest commands
    List(list::ListArgs),
    /// Show a command with all that became of it
    Show(show::ShowArgs),
    /// Take back a command that has not been published yet
    Cancel(about::CancelArgs),
    /// Let a command go that waits for a second person
    Approve(about::ApproveArgs),
}

pub(crate) fn command(args: &CommandArgs) -> Result<Exit> {
    let api = &args.api;
    match &args.command {
        CommandCommand::Output(output) => output.run(api),
        CommandCommand::Raw(raw) => raw.run(api),
        CommandCommand::List(list) => list.run(api),
        CommandCommand::Show(show) => show.run(api),
        CommandCommand::Cancel(cancel) => cancel.run(api),
        CommandCommand::Approve(approve) => approve.run(api),
    }
}
