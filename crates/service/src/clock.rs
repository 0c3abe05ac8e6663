//! The one place that reads the wall clock; everything else takes the time as an argument.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// How far [`unix_ms`] is beside the system's clock, milliseconds.
static BESIDE_MS: AtomicI64 = AtomicI64::new(0);

/// Milliseconds since 1970-01-01 UTC.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    now_ms.saturating_add(BESIDE_MS.load(Ordering::Relaxed))
}

/// From now on this process has a clock that is so far ahead of the system's. For tests of clocks that jump, which no
/// test can make the system's do: preloaded libraries that change its time make librdkafka stand still.
#[doc(hidden)]
pub fn jump(ahead_ms: i64) {
    BESIDE_MS.store(ahead_ms, Ordering::Relaxed);
}

/// Nanoseconds since 1970-01-01 UTC.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
