//! Times in payloads, to Unix milliseconds. No clock of this machine is asked.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::{Offset, TimeZone};

use super::settings::{Time, TimeFormat};
use super::value;
use crate::json::Scalar;

/// A number from here on is milliseconds where the format does not say: as seconds it is the year 5138, as
/// milliseconds 1973.
const LEAST_MS: f64 = 1e11;
/// The end of the year 9999, which is the last that the contract's timestamp has.
const LAST_MS: i64 = 253_402_300_799_999;

/// How the times of one field are read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Clock {
    format: TimeFormat,
    pattern: Box<str>,
    zone: TimeZone,
}

impl Clock {
    /// Checks the settings of the field `key`.
    pub(super) fn new(key: &str, settings: &Time) -> Result<Self, String> {
        let zone =
            zone(settings.zone.as_deref().unwrap_or("UTC")).map_err(|why| format!("{key}.zone: {why}"))?;
        let pattern = match (settings.format, settings.pattern.as_deref()) {
            (TimeFormat::Pattern, None) => {
                return Err(format!(
                    "{key}.pattern: format = \"pattern\" needs one, for example \"%d.%m.%Y %H:%M:%S\""
                ));
            }
            (TimeFormat::Pattern, Some(pattern)) => {
                check(pattern).map_err(|why| format!("{key}.pattern: {why}"))?;
                pattern
            }
            (_, Some(_)) => {
                return Err(format!("{key}.pattern: only with format = \"pattern\", which is another now"));
            }
            (_, None) => "",
        };
        Ok(Self { format: settings.format, pattern: pattern.into(), zone })
    }

    /// Unix milliseconds of a value.
    pub(super) fn read(&self, scalar: &Scalar<'_>) -> Result<i64, &'static str> {
        let ms = match (self.format, scalar) {
            (_, Scalar::Bool(_)) => return Err("true and false are no time"),
            (TimeFormat::Auto | TimeFormat::UnixS | TimeFormat::UnixMs, Scalar::Number(digits)) => {
                self.number(digits)?
            }
            (TimeFormat::UnixS | TimeFormat::UnixMs, Scalar::Text(text)) => self.number(text.trim())?,
            (TimeFormat::Auto, Scalar::Text(text)) => match self.number(text.trim()) {
                Ok(ms) => ms,
                Err(_) => self.standard(text.trim())?,
            },
            (TimeFormat::Rfc3339, Scalar::Text(text)) => self.standard(text.trim())?,
            (TimeFormat::Rfc3339, Scalar::Number(_)) => return Err("it is a number and no text of RFC 3339"),
            (TimeFormat::Pattern, Scalar::Text(text)) => self.patterned(text)?,
            (TimeFormat::Pattern, Scalar::Number(digits)) => self.patterned(digits)?,
        };
        (0..=LAST_MS).contains(&ms).then_some(ms).ok_or("it is not within the years 1970 to 9999")
    }

    fn number(&self, digits: &str) -> Result<i64, &'static str> {
        let number = value::decimal(digits).ok_or("it is no number")?;
        let is_ms = match self.format {
            TimeFormat::UnixMs => true,
            TimeFormat::UnixS => false,
            _ => number.abs() >= LEAST_MS,
        };
        let ms = if is_ms { number } else { number * 1000.0 };
        // A cast saturates, and the caller refuses both ends.
        #[expect(clippy::cast_possible_truncation, reason = "out of range stays out of range")]
        Ok(ms.round() as i64)
    }

    fn standard(&self, text: &str) -> Result<i64, &'static str> {
        let wrong = "it is no time of RFC 3339, as 2026-01-31T08:15:00Z";
        let clock = text.split_once(['T', 't', ' ']).map_or("", |(_, clock)| clock);
        if clock.contains(['Z', 'z', '+', '-']) {
            return text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(|_| wrong);
        }
        // Without a clock it is a day, and not an instant.
        if clock.is_empty() {
            return Err(wrong);
        }
        self.local(text.parse().map_err(|_| wrong)?)
    }

    fn patterned(&self, text: &str) -> Result<i64, &'static str> {
        let wrong = "it is no time of the pattern";
        let parts = strtime::parse(self.pattern.as_bytes(), text.trim()).map_err(|_| wrong)?;
        if parts.offset().is_some() {
            return parts.to_timestamp().map(Timestamp::as_millisecond).map_err(|_| wrong);
        }
        self.local(parts.to_datetime().map_err(|_| wrong)?)
    }

    /// An instant by the clock on the wall: the first of two, and the one after a gap, where zones change.
    fn local(&self, time: DateTime) -> Result<i64, &'static str> {
        let instant = self.zone.to_ambiguous_timestamp(time).compatible();
        instant.map(Timestamp::as_millisecond).map_err(|_| "it is no time of its zone")
    }
}

fn zone(name: &str) -> Result<TimeZone, String> {
    if name == "UTC" {
        return Ok(TimeZone::UTC);
    }
    if let Some(offset) = offset(name) {
        return Ok(TimeZone::fixed(offset));
    }
    TimeZone::get(name).map_err(|_| {
        format!(
            "{name:?} is no zone that this machine knows; allowed are UTC, an offset as +02:00, and names as \
             Europe/Berlin where the system has its zones (package tzdata)"
        )
    })
}

/// An offset as `+02:00`.
fn offset(text: &str) -> Option<Offset> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two = |digits: &str| -> Option<i32> {
        let is_two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_two.then(|| digits.parse().ok()).flatten()
    };
    let (hours, minutes) = (two(hours)?, two(minutes).filter(|minutes| *minutes < 60)?);
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// Writes an instant with the pattern and reads it again.
fn check(pattern: &str) -> Result<(), String> {
    let sample = DateTime::constant(2026, 1, 31, 13, 45, 10, 0);
    let sample = sample.to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?;
    let text = strtime::format(pattern, &sample).map_err(|error| format!("{pattern:?}: {error}"))?;
    let parts = strtime::parse(pattern, &text).map_err(|error| format!("{pattern:?}: {error}"))?;
    let is_instant = if parts.offset().is_some() {
        parts.to_timestamp().is_ok()
    } else {
        parts.to_datetime().is_ok_and(|time| time.date() == sample.date() && time.hour() == sample.hour())
    };
    is_instant.then_some(()).ok_or_else(|| format!("{pattern:?} does not say both a day and a time of day"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(toml: &str) -> Result<Clock, String> {
        Clock::new("time", &toml::from_str(toml).unwrap())
    }

    #[expect(clippy::needless_pass_by_value, reason = "shorter calls")]
    fn read(toml: &str, value: Scalar<'_>) -> Result<i64, &'static str> {
        clock(toml).unwrap().read(&value)
    }

    fn text(text: &str) -> Scalar<'_> {
        Scalar::Text(text.into())
    }

    #[test]
    fn a_bare_number_is_told_apart_by_its_size() {
        for (digits, ms) in [
            ("1700000000", 1_700_000_000_000),
            ("1700000000.25", 1_700_000_000_250),
            ("1700000000123", 1_700_000_000_123),
            ("99999999999", 99_999_999_999_000),
            ("100000000000", 100_000_000_000),
            ("1.7e9", 1_700_000_000_000),
            ("0", 0),
        ] {
            assert_eq!(read("", Scalar::Number(digits)), Ok(ms), "{digits}");
            assert_eq!(read("", text(digits)), Ok(ms), "{digits}");
        }
        assert_eq!(read("format = \"unix_ms\"", Scalar::Number("1700000000")), Ok(1_700_000_000));
        assert!(read("format = \"unix_s\"", Scalar::Number("1700000000000")).is_err());
        for bad in ["-1", "1e300", "1e999"] {
            assert!(read("", Scalar::Number(bad)).is_err(), "{bad}");
        }
        assert!(read("", Scalar::Bool(true)).is_err());
    }

    #[test]
    fn a_text_of_the_standard_is_read_in_its_own_zone_or_the_given_one() {
        for (value, zone, ms) in [
            ("2023-11-14T22:13:20Z", "UTC", 1_700_000_000_000),
            ("2023-11-14T22:13:20.5Z", "+05:00", 1_700_000_000_500),
            ("2023-11-15T00:13:20+02:00", "UTC", 1_700_000_000_000),
            ("2023-11-15 00:13:20", "+02:00", 1_700_000_000_000),
            ("2023-11-14T22:13:20", "UTC", 1_700_000_000_000),
            ("2023-11-14T18:43:20", "-03:30", 1_700_000_000_000),
        ] {
            assert_eq!(read(&format!("zone = \"{zone}\""), text(value)), Ok(ms), "{value}");
        }
        for bad in [
            "",
            "2023-11-14",
            "2023-11-14T22:13:20+99:00",
            "14.11.2023 22:13:20",
            "noon",
            "2023-13-01T00:00:00Z",
        ] {
            assert!(read("", text(bad)).is_err(), "{bad}");
        }
        assert!(read("format = \"rfc3339\"", Scalar::Number("1700000000")).is_err());
    }

    #[test]
    fn a_pattern_reads_what_it_says() {
        let german = "format = \"pattern\"\npattern = \"%d.%m.%Y %H:%M:%S\"\nzone = \"+01:00\"";
        assert_eq!(read(german, text("14.11.2023 23:13:20")), Ok(1_700_000_000_000));
        assert!(read(german, text("2023-11-14 23:13:20")).is_err());
        let with_offset = "format = \"pattern\"\npattern = \"%Y%m%d%H%M%S%z\"";
        assert_eq!(read(with_offset, text("20231115001320+0200")), Ok(1_700_000_000_000));
        let digits = "format = \"pattern\"\npattern = \"%Y%m%d%H%M%S\"";
        assert_eq!(read(digits, Scalar::Number("20231114221320")), Ok(1_700_000_000_000));
    }

    #[test]
    fn settings_that_mean_nothing_are_refused_with_the_key() {
        for (toml, part) in [
            ("format = \"pattern\"", "time.pattern"),
            ("pattern = \"%Y\"", "time.pattern"),
            ("format = \"pattern\"\npattern = \"%Y-%m-%d\"", "day and a time of day"),
            ("format = \"pattern\"\npattern = \"%H:%M:%S\"", "time.pattern"),
            ("format = \"pattern\"\npattern = \"%!\"", "time.pattern"),
            ("zone = \"Nowhere/Town\"", "time.zone"),
            ("zone = \"+2\"", "time.zone"),
            ("zone = \"+99:00\"", "time.zone"),
        ] {
            let error = clock(toml).unwrap_err();
            assert!(error.contains(part), "{toml}: {error}");
        }
    }
}
