//! `fleetwire watch`: what flows through the topics, live.

mod rows;

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use fleetwire_kafka::reader::{From, Item, Reader};
use fleetwire_model::pb::{DeadLetter, DeviceEvent, PositionEvent, RawPublish};
use fleetwire_model::Topic;
use fleetwire_service::exit::Exit;
use fleetwire_service::stages::interrupted;
use prost::{Message, Name};
use tokio_util::sync::CancellationToken;

use crate::json::Json;
use crate::process;
use crate::target::TargetFlags;
use crate::watch::rows::Rows;

/// Prints a line for each record as it comes, until Ctrl-C.
///
/// Without --kafka it watches the `fleetwire run` of this machine.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// What to watch
    #[arg(default_value = "positions")]
    what: What,
    /// One JSON object per line, with the field names of the .proto files
    #[arg(long)]
    json: bool,
    /// Begin with the oldest record that is kept, not with the next one
    #[arg(long)]
    from_beginning: bool,
    /// Only this device
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// End after this many records
    #[arg(long, short = 'n', value_name = "N")]
    count: Option<u64>,
    /// End with exit code 1 if nothing more comes for this long, for example 30s
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    idle_timeout: Option<Duration>,
    #[command(flatten)]
    target: TargetFlags,
}

/// What can be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Decoded positions
    Positions,
    /// Publishes as devices sent them
    Raw,
    /// Publishes of devices that nobody activated
    Held,
    /// Events by the device's own codes
    Events,
    /// What could not be decoded, and why
    DeadLetters,
}

impl What {
    const fn topic(self) -> Topic {
        match self {
            Self::Positions => Topic::Positions,
            Self::Raw => Topic::Raw,
            Self::Held => Topic::Held,
            Self::Events => Topic::DeviceEvents,
            Self::DeadLetters => Topic::DeadLetters,
        }
    }
}

pub(crate) fn watch(args: &WatchArgs) -> Result<Exit> {
    let target = args.target.resolve()?;
    let topic = target.topics.name(args.what.topic());
    let from = if args.from_beginning { From::Beginning } else { From::End };
    process::block_on(async {
        let stop = CancellationToken::new();
        let reading = tokio::task::spawn_blocking({
            let (stop, client, printer) = (stop.clone(), target.client.clone(), Printer::new(args)?);
            let idle = args.idle_timeout;
            move || read(&Reader::open(&client, &topic, from)?, printer, idle, &stop)
        });
        tokio::select! {
            done = reading => done.context("the reader panicked")?,
            () = interrupted() => {
                stop.cancel();
                Ok(Exit::Done)
            }
        }
    })
}
