//! How far behind the decoder is, in time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use fleetwire_kafka::Monitor;

/// When the raw record that was taken last had been received.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    received_ms: AtomicI64,
}

impl Lag {
    /// A raw record is taken that was received then, Unix milliseconds; 0 if unknown.
    pub(crate) fn at(&self, received_ms: i64) {
        if received_ms > 0 {
            self.received_ms.store(received_ms, Ordering::Relaxed);
        }
    }

    /// Age of what is worked on; nothing where there is nothing to do.
    pub(crate) fn now(&self, monitor: &Monitor, now_ms: i64) -> Duration {
        let waiting = monitor.lag().iter().any(|partition| partition.lag > 0);
        let received_ms = self.received_ms.load(Ordering::Relaxed);
        if received_ms == 0 || !(waiting || monitor.health().in_flight > 0) {
            return Duration::ZERO;
        }
        Duration::from_millis(u64::try_from(now_ms.saturating_sub(received_ms)).unwrap_or(0))
    }
}
