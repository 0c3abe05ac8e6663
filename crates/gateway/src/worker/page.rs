//! The devices of one partition, as far as commands go.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use fleetwire_kafka::{Assigned, SendError};
use fleetwire_model::DeviceId;
use fleetwire_model::pb::DeviceCommands as Stored;
use fleetwire_model::time::to_unix_ms;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use crate::attempts::{Mandate, Staged};
use crate::machine::{Context, DeviceCommands, Event, Outcome};
use crate::shelf::{Shelf, Watch};

/// How soon a device whose time has come is looked at again, at the soonest, milliseconds.
const AGAIN_MS: i64 = 10;

/// What is remembered of a partition, once it is read back.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// Devices and their records.
    pub(crate) devices: HashMap<DeviceId, Box<[u8]>>,
    /// Term of the last owner.
    pub(crate) last_term: u64,
}

impl Remembered {
    /// When the oldest command was published that telemetry may still tell about, Unix milliseconds.
    pub(crate) fn oldest_published_ms(&self) -> Option<i64> {
        let stored = self.devices.values().filter_map(|record| Stored::decode(&**record).ok());
        let pending = stored.flat_map(|stored| stored.pending);
        let published = pending.filter_map(|pending| pending.published_time.or(pending.attempt_time));
        published.map(|time| to_unix_ms(&time)).min()
    }
}

/// What is known of a device.
#[derive(Debug)]
enum Memory {
    /// Nothing is under way; its record.
    Idle(Box<[u8]>),
    Busy(Box<Busy>),
}

/// A device with commands under way.
#[derive(Debug)]
struct Busy {
    commands: DeviceCommands,
    wake_ms: Option<i64>,
    pending: usize,
}

/// A partition of ours.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) assigned: Assigned,
    /// Another one each time a partition is read back.
    pub(super) id: u64,
    pub(super) term: u64,
    /// Whether the open transaction, or a committed one, says whose it is.
    owner_is_written: bool,
    pub(super) shelf: Arc<Shelf>,
    devices: HashMap<DeviceId, Memory>,
    wakes: BTreeSet<(i64, DeviceId)>,
    pub(super) pending: usize,
    /// Devices to be compared with their sessions, since these may have changed while nobody looked.
    fresh: Vec<DeviceId>,
    /// Outcomes of attempts.
    pub(super) inbox: VecDeque<(DeviceId, Outcome)>,
    /// Attempts that may begin once the open transaction is committed.
    pub(super) staged: Vec<Staged>,
    /// Whether the open transaction holds something of it.
    pub(super) is_touched: bool,
    over: CancellationToken,
}

impl Drop for Page {
    fn drop(&mut self) {
        // Its attempts are the next page's to repeat.
        self.over.cancel();
    }
}

impl Page {
    pub(super) fn new(assigned: Assigned, id: u64, shelf: Arc<Shelf>, remembered: Remembered) -> Self {
        let mut page = Self {
            assigned,
            id,
            term: remembered.last_term.saturating_add(1),
            owner_is_written: false,
            shelf,
            devices: HashMap::with_capacity(remembered.devices.len()),
            wakes: BTreeSet::new(),
            pending: 0,
            fresh: Vec::new(),
            inbox: VecDeque::new(),
            staged: Vec::new(),
            is_touched: false,
            over: CancellationToken::new(),
        };
        for (device, record) in remembered.devices {
            // Looked at when it was read.
            let stored = Stored::decode(&*record).unwrap_or_default();
            if stored.pending.is_empty() {
                page.devices.insert(device, Memory::Idle(record));
                continue;
            }
            let pending = stored.pending.len();
            let commands = DeviceCommands::restore(device.clone(), stored);
            page.fresh.push(device.clone());
            page.pending += pending;
            page.keep(device, Busy { commands, wake_ms: None, pending }, None, None);
        }
        page
    }

    /// In whose name attempts are made.
    pub(super) fn mandate(&self) -> Mandate {
        Mandate { assigned: self.assigned, term: self.term, page: self.id, over: self.over.clone() }
    }

    /// Devices that are remembered.
    pub(super) fn len(&self) -> usize {
        self.devices.len()
    }

    /// Since when its oldest command has been under way, Unix milliseconds. Looks through all devices.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        if self.pending == 0 {
            return None;
        }
        let busy = self.devices.values().filter_map(|memory| match memory {
            Memory::Busy(busy) => busy.commands.oldest_ms(),
            Memory::Idle(_) => None,
        });
        busy.min()
    }

    /// Whether there is something to do that no record is the cause of.
    pub(super) fn has_work(&self, now_ms: i64) -> bool {
        !self.owner_is_written
            || !self.fresh.is_empty()
            || !self.inbox.is_empty()
            || self.shelf.has_news()
            || self.next_wake_ms().is_some_and(|wake_ms| wake_ms <= now_ms)
    }

    /// When a device is to be looked at next, Unix milliseconds.
    pub(super) fn next_wake_ms(&self) -> Option<i64> {
        self.wakes.first().map(|(wake_ms, _)| *wake_ms)
    }

    /// Writes whose the partition is, unless that is written.
    pub(super) fn own(&mut self, desk: &Desk<'_>) -> Result<(), SendError> {
        self.is_touched = true;
        if !self.owner_is_written {
            desk.owner(self.assigned.partition, self.term)?;
            self.owner_is_written = true;
        }
        Ok(())
    }

    /// Does what is due, a part of it: so much of each kind.
    pub(super) fn work(&mut self, most: usize, desk: &mut Desk<'_>) -> Result<(), SendError> {
        for device in self.fresh.split_off(self.fresh.len().saturating_sub(most)) {
            self.apply(&device, Event::Session, None, desk)?;
        }
        let outcomes: Vec<_> = self.inbox.drain(..self.inbox.len().min(most)).collect();
        for (device, outcome) in outcomes {
            self.apply(&device, Event::Outcome(outcome), None, desk)?;
        }
        let news = self.shelf.take_news(most);
        for device in news.changed {
            self.apply(&device, Event::Session, None, desk)?;
        }
        for (device, telemetry) in news.telemetry {
            self.apply(&device, Event::Telemetry(&telemetry), None, desk)?;
        }
        for _ in 0..most {
            let Some((_, device)) =
                self.wakes.first().filter(|(wake_ms, _)| *wake_ms <= desk.now_ms).cloned()
            else {
                break;
            };
            self.apply(&device, Event::Tick, None, desk)?;
        }
        Ok(())
    }

    /// Applies an event to a device, and writes what follows from it. `came` is when a command came.
    pub(super) fn apply(
        &mut self,
        device: &DeviceId,
        event: Event<'_>,
        came: Option<Instant>,
        desk: &mut Desk<'_>,
    ) -> Result<(), SendError> {
        self.is_touched = true;
        let Some(mut busy) = self.take(device, matches!(event, Event::Command(_))) else { return Ok(()) };
        let (session, motion) = self.shelf.look(device);
        let target = desk.world.target(device);
        let guards = desk.world.guards.of(device, target.as_ref().map_or("", |target| target.model.id));
        let context = Context {
            now_ms: desk.now_ms,
            session: session.as_ref(),
            device: target.as_ref(),
            motion,
            guards: &guards,
            rules: &desk.world.rules,
        };
        let effects = busy.commands.apply(event, &context);
        desk.tally.steps.extend(effects.steps);
        for status in effects.statuses {
            desk.status(device, status)?;
        }
        let mut record = None;
        if effects.changed {
            let stored = busy.commands.record();
            self.pending = (self.pending + stored.pending.len()).saturating_sub(busy.pending);
            busy.pending = stored.pending.len();
            let bytes = stored.encode_to_vec();
            desk.remember(device, &bytes)?;
            record = Some(bytes.into_boxed_slice());
        }
        if let Some(attempt) = effects.attempt {
            self.staged.push(Staged { device: device.clone(), attempt, came });
        }
        self.keep(device.clone(), *busy, record, Some(desk.now_ms));
        Ok(())
    }

    /// The device's commands, if there is something to apply to.
    fn take(&mut self, device: &DeviceId, is_command: bool) -> Option<Box<Busy>> {
        match self.devices.get(device) {
            Some(Memory::Busy(_)) => {}
            _ if !is_command => return None,
            // Before its session is looked at, so that no change of it is missed.
            _ => self.shelf.watch(device, Some(Watch::Session)),
        }
        let commands = match self.devices.remove(device) {
            Some(Memory::Busy(busy)) => {
                if let Some(wake_ms) = busy.wake_ms {
                    self.wakes.remove(&(wake_ms, device.clone()));
                }
                return Some(busy);
            }
            Some(Memory::Idle(record)) => {
                DeviceCommands::restore(device.clone(), Stored::decode(&*record).unwrap_or_default())
            }
            None => DeviceCommands::new(device.clone()),
        };
        Some(Box::new(Busy { commands, wake_ms: None, pending: 0 }))
    }

    /// Keeps a device until the next event.
    fn keep(&mut self, device: DeviceId, mut busy: Busy, record: Option<Box<[u8]>>, now_ms: Option<i64>) {
        if busy.commands.is_idle() {
            self.shelf.watch(&device, None);
            let record = record.unwrap_or_else(|| busy.commands.record().encode_to_vec().into_boxed_slice());
            self.devices.insert(device, Memory::Idle(record));
            return;
        }
        let watch = if busy.commands.awaits_telemetry() { Watch::Telemetry } else { Watch::Session };
        self.shelf.watch(&device, Some(watch));
        let soonest = now_ms.map_or(i64::MIN, |now_ms| now_ms.saturating_add(AGAIN_MS));
        busy.wake_ms = busy.commands.next_wake_ms().map(|wake_ms| wake_ms.max(soonest));
        if let Some(wake_ms) = busy.wake_ms {
            self.wakes.insert((wake_ms, device.clone()));
        }
        self.devices.insert(device, Memory::Busy(Box::new(busy)));
    }
}
