//! What a reader of the positions sees while they are made: by the raw record that each came from.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use fleetwire_kafka::{ClientSettings, Event, Reader, ReaderOptions};
use fleetwire_model::pb::PositionEvent;
use fleetwire_model::time;
use fleetwire_service::clock;
use prost::Message as _;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::times::Steps;

/// Partition and offset of a raw record.
pub(super) type Place = (i32, i64);

/// The positions of one raw record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// How many there are.
    pub(super) count: u32,
    /// The id of the first.
    pub(super) event_id: String,
    /// Whether all have that id.
    pub(super) one_id: bool,
    pub(super) device_id: String,
}

/// All positions.
#[derive(Debug, Default, Clone)]
pub struct Positions {
    pub(super) seen: HashMap<Place, Seen>,
    /// Records that are no positions, or do not say where they came from.
    pub(super) foreign: u64,
    /// By raw partition: the offset behind the last one that has a position.
    next: BTreeMap<i32, i64>,
}

impl Positions {
    /// Takes a position of a raw record; returns whether it is the first.
    pub(super) fn take(&mut self, place: Place, event_id: &str, device_id: &str) -> bool {
        let next = self.next.entry(place.0).or_default();
        *next = (*next).max(place.1 + 1);
        if let Some(seen) = self.seen.get_mut(&place) {
            seen.count += 1;
            seen.one_id &= seen.event_id == event_id;
            return false;
        }
        let (event_id, device_id) = (event_id.to_owned(), device_id.to_owned());
        self.seen.insert(place, Seen { count: 1, event_id, one_id: true, device_id });
        true
    }
}

/// Reads positions as they are made, committed ones only.
pub(super) struct Follower {
    positions: Arc<Mutex<Positions>>,
    stop: DropGuard,
    thread: JoinHandle<Result<()>>,
}

impl Follower {
    pub(super) fn start(client: &ClientSettings, topic: &str, steps: Arc<Steps>) -> Result<Self> {
        let stop = CancellationToken::new();
        let reader = Reader::new(client, topic, ReaderOptions::default(), &stop)?;
        let positions = Arc::<Mutex<Positions>>::default();
        let thread = std::thread::spawn({
            let (positions, stop) = (Arc::clone(&positions), stop.clone());
            move || follow(&reader, &positions, &steps, &stop)
        });
        Ok(Self { positions, stop: stop.drop_guard(), thread })
    }

    /// Raw records that have a position.
    pub(super) fn decoded(&self) -> u64 {
        lock(&self.positions).seen.len() as u64
    }

    /// Whether every partition has got to its end, as it was when it was asked for.
    pub(super) fn has_reached(&self, ends: &BTreeMap<i32, i64>) -> bool {
        let positions = lock(&self.positions);
        ends.iter().all(|(partition, end)| positions.next.get(partition).copied().unwrap_or(0) >= *end)
    }

    /// Whether it still reads.
    pub(super) fn is_well(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Ends it, with what it saw.
    pub(super) fn finish(self) -> Result<Positions> {
        drop(self.stop);
        self.thread.join().map_err(|_| anyhow!("the reader of positions panicked"))??;
        Ok(std::mem::take(&mut *lock(&self.positions)))
    }
}

fn lock(positions: &Mutex<Positions>) -> MutexGuard<'_, Positions> {
    positions.lock().unwrap_or_else(PoisonError::into_inner)
}

fn follow(reader: &Reader, into: &Mutex<Positions>, steps: &Steps, stop: &CancellationToken) -> Result<()> {
    while !stop.is_cancelled() {
        let Event::Record(record) = reader.next(Duration::from_millis(100))? else { continue };
        let event = record.payload().and_then(|value| PositionEvent::decode(value).ok());
        let Some((raw, event)) = event.and_then(|mut event| Some((event.raw_ref.take()?, event))) else {
            lock(into).foreign += 1;
            continue;
        };
        let first = lock(into).take((raw.partition, raw.offset), &event.event_id, &event.device_id);
        if let Some(received) = event.received_time.filter(|_| first) {
            let age = clock::unix_ms().saturating_sub(time::to_unix_ms(&received));
            steps.age.record(steps.now(), Duration::from_millis(u64::try_from(age).unwrap_or(0)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_of_one_raw_record_are_counted_and_their_ids_compared() {
        let mut positions = Positions::default();
        assert!(positions.take((3, 7), "a", "device"));
        assert!(!positions.take((3, 7), "a", "device"));
        assert!(positions.seen[&(3, 7)].one_id);
        positions.take((3, 7), "b", "device");
        let seen = &positions.seen[&(3, 7)];
        assert_eq!((seen.count, seen.one_id, positions.next[&3]), (3, false, 8));
    }
}
