//! `fleetwire dead-letters`: what could not be decoded: look at it, and decode it again after a fix.

mod advice;
mod hexdump;
mod letters;
mod list;
mod replay;
mod show;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use fleetwire_service::exit::Exit;

use crate::process;
use crate::target::TargetFlags;
use crate::when::{self, When};

/// What could not be decoded stays in the dead letters topic, with its bytes and the reason, for 30 days. Look at
/// it, mend the cause (a registration, a setting, a newer build), and send it through the decoder again.
#[derive(Debug, Args)]
pub(crate) struct DeadLettersArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    target: TargetFlags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List dead letters, the newest last, and their sum by code
    List(ListArgs),
    /// Show everything of one: its bytes, where decoding stopped, what to do
    Show(ShowArgs),
    /// Decode their publishes again and write the events; see the long help
    Replay(ReplayArgs),
}

/// Which dead letters; all if nothing is given.
#[derive(Debug, Clone, Args)]
struct Filters {
    /// Only of this device, or of this client id
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Rejected at this time or later: 2026-11-24T08:30:00Z, 2026-11-24 (UTC), or how long ago, 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    from: Option<When>,
    /// Rejected before this time
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    to: Option<When>,
    /// Only with this code, for example checksum
    #[arg(long, value_name = "WORD")]
    code: Option<String>,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    filters: Filters,
    /// At most this many, the newest; the sum is over all
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// One JSON object a line: partition, offset, time and the dead letter as in its .proto file
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Its place in the dead letters topic, as `list` shows it
    #[arg(value_name = "PARTITION:OFFSET", value_parser = crate::replay::place)]
    place: (i32, i64),
    /// As JSON, with the field names of the .proto files
    #[arg(long)]
    json: bool,
}

/// Decodes the publishes of dead letters again, with this build, the registry of this moment and the configuration
/// that is given, and writes what comes of them into the live topics for positions and device events.
///
/// The events have the event_id that the decoder would have given them at the time, however often this is
/// repeated. A publish of which some records could be decoded at the time yields those events once more, with
/// the event_id that they have. Dead letters stay in their topic, also those that could be decoded now.
#[derive(Debug, Args)]
struct ReplayArgs {
    #[command(flatten)]
    filters: Filters,
    /// Decode and count only
    #[arg(long)]
    dry_run: bool,
    /// What still cannot be decoded is written to the dead letters once more, with today's reason
    #[arg(long, conflicts_with = "dry_run")]
    write_dead_letters: bool,
    /// The summary as JSON
    #[arg(long)]
    json: bool,
    /// Configuration file of the decoder or of `fleetwire run` [default: that of the `fleetwire run` on this machine]
    #[arg(long, short, value_name = "FILE", env = "FLEETWIRE_CONFIG")]
    config: Option<PathBuf>,
}

pub(crate) fn dead_letters(args: DeadLettersArgs) -> Result<Exit> {
    let DeadLettersArgs { command, target } = args;
    match command {
        Command::List(list) => {
            let target = target.resolve()?;
            process::interruptible(move |stop| list::run(&target, &list, stop))
        }
        Command::Show(show) => {
            let target = target.resolve()?;
            process::interruptible(move |stop| show::run(&target, &show, stop))
        }
        Command::Replay(replay) => {
            let (target, decoding) = crate::replay::resolve(replay.config.as_deref(), &target)?;
            process::interruptible(move |stop| replay::run(&target, &decoding, &replay, stop))
        }
    }
}
