//! `fleetwire gaps show` and `fleetwire gaps list`.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use fleetwire_gaps::learned_interval_s;
use fleetwire_gaps::read::Source;
use fleetwire_model::DeviceId;
use fleetwire_model::pb::{DeviceLedger, Gap, GapState};
use fleetwire_model::time::to_unix_ms;
use fleetwire_service::clock;
use fleetwire_service::exit::Exit;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::rows;
use crate::json::Json;
use crate::target::{Target, TargetFlags};

/// How long nothing may come from Kafka.
const PATIENCE: Duration = Duration::from_secs(15);

/// Shows what is missing of a device: from when to when, how many records were expected and how many have come
/// since, and by which interval that is judged. Times are the device's own.
///
/// Without --kafka this asks the `fleetwire run` of this machine.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// IMEI, or another device id
    #[arg(value_name = "IMEI")]
    device: DeviceId,
    /// Only gaps that end after this time, for example 2026-11-24 or 2026-11-24T18:00:00Z (UTC)
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<i64>,
    /// Only gaps that begin before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<i64>,
    /// One JSON object: the device, its intervals, and its gaps with the field names of gap.proto
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetFlags,
}

/// Lists the gaps of all devices, by device and time. It reads the whole gap topic, which keeps 30 days.
///
/// Without --kafka this asks the `fleetwire run` of this machine.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only gaps of which something is still missing
    #[arg(long)]
    open: bool,
    /// Only gaps that reach into this time before now, for example 24h
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    since: Option<Duration>,
    /// One JSON object per line, with the field names of gap.proto
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: TargetFlags,
}

impl ShowArgs {
    #[expect(clippy::print_stdout, reason = "the answer of the command")]
    pub(super) fn run(&self) -> Result<Exit> {
        let target = self.target.resolve()?;
        let source = source(&target);
        let ledger = source.device(self.device.as_str())?;
        let mut gaps = source.gaps(Some(self.device.as_str()))?;
        gaps.retain(|gap| touches(gap, self.from, self.to));
        if self.json {
            println!("{}", self.as_json(ledger.as_ref(), &gaps)?);
            return Ok(Exit::Done);
        }
        match &ledger {
            Some(ledger) => println!("{}\n", rows::device(ledger)),
            None => println!(
                "the ledger does not remember {}: nothing of it came since the ledger runs, or it was silent for too \
                 long\n",
                self.device
            ),
        }
        println!("{}", rows::table(&gaps, rows::Devices::Hidden, clock::unix_ms()));
        Ok(Exit::Done)
    }

    fn as_json(&self, ledger: Option<&DeviceLedger>, gaps: &[Gap]) -> Result<Value> {
        let writer = Json::new()?;
        let gaps: Vec<Value> =
            gaps.iter().map(|gap| Ok(serde_json::from_str(&writer.line(gap)?)?)).collect::<Result<_>>()?;
        let known = ledger.map(|ledger| {
            json!({
                "since": rows::iso(ledger.since_ms),
                "last": rows::iso(ledger.last_ms),
                "received": rows::iso(ledger.received_ms),
                "parked": ledger.parked,
                "learned_active_interval_s": learned_interval_s(&ledger.active_differences_s),
                "learned_parked_interval_s": learned_interval_s(&ledger.parked_differences_s),
            })
        });
        Ok(json!({ "device_id": self.device.as_str(), "ledger": known, "gaps": gaps }))
    }
}

impl ListArgs {
    #[expect(clippy::print_stdout, reason = "the answer of the command")]
    pub(super) fn run(&self) -> Result<Exit> {
        let target = self.target.resolve()?;
        let mut gaps = source(&target).gaps(None)?;
        let now_ms = clock::unix_ms();
        let from = self
            .since
            .map(|since| now_ms.saturating_sub(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)));
        gaps.retain(|gap| touches(gap, from, None) && !(self.open && gap.state() == GapState::Closed));
        if self.json {
            let writer = Json::new()?;
            for gap in &gaps {
                println!("{}", writer.line(gap)?);
            }
        } else {
            println!("{}", rows::table(&gaps, rows::Devices::Shown, now_ms));
        }
        Ok(Exit::Done)
    }
}

fn source(target: &Target) -> Source<'_> {
    Source { client: &target.client, topics: &target.topics, limit: PATIENCE }
}

/// Whether any of a gap lies within the times, Unix milliseconds.
fn touches(gap: &Gap, from: Option<i64>, to: Option<i64>) -> bool {
    let begins = gap.from_time.as_ref().map_or(i64::MIN, to_unix_ms);
    let ends = gap.to_time.as_ref().map_or(i64::MAX, to_unix_ms);
    from.is_none_or(|from| ends >= from) && to.is_none_or(|to| begins <= to)
}

/// A time for people, or a date, which begins at midnight, UTC.
fn time(text: &str) -> Result<i64, String> {
    let whole = text.parse::<Timestamp>().map(Timestamp::as_millisecond);
    let date = || {
        let date = text.parse::<jiff::civil::Date>()?;
        Ok(date.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp().as_millisecond())
    };
    whole.or_else(|_: jiff::Error| date()).map_err(|err: jiff::Error| {
        format!("{err}; use a date such as 2026-11-24 or a time such as 2026-11-24T18:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    use fleetwire_model::time::from_unix_ms;

    use super::*;

    #[test]
    fn a_time_is_a_date_or_an_instant() {
        assert_eq!(time("1970-01-02"), Ok(86_400_000));
        assert_eq!(time("1970-01-01T00:00:01Z"), Ok(1000));
        assert_eq!(time("1970-01-01T01:00:01+01:00"), Ok(1000));
        assert!(time("yesterday").unwrap_err().contains("2026-11-24"));
    }

    #[test]
    fn a_gap_that_is_not_over_reaches_into_any_later_time() {
        let gap = Gap { from_time: Some(from_unix_ms(1000)), ..Gap::default() };
        assert!(touches(&gap, Some(5000), None));
        assert!(!touches(&gap, None, Some(500)));
        let gap = Gap { to_time: Some(from_unix_ms(2000)), ..gap };
        assert!(!touches(&gap, Some(5000), None));
    }
}
