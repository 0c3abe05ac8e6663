//! The devices of one partition that were heard of lately, and when each may be written again.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use fleetwire_kafka::Done;
use fleetwire_model::DeviceId;
use fleetwire_model::pb::DeviceState;

use crate::last::{Kind, Last};
use crate::report::Report;

/// One partition of ours. Every device in it is either to be written now, or rests until it may be written again.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) since: u64,
    interval: Duration,
    devices: HashMap<DeviceId, Tracked>,
    now: VecDeque<DeviceId>,
    resting: VecDeque<(Instant, DeviceId)>,
    waiting: usize,
    /// Offset that follows the last state that was written.
    written_end: i64,
}

#[derive(Debug)]
struct Tracked {
    last: Last,
    /// The oldest position that is not in a written state.
    done: Option<Done>,
}

/// What may be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct When {
    pub(super) now: Instant,
    /// Whether nothing is to wait any longer.
    pub(super) all: bool,
    /// States of one batch.
    pub(super) max: usize,
}

/// States to be written, and the positions that are complete then.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Devices with their records.
    pub(crate) states: Vec<(DeviceId, Vec<u8>)>,
    pub(crate) done: Vec<Done>,
}

impl Page {
    pub(super) fn new(since: u64, interval: Duration) -> Self {
        Self {
            since,
            interval,
            devices: HashMap::new(),
            now: VecDeque::new(),
            resting: VecDeque::new(),
            waiting: 0,
            written_end: 0,
        }
    }

    /// Devices with positions that are not in a written state.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes in a position. What was written of a device that is new here is asked for.
    pub(super) fn take(
        &mut self,
        device: DeviceId,
        report: &Report<'_>,
        done: Done,
        written: impl FnOnce(&DeviceId) -> Option<DeviceState>,
    ) -> Kind {
        let Some(tracked) = self.devices.get_mut(&device) else {
            let mut last = written(&device).as_ref().map_or_else(Last::default, Last::from);
            let kind = last.take(report);
            self.now.push_back(device.clone());
            self.waiting += 1;
            self.devices.insert(device, Tracked { last, done: Some(done) });
            return kind;
        };
        if tracked.done.is_some() {
            // The older one holds the offset back, and whoever begins there reads this one too.
            done.complete();
        } else {
            tracked.done = Some(done);
            self.waiting += 1;
        }
        tracked.last.take(report)
    }

    /// Adds what may be written now, or all that waits. Forgets devices that have rested, once the view has what was
    /// written of them.
    pub(super) fn due(&mut self, when: When, has_passed: impl FnOnce(i64) -> bool, batch: &mut Batch) {
        let When { now, all, max } = when;
        while batch.states.len() < max {
            let Some(device) = self.now.pop_front() else { break };
            self.write(device, now, batch);
        }
        let may_go = has_passed(self.written_end);
        // Each once: those that go on resting do so at the end.
        for _ in 0..self.resting.len() {
            let is_due = |(until, _): &mut (Instant, DeviceId)| all || *until <= now;
            let Some((until, device)) = self.resting.pop_front_if(is_due) else { break };
            match self.devices.get(&device) {
                Some(tracked) if tracked.done.is_some() && batch.states.len() < max => {
                    self.write(device, now, batch);
                }
                Some(tracked) if tracked.done.is_none() && may_go && until <= now => {
                    self.devices.remove(&device);
                }
                Some(_) => self.resting.push_back((until.max(now), device)),
                None => {}
            }
        }
    }

    /// Kafka has what was to be written, up to this offset.
    pub(super) fn wrote(&mut self, offset: i64) {
        self.written_end = self.written_end.max(offset.saturating_add(1));
    }

    /// The positions that are not complete.
    pub(super) fn into_done(self) -> impl Iterator<Item = Done> {
        self.devices.into_values().filter_map(|tracked| tracked.done)
    }

    fn write(&mut self, device: DeviceId, now: Instant, batch: &mut Batch) {
        let Some(tracked) = self.devices.get_mut(&device) else { return };
        let Some(done) = tracked.done.take() else { return };
        self.waiting -= 1;
        let mut value = Vec::with_capacity(128);
        tracked.last.write(&mut value, device.as_str());
        batch.states.push((device.clone(), value));
        batch.done.push(done);
        self.resting.push_back((now + self.interval, device));
    }
}
