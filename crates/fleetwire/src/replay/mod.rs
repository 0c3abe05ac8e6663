//! `fleetwire replay`: decode a range of the raw topic again, into topics, onto standard output, or to compare.

mod again;
mod filter;
mod progress;
mod range;
mod resume;
mod shadow;
mod sink;
mod tally;
mod today;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use fleetwire_service::clock;
use fleetwire_service::exit::Exit;

pub(crate) use again::Again;
pub(crate) use filter::Filter;
pub(crate) use progress::Progress;
pub(crate) use resume::place;
pub(crate) use sink::{Letters, Sink, Writer};
pub(crate) use tally::Tally;
pub(crate) use today::{Decoding, Today, resolve};

use crate::process::{self, Usage};
use crate::replay::resume::Resume;
use crate::target::TargetFlags;
use crate::when::{self, When};

/// Decodes stored publishes again, with this build, the registry of this moment and the configuration that is
/// given. It has no consumer group: the decoders and their offsets do not notice.
///
/// An event that is made again has the event_id that it had, so consumers can tell. Without an output flag
/// the events go into the live topics for positions and device events; that wants --yes, or a "yes" typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// Publishes received at this time or later: 2026-11-24T08:30:00Z, 2026-11-24 (UTC), or how long ago, 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    from: When,
    /// Publishes received before this time [default: now]
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    to: Option<When>,
    /// Only this device
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Only devices that have this model in the registry now
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Go on where an interrupted replay stopped: PARTITION:OFFSET with commas, as it printed them
    #[arg(long, value_name = "PLACES", value_parser = resume::parse)]
    resume: Option<Resume>,
    #[command(flatten)]
    output: OutputFlags,
    /// Dead letters are written too, not only counted
    #[arg(long, conflicts_with_all = ["to_stdout", "dry_run", "shadow"])]
    write_dead_letters: bool,
    /// With --shadow: how much later than others of its time an event may lie in its topic
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
    settle: Duration,
    /// With --shadow: events that may wait in memory for their counterpart
    #[arg(long, value_name = "N", default_value_t = 500_000)]
    max_waiting: usize,
    /// The summary as JSON; with --shadow one JSON object for each difference
    #[arg(long)]
    json: bool,
    /// Configuration file of the decoder or of `fleetwire run` [default: that of the `fleetwire run` on this machine]
    #[arg(long, short, value_name = "FILE", env = "FLEETWIRE_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    target: TargetFlags,
}

/// Where the events go.
#[expect(
    clippy::struct_excessive_bools,
    reason = "flags of a command line; clap lets only one of them be set"
)]
#[derive(Debug, Args)]
struct OutputFlags {
    /// Print everything, one JSON object a line; the summary goes to standard error
    #[arg(long, group = "output")]
    to_stdout: bool,
    /// Write positions and device events into this topic, which must exist
    #[arg(long, value_name = "TOPIC", group = "output")]
    to_topic: Option<String>,
    /// Decode and count only
    #[arg(long, group = "output")]
    dry_run: bool,
    /// Compare with what was produced at the time; exit code 0 if nothing differs, 1 if something does, 2 if it
    /// could not be compared
    #[arg(long, group = "output")]
    shadow: bool,
    /// Write into the live topics without a question
    #[arg(long, group = "output")]
    yes: bool,
}

const EXAMPLES: &str = "\
Examples:
  fleetwire replay --from 2h --dry-run                         what would come of the last two hours
  fleetwire replay --from 2026-11-24 --to 2026-11-25 --device 867035046242895 --to-stdout
  fleetwire replay --from 7d --shadow --config decoder.toml    would this build have decoded last week otherwise?
  fleetwire replay --from 6h --model xirgo-lx41 --yes          decode again into the live topics";

/// The range that is meant, as instants.
#[derive(Debug, Clone, Copy)]
struct Span {
    from_ms: i64,
    to_ms: i64,
}

pub(crate) fn replay(args: ReplayArgs) -> Result<Exit> {
    let shadow = args.output.shadow;
    let outcome = run(args);
    match outcome {
        // As with `diff`: 1 says that there are differences, so a failure has to be something else.
        Err(error) if shadow => match process::report(&error) {
            Exit::Done => Ok(Exit::Done),
            _ => Ok(Exit::Usage),
        },
        outcome => outcome,
    }
}

fn run(args: ReplayArgs) -> Result<Exit> {
    let now_ms = clock::unix_ms();
    let span =
        Span { from_ms: args.from.unix_ms(now_ms), to_ms: args.to.map_or(now_ms, |to| to.unix_ms(now_ms)) };
    if span.from_ms >= span.to_ms {
        let (from, to) = (when::rfc3339(span.from_ms), when::rfc3339(span.to_ms));
        return Err(Usage(format!("--from {from} is not before --to {to}")).into());
    }
    let (target, decoding) = today::resolve(args.config.as_deref(), &args.target)?;
    let filter = Filter::new(args.device.as_deref(), args.model.as_deref(), decoding.catalogue)?;
    if args.output.shadow {
        let job = shadow::Job {
            span,
            filter,
            settle: args.settle,
            max_waiting: args.max_waiting,
            resume: args.resume,
            json: args.json,
        };
        return process::interruptible(move |stop| shadow::run(&target, &decoding, &job, stop));
    }
    let output = range::Output::choose(&args, &target)?;
    let job = range::Job { span, filter, resume: args.resume, output, json: args.json };
    process::interruptible(move |stop| range::run(&target, &decoding, job, stop))
}
