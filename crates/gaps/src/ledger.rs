//! The devices of one partition. Pure: records and times go in, changes come out; Kafka and clocks are elsewhere.

use std::collections::HashMap;

use compact_str::CompactString;
use fleetwire_model::pb::{DeviceLedger, Gap, PositionEvent, Quality};
use fleetwire_model::time::to_unix_ms;
use prost::Message as _;

use crate::device::{Device, Place, Seen};
use crate::followed::{Ended, Open, Shed};
use crate::message::message;
use crate::rules::Rules;
use crate::wire;

/// What a record was to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The newest of its device.
    Newest,
    /// Late, and something that was missing.
    Late,
    /// Neither: repeated, or earlier than the newest where nothing was missing.
    Known,
    /// Flagged as having a wrong clock; not judged.
    ClockSuspect,
    /// Without a time of the device; not judged.
    NoTime,
}

/// What is to be written for one device: first the state, then the gaps.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Key of all of it.
    pub device: CompactString,
    /// What becomes of its state in the topic.
    pub state: State,
    /// Records of gaps, in order.
    pub gaps: Vec<Gap>,
}

/// What becomes of a device's state in the topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It stays as it is.
    Keep,
    /// An encoded `DeviceLedger`.
    Write(Vec<u8>),
    /// It goes.
    Forget,
}

/// What was let go to stay within bounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Forgotten {
    pub(crate) shed: Shed,
    pub(crate) devices: u64,
}

/// What is known of the devices of one partition.
#[derive(Debug, Default)]
pub struct Ledger {
    devices: HashMap<CompactString, Device>,
    dirty: Vec<CompactString>,
    /// Changes of gaps that came with the states, and may not have been written.
    again: HashMap<CompactString, Vec<Gap>>,
    gone: Vec<Change>,
    open: usize,
    forgotten: Forgotten,
}

impl Ledger {
    /// Puts back a record of the state topic; later ones of a device replace earlier ones.
    pub fn restore(
        &mut self,
        key: &str,
        value: Option<&[u8]>,
        rules: &Rules,
    ) -> Result<(), prost::DecodeError> {
        self.again.remove(key);
        let Some(value) = value else {
            self.remove(key);
            return Ok(());
        };
        let mut state = DeviceLedger::decode(value)?;
        let unwritten = std::mem::take(&mut state.unwritten);
        if !unwritten.is_empty() {
            self.again.insert(key.into(), unwritten);
        }
        self.remove(key);
        let device = wire::read(&state, rules);
        self.open += device.gaps();
        self.devices.insert(key.into(), device);
        Ok(())
    }

    /// Takes in a position. Taken in once more, it changes nothing.
    pub fn record(&mut self, event: &PositionEvent, rules: &Rules, now_ms: i64) -> Kind {
        let received = event.received_time.as_ref().map_or(now_ms, to_unix_ms);
        let suspect =
            event.quality().any(|flag| matches!(flag, Quality::ClockInFuture | Quality::ClockTooOld));
        let time = event.device_time.as_ref().map(to_unix_ms);
        let (Some(time), false) = (time, suspect) else {
            if let Some(device) = self.devices.get_mut(event.device_id.as_str()) {
                device.heard(received);
            }
            return if suspect { Kind::ClockSuspect } else { Kind::NoTime };
        };
        let seen = Seen { time, received, ignition: event.ignition, is_moving: event.is_moving };
        let profile = rules.profile(&event.device_id, &event.model);
        let Some(device) = self.devices.get_mut(event.device_id.as_str()) else {
            let mut device = Device::new(&seen, profile);
            device.unwritten = true;
            let key = CompactString::from(event.device_id.as_str());
            self.dirty.push(key.clone());
            self.devices.insert(key, device);
            return Kind::Newest;
        };
        device.profile = profile;
        let (gaps, heard) = (device.gaps(), device.received);
        let place = device.record(&seen, rules, now_ms);
        let shed = if place == Place::Known { Shed::default() } else { device.tidy(rules, now_ms) };
        if (place != Place::Known || device.received != heard) && !device.unwritten {
            device.unwritten = true;
            self.dirty.push(event.device_id.as_str().into());
        }
        self.open = self.open + device.gaps() - gaps;
        self.forgotten.add(shed);
        match place {
            Place::Newest => Kind::Newest,
            Place::Late => Kind::Late,
            Place::Known => Kind::Known,
        }
    }

    /// Looks at every device: whether it is silent for too long, and what of it is too old to be followed.
    pub fn scan(&mut self, rules: &Rules, now_ms: i64) {
        let mut expired = Vec::new();
        for (key, device) in &mut self.devices {
            if now_ms.saturating_sub(device.received) > rules.keep_ms {
                expired.push(key.clone());
                continue;
            }
            let gaps = device.gaps();
            let shed = device.tidy(rules, now_ms);
            let silent = device.look(rules, now_ms);
            if (silent || shed != Shed::default()) && !device.unwritten {
                device.unwritten = true;
                self.dirty.push(key.clone());
            }
            self.open = self.open + device.gaps() - gaps;
            self.forgotten.add(shed);
        }
        for key in expired {
            self.forget(key, now_ms);
        }
    }

    /// What is to be written since the last call. The caller writes it before it asks again.
    pub fn changes(&mut self, rules: &Rules, now_ms: i64) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.gone);
        for key in std::mem::take(&mut self.dirty) {
            let Some(device) = self.devices.get_mut(&key) else { continue };
            device.unwritten = false;
            let mut gaps = self.again.remove(&key).unwrap_or_default();
            if let Some(mut open) = device.open.take() {
                gaps.extend(messages(&key, &mut open, now_ms));
                device.open = Some(open).filter(|open| !open.is_empty());
            }
            let state = wire::write(&key, device, gaps.clone(), rules).encode_to_vec();
            changes.push(Change { device: key, state: State::Write(state), gaps });
        }
        let again = self.again.drain();
        changes.extend(again.map(|(device, gaps)| Change { device, state: State::Keep, gaps }));
        changes
    }

    /// Devices that are remembered.
    pub fn devices(&self) -> usize {
        self.devices.len()
    }

    /// Gaps that are open or partly open.
    pub fn open_gaps(&self) -> usize {
        self.open
    }

    /// When each device was heard last, Unix milliseconds.
    pub(crate) fn heard(&self) -> impl Iterator<Item = i64> {
        self.devices.values().map(|device| device.received)
    }

    /// Lets go of the devices that were heard last at `received_ms` or before and have nothing to write; their state stays
    /// in the topic.
    pub(crate) fn evict(&mut self, received_ms: i64) -> usize {
        let before = self.devices.len();
        let open = &mut self.open;
        self.devices.retain(|_, device| {
            let stays = device.unwritten || device.received > received_ms;
            if !stays {
                *open -= device.gaps();
            }
            stays
        });
        before - self.devices.len()
    }

    /// What was let go since the last call.
    pub(crate) fn forgotten(&mut self) -> Forgotten {
        std::mem::take(&mut self.forgotten)
    }

    fn remove(&mut self, key: &str) -> Option<Device> {
        let device = self.devices.remove(key)?;
        self.open -= device.gaps();
        Some(device)
    }

    fn forget(&mut self, key: CompactString, now_ms: i64) {
        let Some(mut device) = self.remove(&key) else { return };
        let mut gaps = self.again.remove(&key).unwrap_or_default();
        if let Some(open) = device.open.as_deref_mut() {
            self.forgotten.shed.given_up += open.gaps.len() as u64;
            while let Some(gap) = open.gaps.first().map(|gap| gap.from) {
                open.give_up(gap);
            }
            gaps.extend(messages(&key, open, now_ms));
        }
        self.forgotten.devices += 1;
        self.gone.push(Change { device: key, state: State::Forget, gaps });
    }
}

impl Forgotten {
    fn add(&mut self, shed: Shed) {
        self.shed.quiet += shed.quiet;
        self.shed.merged += shed.merged;
        self.shed.given_up += shed.given_up;
    }
}

/// The records that tell what changed.
fn messages(device: &str, open: &mut Open, now_ms: i64) -> Vec<Gap> {
    let mut messages = Vec::new();
    for Ended { mut gap, missing } in std::mem::take(&mut open.ended) {
        gap.revision += 1;
        let given_up = !missing.is_empty();
        messages.push(Gap { given_up, ..message(device, &gap, &missing, now_ms) });
    }
    for index in 0..open.gaps.len() {
        let Some(gap) = open.gaps.get_mut(index).filter(|gap| gap.changed) else { continue };
        gap.changed = false;
        gap.revision += 1;
        let gap = *gap;
        messages.push(message(device, &gap, &open.missing(gap.from), now_ms));
    }
    messages
}
