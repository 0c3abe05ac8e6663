//! The thread that follows what lies beside the partitions of commands: sessions, positions and, where a guard needs
//! it, the state of devices. It reads only partitions that this gateway has.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleetwire_kafka::{ClientSettings, Message, PartitionFollower, ReaderError, TopicPartition};
use fleetwire_model::pb::{DeviceState, PositionEvent, Session};
use fleetwire_model::time::to_unix_ms;
use fleetwire_model::{DeviceId, Topic, Topics};
use fleetwire_service::health::Pulse;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::machine::Telemetry;
use crate::metrics::FollowerMetrics;
use crate::shelf::{Shelf, Wanted};

/// How long one wait for records takes, and so how late a new partition is followed.
const SLICE: Duration = Duration::from_millis(20);

/// Names of the topics beside the commands.
#[derive(Debug, Clone)]
pub(crate) struct Beside {
    pub(crate) sessions: Arc<str>,
    pub(crate) positions: Arc<str>,
    /// Only where a guard needs it.
    pub(crate) states: Option<Arc<str>>,
}

/// A partition that is followed.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub(crate) shelf: Arc<Shelf>,
    /// Where the sessions, and the states of devices, go on: what lies before is on the shelf.
    pub(crate) sessions_from: i64,
    pub(crate) states_from: Option<i64>,
}

/// Which partitions are followed; shared by the worker, which decides, and the follower.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: Mutex<HashMap<i32, Lane>>,
    version: AtomicU64,
}

/// Follows.
#[derive(Debug)]
pub(crate) struct Follower {
    beside: Beside,
    lanes: Arc<Lanes>,
    inner: PartitionFollower,
    metrics: FollowerMetrics,
    version: u64,
    current: HashMap<i32, Current>,
}

/// A partition as it is followed now.
#[derive(Debug)]
struct Current {
    shelf: Arc<Shelf>,
    positions: Option<Wanted>,
    is_paused: bool,
}

impl Beside {
    pub(crate) fn new(topics: &Topics, with_states: bool) -> Self {
        Self {
            sessions: topics.name(Topic::Sessions).into(),
            positions: topics.name(Topic::Positions).into(),
            states: with_states.then(|| topics.name(Topic::DeviceState).into()),
        }
    }
}

impl Lanes {
    /// Follows a partition from now on.
    pub(crate) fn set(&self, partition: i32, lane: Lane) {
        self.lock().insert(partition, lane);
        self.changed();
    }

    /// Follows a partition no more.
    pub(crate) fn remove(&self, partition: i32) {
        self.lock().remove(&partition);
        self.changed();
    }

    /// What a shelf says of its positions is another thing now.
    pub(crate) fn changed(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i32, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    pub(crate) fn new(
        kafka: &ClientSettings,
        beside: Beside,
        lanes: Arc<Lanes>,
    ) -> Result<Self, ReaderError> {
        Ok(Self {
            beside,
            lanes,
            inner: PartitionFollower::new(kafka)?,
            metrics: FollowerMetrics::new(),
            version: 0,
            current: HashMap::new(),
        })
    }

    /// Follows until told to stop; blocks. Kafka being away is no error.
    pub(crate) fn run(mut self, pulse: &Pulse, stop: &CancellationToken) -> Result<(), ReaderError> {
        while !stop.is_cancelled() {
            pulse.beat();
            self.follow_lanes()?;
            self.resume()?;
            let full = match self.inner.next(SLICE)? {
                Some(message) => self.take(&message).then(|| message.partition()),
                None => None,
            };
            if let Some(number) = full {
                self.pause(number)?;
            }
        }
        Ok(())
    }

    /// Follows what is new, and leaves what has gone.
    fn follow_lanes(&mut self) -> Result<(), ReaderError> {
        let version = self.lanes.version.load(Ordering::Acquire);
        if version == self.version {
            return Ok(());
        }
        self.version = version;
        let lanes = self.lanes.lock().clone();
        let is_kept = |number: &i32, current: &Current| {
            lanes.get(number).is_some_and(|lane| Arc::ptr_eq(&lane.shelf, &current.shelf))
        };
        let gone: Vec<i32> = self
            .current
            .iter()
            .filter(|(number, current)| !is_kept(number, current))
            .map(|(n, _)| *n)
            .collect();
        for number in gone {
            self.current.remove(&number);
            for topic in self.topics() {
                self.inner.remove(&TopicPartition { topic, number })?;
            }
        }
        for (number, lane) in lanes {
            if !self.current.contains_key(&number) {
                self.inner.add(&place(&self.beside.sessions, number), lane.sessions_from)?;
                if let (Some(states), Some(from)) = (&self.beside.states, lane.states_from) {
                    self.inner.add(&place(states, number), from)?;
                }
            }
            let fresh = Current { shelf: lane.shelf, positions: None, is_paused: false };
            let current = self.current.entry(number).or_insert(fresh);
            let wanted = current.shelf.positions();
            if let Some(found) = wanted.filter(|_| wanted != current.positions) {
                current.positions = wanted;
                current.is_paused = false;
                self.inner.add(&place(&self.beside.positions, number), found.from)?;
            }
        }
        Ok(())
    }

    /// Reads the positions of a partition later: its worker has enough of them.
    fn pause(&mut self, number: i32) -> Result<(), ReaderError> {
        let Some(current) = self.current.get_mut(&number).filter(|current| !current.is_paused) else {
            return Ok(());
        };
        current.is_paused = true;
        self.inner.pause(&place(&self.beside.positions, number))
    }

    fn resume(&mut self) -> Result<(), ReaderError> {
        for (number, current) in &mut self.current {
            if current.is_paused && current.shelf.has_room() {
                current.is_paused = false;
                self.inner.resume(&place(&self.beside.positions, *number))?;
            }
        }
        Ok(())
    }

    /// Takes a record; whether it fills its shelf.
    fn take(&self, message: &Message<'_>) -> bool {
        let Some(current) = self.current.get(&message.partition()) else { return false };
        let key = message.key().unwrap_or_default();
        // Frontends tell there, too, that they are alive.
        if key.first() == Some(&b'@') {
            return false;
        }
        let device = std::str::from_utf8(key).ok().and_then(|key| key.parse::<DeviceId>().ok());
        let (beside, topic) = (&current.shelf, message.topic());
        let taken = match device {
            None => Err(()),
            Some(device) if topic == &*self.beside.positions => position(beside, device, message.payload()),
            Some(device) if topic == &*self.beside.sessions => {
                session(beside, device, message.payload()).map(|()| true)
            }
            Some(device) => state(beside, device, message.payload()).map(|()| true),
        };
        let Ok(has_room) = taken else {
            self.metrics.unusable.increment(1);
            warn!(
                topic,
                partition = message.partition(),
                offset = message.offset(),
                "a record is not usable"
            );
            return false;
        };
        !has_room
    }

    fn topics(&self) -> Vec<Arc<str>> {
        let Beside { sessions, positions, states } = &self.beside;
        [Some(sessions), Some(positions), states.as_ref()].into_iter().flatten().cloned().collect()
    }
}

/// Puts a record of the topic of sessions on a shelf.
pub(crate) fn session(shelf: &Shelf, device: DeviceId, value: Option<&[u8]>) -> Result<(), ()> {
    let session = value.map(Session::decode).transpose().map_err(drop)?;
    shelf.session(device, session.as_ref());
    Ok(())
}

/// Puts a record of the topic of device states on a shelf.
pub(crate) fn state(shelf: &Shelf, device: DeviceId, value: Option<&[u8]>) -> Result<(), ()> {
    let state = value.map(DeviceState::decode).transpose().map_err(drop)?;
    shelf.state(device, state.as_ref());
    Ok(())
}

/// Puts what a position says of outputs on a shelf, if that is waited for; whether there is room for more.
fn position(shelf: &Shelf, device: DeviceId, value: Option<&[u8]>) -> Result<bool, ()> {
    if !shelf.awaits_telemetry(&device) {
        return Ok(true);
    }
    let event = PositionEvent::decode(value.unwrap_or_default()).map_err(drop)?;
    let Some(telemetry) = telemetry(event) else { return Ok(true) };
    Ok(shelf.telemetry(device, telemetry))
}

/// What a position says of outputs; none if it says nothing, or not when.
fn telemetry(event: PositionEvent) -> Option<Telemetry> {
    let device_time_ms = to_unix_ms(event.device_time.as_ref()?);
    let lines = event.outputs.iter();
    let outputs: Vec<(u8, bool)> =
        lines.filter_map(|line| Some((u8::try_from(line.number).ok()?, line.on))).collect();
    (!outputs.is_empty()).then_some(Telemetry { device_time_ms, outputs, raw: event.raw_ref })
}

fn place(topic: &Arc<str>, number: i32) -> TopicPartition {
    TopicPartition { topic: Arc::clone(topic), number }
}
