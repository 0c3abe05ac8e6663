//! `fleetwire gaps`: the gap ledger as a service, and the tools that look into it.

mod rows;
mod show;

use anyhow::Result;
use clap::{Args, Subcommand};
use fleetwire_gaps::GapsSettings;
use fleetwire_service::admin::Admin;
use fleetwire_service::exit::Exit;

use crate::config::{self, GapsConfig, ServiceFlags};
use crate::parts::Parts;
use crate::process::{self, Usage};
use crate::service::start_process;

/// Notes for which times records of a device are missing, and closes such a gap when the records come late.
///
/// Without a subcommand this runs the ledger: it reads the positions, writes every change of a gap to the topic
/// gaps.v1, and keeps what it must remember in gap-state.v1. It is optional; nothing else needs it. Run as many as
/// there is work for: they share the partitions. `fleetwire run` keeps a ledger with `[gaps] enabled = true`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Look into it:
  fleetwire gaps show 867035046242895                what is missing of a device, and how it is judged
  fleetwire gaps list --open --since 24h             who misses something of the last day"
)]
pub(crate) struct GapsArgs {
    #[command(subcommand)]
    command: Option<GapsCommand>,
    #[command(flatten)]
    flags: ServiceFlags,
}

#[derive(Debug, Subcommand)]
enum GapsCommand {
    /// Show the gaps of one device, and the intervals that were learned of it
    Show(show::ShowArgs),
    /// List the gaps of all devices
    List(show::ListArgs),
}

pub(crate) fn gaps(args: &GapsArgs) -> Result<Exit> {
    match &args.command {
        None => serve(&args.flags),
        Some(GapsCommand::Show(show)) => show.run(),
        Some(GapsCommand::List(list)) => list.run(),
    }
}

/// Whether the settings of a ledger are usable.
pub(crate) fn check(settings: &GapsSettings) -> Result<()> {
    Ok(settings.check().map_err(|err| Usage(err.to_string()))?)
}

fn serve(flags: &ServiceFlags) -> Result<Exit> {
    let mut config: GapsConfig = config::load(flags.config.as_deref())?;
    flags.apply(&mut config.process, &mut config.kafka);
    check(&config.gaps)?;
    let (kafka, topics) = (config.kafka.client()?, config.kafka.topics()?);
    let telemetry = start_process(&config.process)?;
    process::block_on(async {
        let mut parts = Parts::new(&config.process, kafka, topics);
        parts.add_topic_check(&config.kafka);
        let admin = Admin::bind(config.process.admin, parts.health.clone(), telemetry).await?;
        parts.add_gaps(&config.gaps)?;
        parts.add_admin(admin);
        process::serve(parts.stages, config.process.grace).await
    })
}
