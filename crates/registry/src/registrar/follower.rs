//! Follows the registry's topic into the records, and tells how far it is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fleetwire_kafka::{Delivered, Message, ReaderError, TailReader};
use fleetwire_model::{DeviceId, pb};
use fleetwire_service::health::Pulse;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::records::Records;

/// How long a poll waits when nobody waits for it.
const IDLE: Duration = Duration::from_millis(100);
/// How long a poll waits when somebody does: what leaves no record wakes no poll.
const HURRY: Duration = Duration::from_millis(2);
/// For how long a poll waits so after a record: the marker of its transaction comes behind it.
const BEHIND: Duration = Duration::from_millis(50);
/// Records after which the positions are looked at although more come.
const STRETCH: u32 = 1000;

/// How far the records are, by partition.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<State>,
    reached: Condvar,
    is_awaited: AtomicBool,
}

#[derive(Debug)]
struct State {
    positions: Vec<i64>,
    /// Where somebody waits for all of them to be.
    target: Option<Vec<i64>>,
    /// A record that somebody looks for, and whether it has come.
    sought: Option<(Delivered, bool)>,
}

impl Progress {
    pub(super) fn new(positions: Vec<i64>) -> Self {
        let state = State { positions, target: None, sought: None };
        Self { state: Mutex::new(state), reached: Condvar::new(), is_awaited: AtomicBool::new(false) }
    }

    /// Waits until every partition is there, at most until the deadline. One at a time may wait.
    pub(super) fn wait(&self, target: Vec<i64>, deadline: Instant) -> bool {
        let mut state = self.state();
        state.target = Some(target);
        self.is_awaited.store(true, Ordering::Relaxed);
        while !state.is_there() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.reached.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.is_awaited.store(false, Ordering::Relaxed);
        let is_there = state.is_there();
        state.target = None;
        is_there
    }

    /// From now on looks out for a record.
    pub(super) fn seek(&self, place: Delivered) {
        self.state().sought = Some((place, false));
    }

    /// Whether the record came.
    pub(super) fn found(&self) -> bool {
        self.state().sought.take().is_some_and(|(_, found)| found)
    }

    fn read(&self, partition: i32, offset: i64) {
        let mut state = self.state();
        if let Some((_, found)) =
            state.sought.as_mut().filter(|(place, _)| place.partition == partition && place.offset == offset)
        {
            *found = true;
        }
        let Some(index) = usize::try_from(partition).ok() else { return };
        let next = offset.saturating_add(1);
        if let Some(position) = state.positions.get_mut(index) {
            *position = next;
        }
        let crossed =
            state.target.as_ref().and_then(|target| target.get(index)).is_some_and(|end| next == *end);
        if crossed && state.is_there() {
            self.reached.notify_all();
        }
    }

    fn look(&self, positions: Vec<i64>) {
        let mut state = self.state();
        state.positions = positions;
        if state.is_there() {
            self.reached.notify_all();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_there(&self) -> bool {
        let Some(target) = &self.target else { return true };
        self.positions.iter().zip(target).all(|(position, end)| position >= end)
    }
}

/// Puts what comes into the records until told to stop; blocks.
pub(super) fn follow(
    tail: &TailReader,
    records: &Records,
    progress: &Progress,
    (pulse, stop): (Option<&Pulse>, &CancellationToken),
) -> Result<(), ReaderError> {
    let (mut since_look, mut last_record) = (0, Instant::now());
    while !stop.is_cancelled() {
        if let Some(pulse) = pulse {
            pulse.beat();
        }
        let is_awaited = progress.is_awaited.load(Ordering::Relaxed);
        let hurries = is_awaited || last_record.elapsed() < BEHIND;
        let came = tail.next(if hurries { HURRY } else { IDLE })?;
        if let Some(message) = &came {
            last_record = Instant::now();
            take(records, message);
            progress.read(message.partition(), message.offset());
            since_look += 1;
        }
        if came.is_none() || since_look >= STRETCH {
            progress.look(tail.positions()?);
            since_look = 0;
        }
    }
    Ok(())
}

/// As the services do: a record that cannot be used removes the device.
fn take(records: &Records, message: &Message<'_>) {
    let key = message.key().unwrap_or_default();
    if records.tracer().is_some_and(|tracer| tracer.apply(key, message.payload())) {
        return;
    }
    let Some(id) = std::str::from_utf8(key).ok().and_then(|text| text.parse::<DeviceId>().ok()) else {
        return;
    };
    let value = message.payload();
    let is_usable =
        |value: &[u8]| pb::Device::decode(value).is_ok_and(|found| found.device_id == id.as_str());
    if value.is_some_and(|value| !is_usable(value)) {
        warn!(device = %id, offset = message.offset(), "a record of the device registry is not usable");
        records.put(id, None);
    } else {
        records.put(id, value);
    }
}
