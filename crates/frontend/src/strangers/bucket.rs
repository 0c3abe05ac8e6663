//! Token buckets of publishes and bytes that are taken from together, or not at all.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Limit;
use super::settings::Rate;

/// What one address, or all of them, may publish.
#[derive(Debug)]
pub(super) struct Flow(Mutex<Buckets>);

#[derive(Debug)]
struct Buckets {
    messages: Bucket,
    bytes: Bucket,
}

/// A bucket, as the time at which it will be full again, in seconds.
#[derive(Debug)]
struct Bucket {
    per_second: f64,
    burst: f64,
    full_at: f64,
}

/// Which of the two was empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    Messages,
    Bytes,
}

impl Empty {
    pub(super) const fn limit(self, messages: Limit, bytes: Limit) -> Limit {
        match self {
            Self::Messages => messages,
            Self::Bytes => bytes,
        }
    }
}

impl Flow {
    pub(super) fn new(messages: Rate, bytes: Rate) -> Self {
        Self(Mutex::new(Buckets { messages: Bucket::new(messages), bytes: Bucket::new(bytes) }))
    }

    /// Takes one publish of so many bytes.
    pub(super) fn take(&self, bytes: usize, now: Duration) -> Result<(), Empty> {
        let now = now.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a packet is far below 2^52 bytes")]
        let bytes = bytes as f64;
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !buckets.messages.has(1.0, now) {
            return Err(Empty::Messages);
        }
        if !buckets.bytes.has(bytes, now) {
            return Err(Empty::Bytes);
        }
        buckets.messages.take(1.0, now);
        buckets.bytes.take(bytes, now);
        Ok(())
    }
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        Self {
            per_second: f64::from(rate.per_second.get()),
            burst: f64::from(rate.burst.get()),
            full_at: 0.0,
        }
    }

    fn has(&self, tokens: f64, now: f64) -> bool {
        (self.full_at - now).max(0.0) * self.per_second + tokens <= self.burst
    }

    fn take(&mut self, tokens: f64, now: f64) {
        self.full_at = self.full_at.max(now) + tokens / self.per_second;
    }
}
