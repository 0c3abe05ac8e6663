//! Reads back what belongs to newly assigned partitions, before any of their commands is worked: what is remembered of
//! devices, where these are connected, and from where on positions count.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fleetwire_kafka::{
    Assigned, ClientSettings, Message, MissingTopic, Range, RangeEvent, RangeReader, Reader, ReaderError,
    ReaderOptions, Start, Watermarks,
};
use fleetwire_model::DeviceId;
use fleetwire_model::pb::{DeviceCommands as Stored, PartitionOwner};
use fleetwire_service::health::Condition;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::follower::{self, Beside, Lane};
use crate::metrics::WorkerMetrics;
use crate::shelf::Shelf;
use crate::worker::{Names, OWNER, Remembered};

/// How long one attempt takes before the reason is told again.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How late a stop is noticed.
const SLICE: Duration = Duration::from_millis(100);

/// Where everything is read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) client: ClientSettings,
    pub(crate) names: Names,
    pub(crate) beside: Beside,
    pub(crate) watermarks: Watermarks,
    pub(crate) condition: Condition,
    pub(crate) stop: CancellationToken,
}

/// Offsets at which the reading of partitions ended, by number.
type Ends = BTreeMap<i32, i64>;

impl Source {
    /// The number of partitions; fails if the topics are not divided alike, so that one gateway would not have
    /// everything of a device. Waits for Kafka and for the topics; none if it was stopped first.
    pub(crate) fn partitions(&self) -> Result<Option<usize>> {
        let options =
            ReaderOptions { start: Start::Beginning, missing: MissingTopic::Wait, ready_timeout: ATTEMPT };
        let Beside { sessions, positions, states } = &self.beside;
        let named = [&*self.names.commands, &self.names.status, &self.names.state, sessions, positions];
        let mut counts = Vec::new();
        for topic in named.into_iter().chain(states.as_deref()) {
            let asked =
                self.patiently(|| Reader::partition_count(&self.client, topic, options, &self.stop))?;
            let Some(found) = asked else { return Ok(None) };
            counts.push((topic, found));
        }
        let Some((commands, wanted)) = counts.first().copied() else { return Ok(None) };
        if let Some((other, found)) = counts.iter().find(|(_, found)| *found != wanted) {
            let all: Vec<_> = counts.iter().map(|(topic, found)| format!("{topic} {found}")).collect();
            bail!(
                "{commands} has {wanted} partitions and {other} has {found}: topics that have to do with commands \
                 must have equally many, so that one gateway has everything of a device (now: {}). Mend it while no \
                 gateway runs: delete the topics of commands ({commands}, {}, {}) and make them again with `fleetwire \
                 topics apply --partitions commands.v1=N --partitions command-status.v1=N --partitions \
                 command-state.v1=N`, where N is what the others have; commands that have no terminal state yet are \
                 then forgotten",
                all.join(", "),
                self.names.status,
                self.names.state,
            );
        }
        Ok(Some(wanted))
    }

    /// What is remembered of partitions. None if it was stopped first.
    pub(crate) fn remembered(
        &self,
        assigned: &[Assigned],
        metrics: &WorkerMetrics,
    ) -> Result<Option<BTreeMap<i32, Remembered>>> {
        let started = Instant::now();
        let begin = || -> BTreeMap<i32, Remembered> {
            assigned.iter().map(|found| (found.partition, Remembered::default())).collect()
        };
        let mut pages = begin();
        let read = self.read(&self.names.state, assigned, Reading::Decided, |record| match record {
            None => pages = begin(),
            Some(record) => {
                let Some(page) = pages.get_mut(&record.partition()) else { return };
                if remember(page, record).is_none() {
                    metrics.unusable_states.increment(1);
                    let (partition, offset) = (record.partition(), record.offset());
                    warn!(partition, offset, "a record of the topic of command states is not usable");
                }
            }
        })?;
        if read.is_none() {
            return Ok(None);
        }
        let devices: usize = pages.values().map(|page| page.devices.len()).sum();
        info!(partitions = pages.len(), devices, took = ?started.elapsed(), "commands are read back");
        Ok(Some(pages))
    }

    /// Where the devices of partitions are connected, on shelves that are to be followed on. None if it was stopped
    /// first.
    pub(crate) fn lanes(&self, assigned: &[Assigned]) -> Result<Option<BTreeMap<i32, Lane>>> {
        let begin = || -> BTreeMap<i32, Arc<Shelf>> {
            assigned.iter().map(|found| (found.partition, Arc::default())).collect()
        };
        let mut shelves = begin();
        let sessions = self.read(&self.beside.sessions, assigned, Reading::AsIs, |record| match record {
            None => shelves = begin(),
            Some(record) => put(&shelves, record, follower::session),
        })?;
        let Some(sessions) = sessions else { return Ok(None) };
        let states = match &self.beside.states {
            None => Ends::new(),
            Some(states) => {
                // Read twice, a state is the same.
                let read = self.read(states, assigned, Reading::AsIs, |record| {
                    if let Some(record) = record {
                        put(&shelves, record, follower::state);
                    }
                })?;
                let Some(read) = read else { return Ok(None) };
                read
            }
        };
        let lane = |(number, shelf)| {
            let sessions_from = sessions.get(&number).copied().unwrap_or_default();
            (number, Lane { shelf, sessions_from, states_from: states.get(&number).copied() })
        };
        Ok(Some(shelves.into_iter().map(lane).collect()))
    }

    /// The offset from which positions count: that of the oldest command which they may confirm, or the next one to
    /// come. None if it was stopped first.
    pub(crate) fn positions_from(&self, number: i32, published_ms: Option<i64>) -> Result<Option<i64>> {
        let topic = &self.beside.positions;
        self.patiently(|| {
            let (_, end) = self.watermarks.of(topic, number)?;
            let Some(published_ms) = published_ms else { return Ok(end) };
            Ok(self.watermarks.at(topic, number, published_ms)?.unwrap_or(end))
        })
    }

    /// Hands every record of partitions to `take`; with none it begins anew. Where each ended, or none if it was stopped
    /// first.
    fn read(
        &self,
        topic: &str,
        assigned: &[Assigned],
        reading: Reading,
        mut take: impl FnMut(Option<&Message<'_>>),
    ) -> Result<Option<Ends>> {
        loop {
            take(None);
            let range = Range {
                offsets: Some(assigned.iter().map(|assigned| (assigned.partition, 0)).collect()),
                ready_timeout: ATTEMPT,
                stall_timeout: ATTEMPT,
                ..Range::default()
            };
            let opened = self.patiently(|| match reading {
                Reading::Decided => RangeReader::decided(&self.client, topic, range.clone(), &self.stop),
                Reading::AsIs => RangeReader::new(&self.client, topic, range.clone(), &self.stop),
            })?;
            let Some(reader) = opened else { return Ok(None) };
            match self.drain(&reader, &mut take) {
                Ok(true) => {
                    let stretches = reader.stretches().into_iter();
                    return Ok(Some(stretches.map(|(number, stretch)| (number, stretch.end)).collect()));
                }
                Ok(false) => return Ok(None),
                Err(ReaderError::Unreachable(reason)) => self.wait(&reason),
                Err(err) => return Err(err.into()),
            }
        }
    }

    /// Reads to the end; false if it was stopped first.
    fn drain(
        &self,
        reader: &RangeReader,
        take: &mut impl FnMut(Option<&Message<'_>>),
    ) -> Result<bool, ReaderError> {
        while !self.stop.is_cancelled() {
            match reader.next(SLICE)? {
                RangeEvent::Record(record) => take(Some(&record)),
                RangeEvent::Idle => {}
                RangeEvent::End => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Asks until there is an answer; none if it was stopped first.
    fn patiently<T>(&self, mut ask: impl FnMut() -> Result<T, ReaderError>) -> Result<Option<T>> {
        loop {
            match ask() {
                Ok(answer) => return Ok(Some(answer)),
                Err(ReaderError::Stopped) => return Ok(None),
                Err(err @ (ReaderError::Unreachable(_) | ReaderError::NoSuchTopic(_))) => {
                    self.wait(&err.to_string());
                }
                Err(err) => return Err(err.into()),
            }
            if self.stop.is_cancelled() {
                return Ok(None);
            }
        }
    }

    fn wait(&self, reason: &str) {
        warn!(reason, "the command gateway waits");
        self.condition.away(reason);
    }
}

/// How a topic is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Once nothing of it is undecided any more: its last writer may have died in a transaction.
    Decided,
    AsIs,
}

/// Takes a record of the topic of command states; none if it is not usable.
fn remember(page: &mut Remembered, record: &Message<'_>) -> Option<()> {
    let key = record.key()?;
    if key == OWNER {
        let owner = PartitionOwner::decode(record.payload()?).ok()?;
        page.last_term = page.last_term.max(owner.term);
        return Some(());
    }
    let device: DeviceId = std::str::from_utf8(key).ok()?.parse().ok()?;
    match record.payload() {
        Some(value) => {
            Stored::decode(value).ok()?;
            page.devices.insert(device, value.into());
        }
        None => drop(page.devices.remove(&device)),
    }
    Some(())
}

/// Puts a record on its shelf; one that is not usable is passed over, as the follower does.
fn put(
    shelves: &BTreeMap<i32, Arc<Shelf>>,
    record: &Message<'_>,
    put: impl Fn(&Shelf, DeviceId, Option<&[u8]>) -> Result<(), ()>,
) {
    let Some(shelf) = shelves.get(&record.partition()) else { return };
    let key = std::str::from_utf8(record.key().unwrap_or_default()).ok();
    let device = key.filter(|key| !key.starts_with('@')).and_then(|key| key.parse().ok());
    if let Some(device) = device
        && put(shelf, device, record.payload()).is_err()
    {
        warn!(topic = record.topic(), offset = record.offset(), "a record is not usable");
    }
}
