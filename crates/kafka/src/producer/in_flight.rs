//! Records and bytes without an outcome, their bounds, and the bell for tasks that wait for room.
//!
//! Both counts share one word, because each record changes them twice, from two threads.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Bits of the byte count; the settings allow 2^30 bytes and one record more for each sending thread.
const BYTES_BITS: u32 = 40;

#[derive(Debug)]
pub(super) struct InFlight {
    counts: AtomicU64,
    max_records: u64,
    max_bytes: u64,
    waiting: AtomicUsize,
    room: Notify,
}

impl InFlight {
    pub(super) fn new(max_records: usize, max_bytes: usize) -> Self {
        Self {
            counts: AtomicU64::new(0),
            max_records: max_records as u64,
            max_bytes: max_bytes as u64,
            waiting: AtomicUsize::new(0),
            room: Notify::new(),
        }
    }

    /// Counts a record in unless a bound is reached. The last one may reach over the bytes allowed, so that
    /// [`Self::room`] need not know how large the next is.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let before = self.counts.fetch_add(word(bytes), Ordering::SeqCst);
        let fits = !self.full(before);
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    /// Counts a record out, and wakes one task: each that gets in brings an outcome that wakes the next.
    pub(super) fn give_back(&self, bytes: usize) {
        self.counts.fetch_sub(word(bytes), Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.room.notify_one();
        }
    }

    pub(super) fn records(&self) -> usize {
        usize::try_from(split(self.counts.load(Ordering::SeqCst)).0).unwrap_or(usize::MAX)
    }

    pub(super) fn bytes(&self) -> usize {
        usize::try_from(split(self.counts.load(Ordering::SeqCst)).1).unwrap_or(usize::MAX)
    }

    /// Waits until neither bound is reached; `false` when the time is over first.
    pub(super) async fn room(&self, limit: Duration) -> bool {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        // Also when the caller gives up in the middle.
        let _waiting = Leave(&self.waiting);
        let room = async {
            while self.full(self.counts.load(Ordering::SeqCst)) {
                self.room.notified().await;
            }
        };
        tokio::time::timeout(limit, room).await.is_ok()
    }

    fn full(&self, counts: u64) -> bool {
        let (records, bytes) = split(counts);
        records >= self.max_records || bytes >= self.max_bytes
    }
}

struct Leave<'a>(&'a AtomicUsize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

const fn word(bytes: usize) -> u64 {
    (1 << BYTES_BITS) + bytes as u64
}

const fn split(counts: u64) -> (u64, u64) {
    (counts >> BYTES_BITS, counts & ((1 << BYTES_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_holds() {
        let by_records = InFlight::new(2, 1000);
        assert!(by_records.take(1) && by_records.take(1) && !by_records.take(1));
        assert_eq!((by_records.records(), by_records.bytes()), (2, 2));
        let by_bytes = InFlight::new(10, 1000);
        assert!(by_bytes.take(999) && by_bytes.take(5000) && !by_bytes.take(0));
        by_bytes.give_back(5000);
        assert!(by_bytes.take(0));
        assert_eq!((by_bytes.records(), by_bytes.bytes()), (2, 999));
    }

    #[tokio::test]
    async fn a_waiting_task_is_woken_by_room_and_by_time() {
        let in_flight = InFlight::new(1, 1000);
        assert!(in_flight.take(1));
        assert!(!in_flight.room(Duration::from_millis(1)).await);
        let (woken, ()) = tokio::join!(in_flight.room(Duration::from_mins(1)), async {
            in_flight.give_back(1);
        });
        assert!(woken);
        assert_eq!(in_flight.waiting.load(Ordering::SeqCst), 0);
    }
}
