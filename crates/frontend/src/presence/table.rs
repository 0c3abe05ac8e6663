//! The table of sessions: what each device's is now, and which of them Kafka does not know yet.
//!
//! A device has one place, whatever happens to its session, so what waits for Kafka is bounded by the sessions that are
//! open and by `max_ended` that are over.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use compact_str::CompactString;
use fleetwire_model::DeviceId;
use fleetwire_mqtt::SessionFacts;
use ulid::Ulid;

/// Bits of an epoch below its milliseconds, for sessions of the same millisecond.
const COUNTER_BITS: u32 = 16;

/// The sessions of devices on this frontend.
#[derive(Debug)]
pub(super) struct Table {
    held: HashMap<DeviceId, Held>,
    /// Devices to be written, each once.
    queue: VecDeque<DeviceId>,
    /// Devices whose record Kafka did not take, to be queued again after a while.
    failed: Vec<DeviceId>,
    /// Places of sessions that are over.
    ended: usize,
    max_ended: usize,
    unwritten: usize,
    last_epoch: u64,
}

/// A device's place.
#[derive(Debug)]
struct Held {
    change: Change,
    /// The last version that is in Kafka.
    written: u32,
    is_queued: bool,
    /// The device has a newer session elsewhere: nothing more is written of this one.
    is_ceded: bool,
}

/// What is to be written of a device's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) session: Ulid,
    pub(super) epoch: u64,
    pub(super) account: CompactString,
    pub(super) peer: SocketAddr,
    /// When it connected, or ended, Unix milliseconds.
    pub(super) since_ms: i64,
    /// Why it ended; none while it is connected.
    pub(super) end: Option<&'static str>,
    pub(super) accepts_commands: bool,
    /// Grows with each change of the place.
    pub(super) version: u32,
}

/// What a record of another frontend means for the session here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Nothing.
    Irrelevant,
    /// The session here is older: it is to be closed.
    Newer,
    /// The session here is newer, and its record is written again: a compacted topic keeps the last one.
    Repaired,
}

impl Table {
    pub(super) fn new(max_ended: usize) -> Self {
        Self {
            held: HashMap::new(),
            queue: VecDeque::new(),
            failed: Vec::new(),
            ended: 0,
            max_ended,
            unwritten: 0,
            last_epoch: 0,
        }
    }

    /// Places whose newest change is not in Kafka.
    pub(super) const fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// A session began, and takes the place of an older one of the device; its epoch. None if there is a newer one.
    pub(super) fn connect(&mut self, device: &DeviceId, facts: &SessionFacts) -> Option<u64> {
        let since_ms = i64::try_from(facts.connected_at_ms).unwrap_or(i64::MAX);
        let older = self.held.get(device);
        // Two connections of one device may come here in another order than they were let in.
        if older.is_some_and(|older| older.change.end.is_none() && older.change.since_ms > since_ms) {
            return None;
        }
        let version = older.map_or(0, |older| older.change.version);
        let epoch = self.next_epoch(facts.connected_at_ms);
        let change = Change {
            session: session(facts),
            epoch,
            account: facts.account.clone(),
            peer: facts.peer,
            since_ms,
            end: None,
            accepts_commands: false,
            version,
        };
        if let Some(held) = self.held.get_mut(device) {
            self.ended -= usize::from(held.change.end.is_some());
            held.change = change;
            held.is_ceded = false;
        } else {
            let held = Held { change, written: version, is_queued: false, is_ceded: false };
            self.held.insert(device.clone(), held);
        }
        self.touch(device);
        Some(epoch)
    }

    /// The session subscribed to its command topic, or no longer does.
    pub(super) fn subscribed(&mut self, device: &DeviceId, facts: &SessionFacts, accepts_commands: bool) {
        let Some(held) = self.of_session(device, facts) else { return };
        if held.change.accepts_commands != accepts_commands {
            held.change.accepts_commands = accepts_commands;
            self.touch(device);
        }
    }

    /// The session is over; false if that can not be kept for Kafka.
    pub(super) fn end(
        &mut self,
        device: &DeviceId,
        facts: &SessionFacts,
        end: &'static str,
        now_ms: i64,
    ) -> bool {
        let (is_full, Some(held)) = (self.ended >= self.max_ended, self.of_session(device, facts)) else {
            return true;
        };
        if held.is_ceded || is_full {
            let is_kept = held.is_ceded;
            self.remove(device);
            return is_kept;
        }
        held.end(end, now_ms);
        self.ended += 1;
        self.touch(device);
        true
    }

    /// Every session that is left is over.
    pub(super) fn end_all(&mut self, end: &'static str, now_ms: i64) {
        let left = |(device, held): (&DeviceId, &Held)| held.change.end.is_none().then(|| device.clone());
        let left: Vec<DeviceId> = self.held.iter().filter_map(left).collect();
        for device in left {
            match self.held.get_mut(&device) {
                Some(held) if !held.is_ceded => {
                    held.end(end, now_ms);
                    self.ended += 1;
                    self.touch(&device);
                }
                _ => self.remove(&device),
            }
        }
    }

    /// Another frontend wrote of the device's session, or somebody removed its record.
    pub(super) fn seen(&mut self, device: &DeviceId, epoch: Option<u64>) -> Seen {
        let Some(held) = self.held.get_mut(device) else { return Seen::Irrelevant };
        let is_connected = held.change.end.is_none();
        match epoch {
            Some(epoch) if epoch > held.change.epoch && is_connected => {
                // It may be told several times before the session has ended.
                if std::mem::replace(&mut held.is_ceded, true) { Seen::Irrelevant } else { Seen::Newer }
            }
            Some(epoch) if epoch > held.change.epoch => {
                self.remove(device);
                Seen::Irrelevant
            }
            Some(epoch) if epoch == held.change.epoch => Seen::Irrelevant,
            // What is not written yet comes after that record anyway.
            _ if is_connected && !held.is_ceded && held.written == held.change.version => {
                self.touch(device);
                Seen::Repaired
            }
            _ => Seen::Irrelevant,
        }
    }

    /// Writes every session that is connected again: what others wrote of their devices may have been missed.
    pub(super) fn write_again(&mut self) {
        let is_written =
            |held: &Held| held.change.end.is_none() && !held.is_ceded && held.written == held.change.version;
        let written = self.held.iter().filter(|(_, held)| is_written(held));
        let written: Vec<DeviceId> = written.map(|(device, _)| device.clone()).collect();
        for device in &written {
            self.touch(device);
        }
    }

    /// The next change to be written.
    pub(super) fn next(&mut self) -> Option<(DeviceId, Change)> {
        while let Some(device) = self.queue.pop_front() {
            if let Some(held) = self.held.get_mut(&device) {
                held.is_queued = false;
                if !held.is_ceded {
                    return Some((device, held.change.clone()));
                }
            }
        }
        None
    }

    /// A change could not be handed over: it is the next one again.
    pub(super) fn give_back(&mut self, device: DeviceId) {
        if let Some(held) = self.held.get_mut(&device).filter(|held| !held.is_queued) {
            held.is_queued = true;
            self.queue.push_front(device);
        }
    }

    /// Kafka has a version of a device's record.
    pub(super) fn written(&mut self, device: &DeviceId, version: u32) {
        let Some(held) = self.held.get_mut(device) else { return };
        if held.change.version != version || held.written == version {
            return;
        }
        if held.change.end.is_some() {
            self.remove(device);
        } else {
            held.written = version;
            self.unwritten -= 1;
        }
    }

    /// Kafka did not take a version of a device's record.
    pub(super) fn failed(&mut self, device: DeviceId, version: u32) {
        let newest = self.held.get_mut(&device).filter(|held| held.change.version == version);
        if let Some(held) = newest.filter(|held| !held.is_queued && held.written != version) {
            held.is_queued = true;
            self.failed.push(device);
        }
    }

    /// Queues what failed.
    pub(super) fn try_again(&mut self) {
        self.queue.extend(self.failed.drain(..));
    }

    /// The place, if this is its session.
    fn of_session(&mut self, device: &DeviceId, facts: &SessionFacts) -> Option<&mut Held> {
        let held = self.held.get_mut(device)?;
        (held.change.end.is_none() && held.change.session == session(facts)).then_some(held)
    }

    fn touch(&mut self, device: &DeviceId) {
        let Some(held) = self.held.get_mut(device) else { return };
        self.unwritten += usize::from(held.written == held.change.version);
        held.change.version = held.change.version.wrapping_add(1);
        if !held.is_queued {
            held.is_queued = true;
            self.queue.push_back(device.clone());
        }
    }

    fn remove(&mut self, device: &DeviceId) {
        if let Some(held) = self.held.remove(device) {
            self.ended -= usize::from(held.change.end.is_some());
            self.unwritten -= usize::from(held.written != held.change.version);
        }
    }

    /// Milliseconds since 1970 at the CONNECT, shifted by 16 bits, and above any epoch that this run has given. So the
    /// sessions of a device are in order on one frontend, and among frontends as far as their clocks agree.
    fn next_epoch(&mut self, connected_at_ms: u64) -> u64 {
        let by_clock = connected_at_ms.saturating_mul(1 << COUNTER_BITS);
        self.last_epoch = by_clock.max(self.last_epoch.saturating_add(1));
        self.last_epoch
    }
}

impl Held {
    fn end(&mut self, end: &'static str, now_ms: i64) {
        self.change.end = Some(end);
        self.change.since_ms = now_ms;
        self.change.accepts_commands = false;
    }
}

fn session(facts: &SessionFacts) -> Ulid {
    Ulid::from_string(&facts.session_id).unwrap_or_default()
}

#[cfg(test)]
mod tests;
