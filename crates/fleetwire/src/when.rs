//! Times on the command line: an instant, a day, or how long ago.

use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

/// Help of every flag that takes a time.
pub(crate) const FORMS: &str =
    "2026-11-24T08:30:00Z, 2026-11-24 08:30 (UTC), 2026-11-24 (its begin, UTC), or how long ago: 90s, 2h, 7d";

/// A time as a person gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Unix milliseconds.
    At(i64),
    /// So long before now.
    Ago(Duration),
}

impl When {
    /// Unix milliseconds, if it is `now_ms` now.
    pub(crate) fn unix_ms(self, now_ms: i64) -> i64 {
        match self {
            Self::At(ms) => ms,
            Self::Ago(ago) => now_ms.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)),
        }
    }
}

/// Reads one of [`FORMS`].
pub(crate) fn parse(text: &str) -> Result<When, String> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(When::At(at.as_millisecond()));
    }
    // A time without an offset parses as a day too, so it goes first.
    let civil = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from));
    if let Ok(civil) = civil {
        let zoned = civil.to_zoned(TimeZone::UTC).map_err(|err| err.to_string())?;
        return Ok(When::At(zoned.timestamp().as_millisecond()));
    }
    let ago = text.strip_suffix("ago").unwrap_or(text).trim();
    humantime::parse_duration(ago).map(When::Ago).map_err(|_| format!("a time is one of {FORMS}"))
}

/// Unix milliseconds as a time that [`parse`] reads, UTC.
pub(crate) fn rfc3339(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |time| time.to_string())
}

/// Unix milliseconds for people, to the second, UTC.
pub(crate) fn seconds(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(
        |_| "-".to_owned(),
        |time| {
            let time = time.round(Unit::Second).unwrap_or(time);
            time.strftime("%Y-%m-%d %H:%M:%S").to_string()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_days_and_times_ago_are_read() {
        let noon = 1_795_521_600_000;
        assert_eq!(parse("2026-11-24T12:00:00Z"), Ok(When::At(noon)));
        assert_eq!(parse("2026-11-24T14:00:00+02:00"), Ok(When::At(noon)));
        assert_eq!(parse("2026-11-24 12:00"), Ok(When::At(noon)));
        assert_eq!(parse("2026-11-24"), Ok(When::At(noon - 12 * 3_600_000)));
        assert_eq!(parse("2h"), Ok(When::Ago(Duration::from_hours(2))));
        assert_eq!(parse("7d ago").unwrap().unix_ms(noon), noon - 7 * 86_400_000);
        for text in ["yesterday", "", "2026-13-01", "12"] {
            assert!(parse(text).unwrap_err().contains("2h"), "{text}");
        }
    }

    #[test]
    fn a_time_that_is_printed_can_be_given_again() {
        for ms in [0, 1_795_521_600_123, -1] {
            assert_eq!(parse(&rfc3339(ms)), Ok(When::At(ms)));
        }
        assert_eq!(seconds(1_795_521_600_000), "2026-11-24 12:00:00");
    }
}
