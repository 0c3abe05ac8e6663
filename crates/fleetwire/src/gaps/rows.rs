//! The gap ledger for people: a table of gaps, and what is known of a device.

use std::time::Duration;

use comfy_table::{Table, presets};
use fleetwire_gaps::learned_interval_s;
use fleetwire_model::pb::{DeviceLedger, Gap, GapState, IntervalSource};
use fleetwire_model::time::to_unix_ms;
use jiff::Timestamp;

/// Whether the table names the devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Devices {
    Shown,
    Hidden,
}

/// Gaps as a table, and how many there are.
pub(super) fn table(gaps: &[Gap], devices: Devices, now_ms: i64) -> String {
    let mut table = Table::new();
    let columns = ["FROM (UTC)", "TO (UTC)", "LENGTH", "EXPECTED", "RECEIVED", "STATE", "JUDGED BY"];
    let device = |id: &str| Some(id.to_owned()).filter(|_| devices == Devices::Shown);
    let header = device("DEVICE").into_iter().chain(columns.map(str::to_owned));
    table.load_style(presets::NOTHING).set_header(header);
    for gap in gaps {
        table.add_row(device(&gap.device_id).into_iter().chain(cells(gap, now_ms)));
    }
    let missing = gaps.iter().filter(|gap| gap.state() != GapState::Closed).count();
    let count = gaps.len();
    format!("{table}\n{count} gaps, {missing} of them not closed")
}

/// What the ledger knows of a device.
pub(super) fn device(ledger: &DeviceLedger) -> String {
    let interval = |differences: &[u32]| match learned_interval_s(differences) {
        Some(seconds) => format!("a record every {}", length(i64::from(seconds) * 1000)),
        None => "not enough records yet".to_owned(),
    };
    let state = if ledger.parked { "parked" } else { "active" };
    format!(
        "device {}\n  judged since     {}\n  newest record    {} ({state}), received {}\n  learned, active  {}\n  \
         learned, parked  {}",
        ledger.device_id,
        instant(Some(ledger.since_ms)),
        instant(Some(ledger.last_ms)),
        instant(Some(ledger.received_ms)),
        interval(&ledger.active_differences_s),
        interval(&ledger.parked_differences_s),
    )
}

/// An instant as RFC 3339.
pub(super) fn iso(ms: i64) -> Option<String> {
    Timestamp::from_millisecond(ms).ok().map(|time| time.to_string())
}

fn cells(gap: &Gap, now_ms: i64) -> [String; 7] {
    let from = gap.from_time.as_ref().map(to_unix_ms);
    let to = gap.to_time.as_ref().map(to_unix_ms);
    let lasted = to.unwrap_or(now_ms).saturating_sub(from.unwrap_or(now_ms));
    let state = match gap.state() {
        GapState::Open => "open",
        GapState::Partly => "partly",
        GapState::Closed => "closed",
        GapState::Unspecified => "-",
    };
    let source = match gap.interval_source() {
        IntervalSource::Learned => "learned",
        IntervalSource::Configured | IntervalSource::Unspecified => "configured",
    };
    let parked = if gap.parked { ", parked" } else { "" };
    [
        instant(from),
        to.map_or_else(|| "still silent".to_owned(), |to| instant(Some(to))),
        length(lasted),
        gap.expected.to_string(),
        gap.received.to_string(),
        if gap.given_up { format!("{state}, given up") } else { state.to_owned() },
        format!("a record every {} ({source}{parked})", length(i64::from(gap.interval_s) * 1000)),
    ]
}

fn instant(ms: Option<i64>) -> String {
    ms.and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| "-".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn length(ms: i64) -> String {
    humantime::format_duration(Duration::from_secs(u64::try_from(ms / 1000).unwrap_or(0))).to_string()
}

#[cfg(test)]
mod tests {
    use fleetwire_model::time::from_unix_ms;

    use super::*;

    #[test]
    fn a_gap_is_a_row() {
        let gap = Gap {
            device_id: "867035046242895".into(),
            state: GapState::Partly.into(),
            from_time: Some(from_unix_ms(1_609_307_511_000)),
            to_time: Some(from_unix_ms(1_609_311_111_000)),
            expected: 59,
            received: 20,
            interval_s: 60,
            interval_source: IntervalSource::Learned.into(),
            ..Gap::default()
        };
        let text = table(std::slice::from_ref(&gap), Devices::Shown, 0);
        for part in
            ["867035046242895", "2020-12-30 05:51:51", "1h", "59", "20", "partly", "every 1m (learned)"]
        {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert!(text.ends_with("1 gaps, 1 of them not closed"));
        assert!(!table(&[gap], Devices::Hidden, 0).contains("867035046242895"));
    }
}
