//! Times as the API writes them.

use fleetwire_model::time::to_unix_ms;
use jiff::Timestamp;

/// RFC 3339 with milliseconds, UTC; `None` for a time that is not set or that no calendar has.
pub(crate) fn rfc3339(time: Option<&prost_types::Timestamp>) -> Option<String> {
    let time = Timestamp::from_millisecond(to_unix_ms(time?)).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

#[cfg(test)]
mod tests {
    use fleetwire_model::time::from_unix_ms;

    use super::*;

    #[test]
    fn a_time_has_milliseconds_also_where_they_are_zero() {
        let text = |ms| rfc3339(Some(&from_unix_ms(ms)));
        assert_eq!(text(1_609_307_511_000).as_deref(), Some("2020-12-30T05:51:51.000Z"));
        assert_eq!(text(1_609_307_511_120).as_deref(), Some("2020-12-30T05:51:51.120Z"));
        assert_eq!(rfc3339(None), None);
        assert_eq!(text(i64::MAX), None);
    }
}
