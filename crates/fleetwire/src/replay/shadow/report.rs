//! The differences: each as a line of JSON, or summed by device and field in bounded memory.

use std::collections::BTreeMap;
use std::io::{BufWriter, Stdout, Write as _};

use anyhow::Result;
use comfy_table::{Table, presets};
use serde::Serialize;

use crate::replay::shadow::diff::Change;
use crate::replay::shadow::side::Side;
use crate::replay::today::Kind;

/// Devices and fields that are told apart; what comes beyond is summed.
const MAX_GROUPS: usize = 100_000;
/// Rows of the table.
const MAX_ROWS: usize = 60;
/// Longest value in the table.
const MAX_VALUE: usize = 40;

/// Counts of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Raw records decoded.
    pub(super) records: u64,
    /// Events and dead letters that both sides have.
    pub(super) compared: u64,
    /// Those in which nothing differs.
    pub(super) same: u64,
    pub(super) changed: u64,
    pub(super) added: u64,
    pub(super) removed: u64,
    /// Made by this build; whatever was produced at the time has been removed by retention.
    pub(super) gone: u64,
    /// Made by this build; the decoders of the time had not come that far.
    pub(super) undecoded: u64,
    /// Produced more than once.
    pub(super) repeats: u64,
    /// Those that differ from the first one.
    pub(super) repeats_differ: u64,
    /// Produced so late that they could not be compared.
    pub(super) late: u64,
    /// Produced of the range, and the raw record is not there any more.
    pub(super) orphans: u64,
}

impl Counts {
    pub(super) fn differ(&self) -> bool {
        self.changed + self.added + self.removed > 0
    }
}

/// What kind of difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    Changed,
    Added,
    Removed,
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// One difference as a line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    device_id: &'a str,
    /// "position", "device_event" or "dead_letter".
    kind: &'a str,
    difference: What,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    old: Option<&'a str>,
    new: Option<&'a str>,
    /// Of a dead letter, the code.
    event_id: &'a str,
    raw_partition: i32,
    raw_offset: i64,
    /// Absent for a dead letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    record_index: Option<u32>,
}

/// What differences are summed by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    device: String,
    kind: &'static str,
    what: What,
    field: String,
}

#[derive(Debug)]
struct Sum {
    count: u64,
    old: String,
    new: String,
    example: String,
}

/// Collects differences.
#[derive(Debug)]
pub(super) struct Report {
    lines: Option<BufWriter<Stdout>>,
    groups: BTreeMap<Group, Sum>,
    /// Differences of devices and fields that found no room.
    beyond: u64,
}

impl Report {
    /// A report that prints each difference as JSON, or one that sums them.
    pub(super) fn new(json: bool) -> Self {
        let lines = json.then(|| BufWriter::new(std::io::stdout()));
        Self { lines, groups: BTreeMap::new(), beyond: 0 }
    }

    /// One field of an event that both sides have.
    pub(super) fn changed(&mut self, new: &Side, change: &Change) -> Result<()> {
        let Change { field, old, new: now } = change;
        self.add(new, What::Changed, Some(field), (old.as_deref(), now.as_deref()))
    }

    /// An event or a dead letter that one side has.
    pub(super) fn only(&mut self, side: &Side, what: What) -> Result<()> {
        self.add(side, what, None, (None, None))
    }

    fn add(
        &mut self,
        side: &Side,
        what: What,
        field: Option<&str>,
        (old, new): (Option<&str>, Option<&str>),
    ) -> Result<()> {
        let kind = side.kind.name();
        if let Some(out) = &mut self.lines {
            let index = (side.kind != Kind::DeadLetter).then_some(side.place.index);
            let line = Line {
                device_id: &side.device,
                kind,
                difference: what,
                field,
                old,
                new,
                event_id: &side.id,
                raw_partition: side.place.partition,
                raw_offset: side.place.offset,
                record_index: index,
            };
            serde_json::to_writer(&mut *out, &line)?;
            writeln!(out)?;
            return Ok(());
        }
        let field = field.unwrap_or_default().to_owned();
        let group = Group { device: side.device.clone(), kind, what, field };
        if let Some(sum) = self.groups.get_mut(&group) {
            sum.count += 1;
        } else if self.groups.len() < MAX_GROUPS {
            let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
            let example = format!("{} ({}:{})", side.id, side.place.partition, side.place.offset);
            self.groups.insert(group, Sum { count: 1, old: text(old), new: text(new), example });
        } else {
            self.beyond += 1;
        }
        Ok(())
    }

    /// Prints what is left to print.
    #[expect(clippy::print_stdout, reason = "the answer of the command")]
    pub(super) fn finish(self) -> Result<()> {
        if let Some(mut out) = self.lines {
            out.flush()?;
            return Ok(());
        }
        if self.groups.is_empty() {
            return Ok(());
        }
        let mut fields: BTreeMap<(&str, What, &str), (u64, u64)> = BTreeMap::new();
        for (group, sum) in &self.groups {
            let (devices, count) = fields.entry((group.kind, group.what, &group.field)).or_default();
            *devices += 1;
            *count += sum.count;
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["WHAT", "DIFFERENCE", "FIELD", "DEVICES", "COUNT"]);
        for ((kind, what, field), (devices, count)) in fields {
            table.add_row([kind, what.name(), field, &devices.to_string(), &count.to_string()]);
        }
        println!("{table}\n");
        let mut rows: Vec<_> = self.groups.iter().collect();
        rows.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.count));
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "DEVICE",
            "WHAT",
            "DIFFERENCE",
            "FIELD",
            "COUNT",
            "OLD",
            "NEW",
            "EXAMPLE",
        ]);
        for (group, sum) in rows.iter().take(MAX_ROWS) {
            table.add_row([
                crate::watch::printable(&group.device).as_str(),
                group.kind,
                group.what.name(),
                &group.field,
                &sum.count.to_string(),
                &short(&sum.old),
                &short(&sum.new),
                &sum.example,
            ]);
        }
        println!("{table}");
        if rows.len() > MAX_ROWS {
            println!("{} more devices and fields; --json has every difference", rows.len() - MAX_ROWS);
        }
        if self.beyond > 0 {
            println!("{} differences of yet other devices and fields", self.beyond);
        }
        println!();
        Ok(())
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= MAX_VALUE {
        return text.to_owned();
    }
    text.chars().take(MAX_VALUE).chain("...".chars()).collect()
}
