//! What no record is the cause of: releases, and what follows them.

use std::time::{Duration, Instant};

use fleetwire_kafka::{Outputs, SendError};
use fleetwire_model::DeviceId;
use fleetwire_model::pb::TraceStepKind;
use fleetwire_registry::Device;
use tracing::{debug, info, warn};

use super::{Keeping, Waited, send};
use crate::knock;
use crate::page::Page;
use crate::release::{Scan, Step, StepError, Taken};
use crate::steps;

/// How often the knocks are compared with the registry.
const LOOK: Duration = Duration::from_millis(250);
/// How often it is looked whether the topic still has what is held.
const LOOK_BACK: Duration = Duration::from_mins(1);
/// How much of the group's records comes between two steps of a release.
const FAIR_RECORDS: u32 = 500;
const FAIR: Duration = Duration::from_millis(100);
/// How long a release waits after a failure.
const AGAIN: Duration = Duration::from_secs(1);

/// Whose turn it is: the records of the group, or what is due.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Records since the last step.
    records: u32,
    /// Whether one came since it was asked last.
    has_record: bool,
    last_step: Option<Instant>,
    /// Whether a step was offered and not taken.
    is_offered: bool,
    last_partition: i32,
    next_look: Option<Instant>,
    next_look_back: Option<Instant>,
}

impl Turns {
    pub(super) fn record(&mut self) {
        self.records += 1;
        self.has_record = true;
    }

    /// Knocks are new: what the topic still has is looked at soon.
    pub(super) fn look_back(&mut self) {
        self.next_look_back = None;
    }

    /// Whether something that is due may have its turn.
    fn may_step(&mut self, now: Instant) -> bool {
        let is_flowing = std::mem::take(&mut self.has_record);
        let is_fair = self.records >= FAIR_RECORDS
            || self.last_step.is_none_or(|last| now.duration_since(last) >= FAIR);
        // What could not be taken is not offered at once again.
        !std::mem::take(&mut self.is_offered) && (!is_flowing || is_fair)
    }

    fn stepped(&mut self, partition: i32) {
        self.is_offered = false;
        self.records = 0;
        self.last_step = Some(Instant::now());
        self.last_partition = partition;
    }
}

impl Keeping {
    /// The partition in which something is due.
    pub(super) fn next_work(&mut self, now: Instant) -> Option<i32> {
        if self.turns.next_look.is_none_or(|at| now >= at) {
            self.turns.next_look = Some(now + LOOK);
            self.look(now);
        }
        if !self.turns.may_step(now) {
            return None;
        }
        // Partitions have their turns one after the other.
        let last = self.turns.last_partition;
        let with_work = self.pages.iter().filter(|(_, page)| page.has_work(now)).map(|(number, _)| *number);
        let number = with_work.min_by_key(|number| (*number <= last, *number))?;
        self.open_scan(number, now);
        self.turns.is_offered = true;
        Some(number)
    }

    /// Compares the knocks with the registry and, once in a while, with what the topic still has.
    fn look(&mut self, now: Instant) {
        let limits = (self.settings.quiet, self.settings.patience);
        let look_back = self.turns.next_look_back.is_none_or(|at| now >= at);
        if look_back {
            self.turns.next_look_back = Some(now + LOOK_BACK);
        }
        for (number, page) in &mut self.pages {
            page.look(&self.devices, now);
            let is_near = page.following.values().any(|following| following.is_near(now, limits));
            if !(is_near || look_back && page.len() > 0) {
                continue;
            }
            match self.watermarks.of(&self.held, *number) {
                Ok((kept_from, end)) => {
                    page.note_kept_from(kept_from);
                    page.end.get_or_insert((end, now));
                    page.is_end_due = is_near;
                }
                Err(err) => {
                    debug!(%err, "the held topic's ends are not known; asked again");
                    break;
                }
            }
        }
        let pages = || self.pages.values();
        let releasing = pages().map(|page| page.wanted.len() + page.following.len()).sum();
        self.metrics.size(pages().map(Page::len).sum(), releasing);
    }

    /// Begins to read what is held, where that is due.
    fn open_scan(&mut self, number: i32, now: Instant) {
        let Some(page) = self.pages.get_mut(&number) else { return };
        if page.scan.is_some() || page.wanted.is_empty() || page.retry_at.is_some_and(|at| now < at) {
            return;
        }
        page.retry_at = None;
        match Scan::open(&self.source.client, (&self.held, number), page, &self.source.stop) {
            Ok(Some(scan)) => page.scan = Some(scan),
            // They were released while they waited.
            Ok(None) => page.wanted.clear(),
            Err(err) => {
                warn!(%err, partition = number, "what is held cannot be read; tried again");
                page.retry_at = Some(Instant::now() + AGAIN);
            }
        }
    }

    /// Does what is due in a partition of which everything below `position` has been read.
    pub(super) fn work(
        &mut self,
        number: i32,
        position: i64,
        outputs: &Outputs<'_>,
    ) -> Result<(), SendError> {
        self.turns.stepped(number);
        let Some(page) = self.pages.get_mut(&number) else { return Ok(()) };
        page.is_end_due = false;
        if let Some((_, at)) = page.end.take_if(|(end, _)| position >= *end) {
            page.read_at = Some(at);
        }
        for device in std::mem::take(&mut page.over) {
            let Some(knock) = page.forget(&device) else { continue };
            if knock::is_released(&knock) {
                self.tally.completed += 1;
            } else {
                self.tally.expired += 1;
            }
        }
        let (now, limits) = (Instant::now(), (self.settings.quiet, self.settings.patience));
        let read_at = page.read_at;
        let may_end =
            page.following.iter_mut().filter(|(_, following)| following.may_end(now, read_at, limits));
        for (device, following) in may_end {
            // Whoever finds it full is told again later.
            if self.released.try_send(device.clone()).is_ok() {
                following.ask(now);
            }
        }
        self.release(number, outputs)
    }

    /// One step of the release of a partition's devices.
    fn release(&mut self, number: i32, outputs: &Outputs<'_>) -> Result<(), SendError> {
        let Some(page) = self.pages.get_mut(&number) else { return Ok(()) };
        let Some(scan) = page.scan.take() else { return Ok(()) };
        let stepped = scan.step(|device, message| {
            let Some(found) = self.devices.get(device).filter(Device::is_active) else {
                return Ok(Taken::Inactive);
            };
            if !page.is_next(device, message.offset()) {
                return Ok(Taken::Passed);
            }
            send(message, (&self.raw, Waited::Released), found, (&mut self.buffer, outputs))?;
            page.release(device, message.offset());
            steps::tell(&self.tracer, TraceStepKind::Released, message, device);
            self.tally.released += 1;
            Ok(Taken::Sent)
        });
        match stepped {
            Ok(Step::More(scan)) => page.scan = Some(scan),
            Ok(Step::Finished(end, devices)) => self.finish(number, end, devices),
            Err(StepError::Send(err)) => return Err(err),
            Err(StepError::Read(err)) => {
                warn!(%err, partition = number, "what is held cannot be read; tried again");
                page.retry_at = Some(Instant::now() + AGAIN);
            }
        }
        Ok(())
    }

    /// Everything of these devices below an offset was released, unless one is not active any more.
    fn finish(&mut self, number: i32, end: i64, devices: Vec<DeviceId>) {
        let Some(page) = self.pages.get_mut(&number) else { return };
        for device in devices {
            if self.devices.get(&device).is_none_or(|found| !found.is_active()) {
                continue;
            }
            // What came meanwhile is the next reading's.
            let Some(lost) = page.release_through(&device, end) else { continue };
            page.wanted.remove(&device);
            page.follow(&device, Instant::now());
            self.tally.lost += lost;
            let released = page.get(&device).map_or(0, |knock| knock.released);
            info!(device = device.as_str(), released, lost, "what was held is released");
        }
    }
}
