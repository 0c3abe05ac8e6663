//! `fleetwire import`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Write as _, stderr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use fleetwire_kafka::{Range, RangeReader, Record};
use fleetwire_service::exit::Exit;
use tokio_util::sync::CancellationToken;

use super::Kept;
use super::file::{self, Head};
use crate::process::{self, Usage};
use crate::target::{Target, TargetFlags};
use crate::writer::Writer;

/// What to do when only some were written.
const AGAIN: &str = "Give the same command again with --into-filled: what is written twice is the same";

/// Takes a file of `fleetwire export` back, into topics that hold nothing yet: after a disaster, or into a new cluster.
/// The file is looked through as a whole before anything is written. Make the topics first (`fleetwire topics apply`),
/// and start the services afterwards. Prefix and number of partitions may be others than they were.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Look through the file and at the topics, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write into topics that hold records already: what the file has of a device replaces what is there. No API may
    /// run meanwhile, which would judge changes by what it has read before
    #[arg(long)]
    into_filled: bool,
    #[command(flatten)]
    target: TargetFlags,
}

const EXAMPLES: &str = "\
Examples:
  fleetwire topics apply --kafka new-kafka:9092
  fleetwire import --kafka new-kafka:9092 --dry-run fleet.jsonl
  fleetwire import --kafka new-kafka:9092 fleet.jsonl";

pub(crate) fn import(args: ImportArgs) -> Result<Exit> {
    process::interruptible(move |stop| args.run(stop))
}

impl ImportArgs {
    fn run(&self, stop: &CancellationToken) -> Result<Exit> {
        let target = self.target.resolve()?;
        let mut topics = BTreeSet::new();
        let (head, records) = self.read(|stored| {
            topics.insert(stored.topic);
            ensure!(!stop.is_cancelled(), "stopped");
            Ok(())
        })?;
        for &topic in &topics {
            self.look(&target, topic, stop)?;
        }
        let Head { made, topic_prefix, build, .. } = &head;
        if self.dry_run {
            writeln!(
                stderr(),
                "{records} records of {topic_prefix}.*, made {made} by fleetwire {build}, can go into {}; nothing was \
                 written",
                target.topics
            )?;
            return Ok(Exit::Done);
        }
        let writer = Writer::new(&target.client, AGAIN)?;
        self.read(|stored| {
            ensure!(!stop.is_cancelled(), "stopped in the middle. {AGAIN}");
            let headers: Vec<(&str, &[u8])> =
                stored.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            writer.put(Record {
                topic: &target.topics.name(stored.topic.topic()),
                key: stored.key.as_deref(),
                payload: stored.value.as_deref(),
                timestamp_ms: stored.time_ms,
                headers: &headers,
            })
        })?;
        let written = writer.finish()?;
        writeln!(stderr(), "{written} records of {topic_prefix}.*, made {made}, are in {}", target.topics)?;
        Ok(Exit::Done)
    }

    fn read(&self, each: impl FnMut(file::Stored) -> Result<()>) -> Result<(Head, u64)> {
        let path = self.file.display();
        if self.file == Path::new("-") {
            return Err(
                Usage("import reads its file twice, so it cannot come by standard input".into()).into()
            );
        }
        let file = File::open(&self.file).with_context(|| path.to_string())?;
        file::read(BufReader::new(file), each).with_context(|| path.to_string())
    }

    /// Fails if a topic is not there, or holds what an import would mix with.
    fn look(&self, target: &Target, topic: Kept, stop: &CancellationToken) -> Result<()> {
        let name = target.topics.name(topic.topic());
        let reader = RangeReader::decided(&target.client, &name, Range::default(), stop)
            .with_context(|| format!("{name} (make the topics first: fleetwire topics apply)"))?;
        let is_filled = reader.stretches().values().any(|stretch| stretch.end > stretch.kept_from);
        ensure!(
            self.into_filled || !is_filled,
            "{name} holds records, and nothing was written: import into new topics, or say --into-filled if what the \
             file has is to replace what is there"
        );
        Ok(())
    }
}
