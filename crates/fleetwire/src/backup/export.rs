//! `fleetwire export`.

use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use fleetwire_kafka::{Message, Range, RangeEvent, RangeReader};
use fleetwire_service::exit::Exit;
use fleetwire_service::{build, clock};
use tokio_util::sync::CancellationToken;

use super::Kept;
use super::file::{Stored, Writer};
use crate::process;
use crate::replay::Progress;
use crate::target::{Target, TargetFlags};
use crate::when;
use crate::whole;

/// How long one wait for a record takes before the stop is looked at.
const WAIT: Duration = Duration::from_millis(100);

/// Writes topics that hold what nobody can send again into one file: the registry of devices and the audit trail. It
/// is made while everything runs; each topic is taken as it is when its turn comes. `fleetwire import` takes it back.
/// The hashes of passwords that devices have of their own are in it: keep it as you keep secrets.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    /// The file, or - for standard output
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// What to write; may be repeated
    #[arg(long = "topic", value_name = "TOPIC", default_values = ["devices", "audit"])]
    topics: Vec<Kept>,
    #[command(flatten)]
    target: TargetFlags,
}

const EXAMPLES: &str = "\
Examples:
  fleetwire export --kafka kafka:9092 -o fleet.jsonl
  fleetwire export --kafka kafka:9092 | zstd > fleet.jsonl.zst
  fleetwire export --topic devices --topic device-state -o fleet.jsonl";

pub(crate) fn export(args: ExportArgs) -> Result<Exit> {
    process::interruptible(move |stop| args.run(stop))
}

impl ExportArgs {
    fn run(&self, stop: &CancellationToken) -> Result<Exit> {
        let target = self.target.resolve()?;
        let mut topics = self.topics.clone();
        topics.sort_unstable();
        topics.dedup();
        let records = if self.output == Path::new("-") {
            fill(stdout().lock(), &target, &topics, stop)?
        } else {
            let written = whole::write(&self.output, |file| fill(file, &target, &topics, stop));
            written.with_context(|| format!("{} was not written", self.output.display()))?
        };
        writeln!(stderr(), "{records} records of {} are written", target.topics)?;
        Ok(Exit::Done)
    }
}

/// Writes the whole backup; fails if it is stopped, so that no part is taken for the whole.
fn fill(out: impl Write, target: &Target, topics: &[Kept], stop: &CancellationToken) -> Result<u64> {
    let made = when::rfc3339(clock::unix_ms());
    let mut writer = Writer::new(out, build::version(), &made, target.topics.prefix(), topics)?;
    let (mut progress, mut records) = (Progress::new(), 0);
    for &kept in topics {
        let name = target.topics.name(kept.topic());
        let reader = RangeReader::decided(&target.client, &name, Range::default(), stop)?;
        loop {
            anyhow::ensure!(!stop.is_cancelled(), "stopped");
            match reader.next(WAIT)? {
                RangeEvent::Record(message) => {
                    records += 1;
                    writer.record(&stored(kept, &message))?;
                }
                RangeEvent::Idle => {}
                RangeEvent::End => break,
            }
            progress.show(records, || reader.progress());
        }
    }
    progress.clear();
    writer.finish()
}

fn stored(topic: Kept, message: &Message<'_>) -> Stored {
    let headers = message.headers().filter_map(|(name, value)| Some((name.to_owned(), value?.to_vec())));
    Stored {
        topic,
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        time_ms: message.timestamp_ms(),
        headers: headers.collect(),
    }
}
