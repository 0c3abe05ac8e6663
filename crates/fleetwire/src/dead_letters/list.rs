//! `fleetwire dead-letters list`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::{BufWriter, Write as _};
use std::ops::ControlFlow;

use anyhow::Result;
use comfy_table::{Table, presets};
use fleetwire_service::exit::Exit;
use tokio_util::sync::CancellationToken;

use crate::dead_letters::ListArgs;
use crate::dead_letters::letters::{self, Found};
use crate::json::Json;
use crate::target::Target;
use crate::watch::printable;
use crate::when;

/// Found letters in the order of their times.
#[derive(Debug)]
struct Timed(Found);

impl Timed {
    fn rank(&self) -> (i64, i32, i64) {
        (self.0.time_ms, self.0.partition, self.0.offset)
    }
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Timed {}

impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

pub(super) fn run(target: &Target, args: &ListArgs, stop: &CancellationToken) -> Result<Exit> {
    let mut newest = BinaryHeap::new();
    let mut codes: BTreeMap<String, u64> = BTreeMap::new();
    let finished = letters::each(target, &args.filters, stop, |found, _| {
        *codes.entry(found.letter.code.clone()).or_default() += 1;
        newest.push(Reverse(Timed(found)));
        if newest.len() > args.limit {
            // The oldest of them.
            newest.pop();
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let mut shown: Vec<Found> = newest.into_iter().map(|Reverse(Timed(found))| found).collect();
    shown.sort_by_key(|found| (found.time_ms, found.partition, found.offset));
    if args.json {
        json(&shown)?;
    } else {
        table(&shown, &codes, &args.filters.nothing());
    }
    Ok(if finished { Exit::Done } else { Exit::NotDrained })
}

fn json(shown: &[Found]) -> Result<()> {
    let writer = Json::new()?;
    let mut out = BufWriter::new(std::io::stdout());
    for found in shown {
        let Found { partition, offset, time_ms, letter, .. } = found;
        let (time, letter) = (when::rfc3339(*time_ms), writer.line(letter)?);
        writeln!(
            out,
            "{{\"partition\":{partition},\"offset\":{offset},\"time\":\"{time}\",\"dead_letter\":{letter}}}"
        )?;
    }
    out.flush()?;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer of the command")]
fn table(shown: &[Found], codes: &BTreeMap<String, u64>, nothing: &str) {
    let all: u64 = codes.values().sum();
    if all == 0 {
        println!("{nothing}");
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header([
        "TIME (UTC)",
        "PLACE",
        "DEVICE",
        "MODEL",
        "PROTOCOL",
        "CODE",
        "REASON",
    ]);
    for found in shown {
        let letter = &found.letter;
        table.add_row([
            when::seconds(found.time_ms),
            found.place(),
            printable(found.device()),
            letter.model.clone(),
            letter.protocol.clone(),
            letter.code.clone(),
            printable(&letter.reason),
        ]);
    }
    println!("{table}\n");
    for (code, count) in codes {
        println!("{code:<20} {count}");
    }
    let shown = u64::try_from(shown.len()).unwrap_or(u64::MAX);
    if shown < all {
        println!("{all} dead letters, of which the newest {shown} are shown; --limit shows more");
    } else {
        println!("{all} dead letters");
    }
}
