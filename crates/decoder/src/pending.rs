//! One raw record on its way: complete when everything made of it is stored.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use fleetwire_kafka::{Delivery, Done};

use crate::trail::Trail;

/// A raw record whose events are on their way to Kafka; shared by all of them, and by the worker while it is at it.
#[derive(Debug)]
pub(crate) struct Pending {
    left: AtomicUsize,
    received_ms: i64,
    /// Of a record that is followed.
    trail: Option<Box<Trail>>,
    done: Mutex<Option<Done>>,
}

impl Pending {
    /// A raw record that the worker is at; it ends its part with [`Self::one_settled`].
    pub(crate) fn new(received_ms: i64, trail: Option<Box<Trail>>, done: Done) -> Self {
        Self { left: AtomicUsize::new(1), received_ms, trail, done: Mutex::new(Some(done)) }
    }

    /// One more event is on its way.
    pub(crate) fn one_more(&self) {
        self.left.fetch_add(1, Ordering::AcqRel);
    }

    /// Kafka has answered for one of its events, which is settled next.
    pub(crate) fn delivered(&self, delivery: &Delivery<'_>) {
        if let Some(trail) = &self.trail {
            trail.delivered(delivery);
        }
    }

    /// So many of its events are left out.
    pub(crate) fn repeats(&self, count: u32) {
        if let Some(trail) = &self.trail {
            trail.repeats(count);
        }
    }

    /// One of its events is stored, or the worker has done its part. The last one completes the raw record and
    /// returns when it was received, Unix milliseconds.
    pub(crate) fn one_settled(&self) -> Option<i64> {
        if self.left.fetch_sub(1, Ordering::AcqRel) != 1 {
            return None;
        }
        if let Some(trail) = &self.trail {
            trail.finish();
        }
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner).take();
        done.map(|done| {
            done.complete();
            self.received_ms
        })
    }
}
