//! Unix times to and from the contract's timestamps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;

/// The contract's timestamp of milliseconds since 1970-01-01 UTC.
pub fn from_unix_ms(ms: i64) -> Timestamp {
    let nanos = i32::try_from(ms.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
    Timestamp { seconds: ms.div_euclid(1000), nanos }
}

/// Milliseconds since 1970-01-01 UTC; saturates at the ends of the range.
pub fn to_unix_ms(time: &Timestamp) -> i64 {
    time.seconds.saturating_mul(1000).saturating_add(i64::from(time.nanos) / 1_000_000)
}

/// Milliseconds since 1970-01-01 UTC of a system time; negative before, saturating at the ends.
pub fn unix_ms(time: SystemTime) -> i64 {
    let whole = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => whole(after),
        Err(before) => -whole(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_survive_the_round_trip() {
        for ms in [0, 1, -1, 999, -1001, 1_609_307_511_123] {
            assert_eq!(to_unix_ms(&from_unix_ms(ms)), ms);
        }
    }
}
