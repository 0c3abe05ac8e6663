//! One raw record on its way: complete when everything made of it is stored.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use fleetwire_kafka::Done;

/// A raw record whose events are on their way to Kafka; shared by all of them.
#[derive(Debug)]
pub(crate) struct Pending {
    left: AtomicUsize,
    received_ms: i64,
    done: Mutex<Option<Done>>,
}

impl Pending {
    /// A raw record that became `outputs` events, at least one.
    pub(crate) fn new(outputs: usize, received_ms: i64, done: Done) -> Self {
        Self { left: AtomicUsize::new(outputs), received_ms, done: Mutex::new(Some(done)) }
    }

    /// One of its events is stored. The last one completes the raw record and returns when it was received,
    /// Unix milliseconds.
    pub(crate) fn one_stored(&self) -> Option<i64> {
        if self.left.fetch_sub(1, Ordering::AcqRel) != 1 {
            return None;
        }
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner).take();
        done.map(|done| {
            done.complete();
            self.received_ms
        })
    }
}
