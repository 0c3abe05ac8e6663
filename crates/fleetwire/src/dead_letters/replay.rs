//! `fleetwire dead-letters replay`.

use std::collections::HashSet;
use std::ops::ControlFlow;

use anyhow::{Result, bail};
use fleetwire_decoder::interpret::RawRecord;
use fleetwire_model::pb::RawRef;
use fleetwire_service::exit::Exit;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::dead_letters::ReplayArgs;
use crate::dead_letters::letters::{self, Found};
use crate::replay::{Again, Decoding, Filter, Letters, Progress, Sink, Tally, Today, Writer};
use crate::target::Target;

/// A publish may have several dead letters, and is replayed once: so many are remembered.
const MAX_PUBLISHES: usize = 2_000_000;

/// What was done.
#[derive(Debug, Default, Serialize)]
struct Summary {
    /// Dead letters that the filters wanted.
    letters: u64,
    /// Those of a publish that had been replayed for another letter.
    repeated: u64,
    /// Those that do not say where their publish lies.
    without_raw_record: u64,
    #[serde(flatten)]
    tally: Tally,
}

pub(super) fn run(
    target: &Target,
    decoding: &Decoding,
    args: &ReplayArgs,
    stop: &CancellationToken,
) -> Result<Exit> {
    let today = Today::new(target, decoding)?;
    let letters = if args.write_dead_letters { Letters::Written } else { Letters::Counted };
    let sink = if args.dry_run { Sink::Nothing } else { Sink::Kafka(Writer::new(target, None, letters)?) };
    let mut again = Again::new(today, Filter::everything(), sink);
    let (mut summary, mut progress, mut seen) = (Summary::default(), Progress::new(), HashSet::new());
    let finished = letters::each(target, &args.filters, stop, |found, at| {
        progress.show(again.tally.records, || at);
        summary.letters += 1;
        let Some(place) = &found.letter.raw_ref else {
            summary.without_raw_record += 1;
            return Ok(ControlFlow::Continue(()));
        };
        if seen.len() >= MAX_PUBLISHES {
            bail!("more than {MAX_PUBLISHES} publishes at once; take them apart with --from and --to");
        }
        if seen.insert((place.topic.clone(), place.partition, place.offset)) {
            decode(&found, place, &mut again)?;
        } else {
            summary.repeated += 1;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    summary.tally = again.finish()?;
    progress.clear();
    print(&summary, args)?;
    Ok(if finished { Exit::Done } else { Exit::NotDrained })
}

/// Decodes the publish of a dead letter as if it came from the raw topic now.
fn decode(found: &Found, place: &RawRef, again: &mut Again) -> Result<()> {
    let value = found.letter.raw.as_ref().map(prost::Message::encode_to_vec);
    again.one(RawRecord {
        topic: &place.topic,
        partition: place.partition,
        offset: place.offset,
        key: &found.key,
        value: value.as_deref().unwrap_or(&found.letter.raw_value),
    })
}

#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn print(summary: &Summary, args: &ReplayArgs) -> Result<()> {
    if args.json {
        println!("{}", serde_json::to_string(summary)?);
        return Ok(());
    }
    let Summary { letters, repeated, without_raw_record, tally } = summary;
    if *letters == 0 {
        println!("{}", args.filters.nothing());
        return Ok(());
    }
    println!("{letters} dead letters, {repeated} of them of a publish that had another one");
    if *without_raw_record > 0 {
        println!("{without_raw_record} do not say which raw record they are of, and were left out");
    }
    println!("{tally}");
    if args.dry_run {
        println!("nothing was written");
    } else {
        println!("{} records are written", tally.written);
    }
    Ok(())
}
