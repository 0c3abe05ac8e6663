//! The knocks of one partition, and what is under way in it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use fleetwire_model::DeviceId;
use fleetwire_model::pb::Knock;
use fleetwire_registry::{Device, Devices};

use crate::knock::{self, Known};
use crate::release::Scan;
use crate::view::HeldView;

/// How long a request that changed nothing waits for the next one.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How old an activation is before anything is released: decoders know of it by then.
const SETTLE: Duration = Duration::from_secs(1);

/// One partition of ours.
#[derive(Debug)]
pub(crate) struct Page {
    /// Which assignment of the partition it belongs to.
    pub(crate) since: u64,
    knocks: HashMap<DeviceId, Knock>,
    limit: usize,
    /// Knocks that are to be written before the transaction ends.
    dirty: BTreeSet<DeviceId>,
    /// Active devices of which something is held, and that are released now.
    pub(crate) wanted: HashSet<DeviceId>,
    /// Those whose activation was seen a moment ago.
    settling: HashMap<DeviceId, Instant>,
    /// After a failure, when what is held is read again.
    pub(crate) retry_at: Option<Instant>,
    /// The reading of what is held, while it lasts.
    pub(crate) scan: Option<Box<Scan>>,
    /// Active devices of which nothing is held, and that publish here still.
    pub(crate) following: HashMap<DeviceId, Following>,
    /// Knocks that tell nothing any more.
    pub(crate) over: BTreeSet<DeviceId>,
    /// The end of the partition as it was at a time.
    pub(crate) end: Option<(i64, Instant)>,
    /// Everything that was there at this time has been read.
    pub(crate) read_at: Option<Instant>,
    /// Whether it is time to compare it with how far the partition is read.
    pub(crate) is_end_due: bool,
    /// Whether the open transaction holds something of it.
    pub(crate) is_touched: bool,
}

/// A device whose publishes are forwarded as they come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Following {
    since: Instant,
    last: Instant,
    asked: Option<Instant>,
}

/// How a publish of a device is to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// Nothing: it was treated before.
    Nothing,
    /// It stays here, and the knock counts it.
    Hold,
    /// It goes on.
    Forward,
}

impl Following {
    pub(crate) fn new(now: Instant) -> Self {
        Self { since: now, last: now, asked: None }
    }

    /// Whether it is time to let the device publish directly, if everything was read at `read_at`.
    pub(crate) fn may_end(
        &self,
        now: Instant,
        read_at: Option<Instant>,
        (quiet, patience): (Duration, Duration),
    ) -> bool {
        self.is_near(now, (quiet, patience)) && read_at.is_some_and(|read_at| read_at > self.since)
    }

    /// Whether it is time to know how far the partition is read.
    pub(crate) fn is_near(&self, now: Instant, (quiet, patience): (Duration, Duration)) -> bool {
        let is_quiet = now.duration_since(self.last) >= quiet || now.duration_since(self.since) >= patience;
        is_quiet && self.asked.is_none_or(|asked| now.duration_since(asked) >= ASK_AGAIN)
    }

    pub(crate) fn ask(&mut self, now: Instant) {
        self.asked = Some(now);
    }
}

impl Page {
    pub(crate) fn new(since: u64, limit: usize) -> Self {
        Self {
            since,
            knocks: HashMap::new(),
            limit: limit.max(1),
            dirty: BTreeSet::new(),
            wanted: HashSet::new(),
            settling: HashMap::new(),
            retry_at: None,
            scan: None,
            following: HashMap::new(),
            over: BTreeSet::new(),
            end: None,
            read_at: None,
            is_end_due: false,
            is_touched: false,
        }
    }

    /// Takes a record of the topic of knocks in.
    pub(crate) fn restore(&mut self, device: DeviceId, knock: Option<Knock>) {
        match knock {
            Some(knock) => self.knocks.insert(device, knock),
            None => self.knocks.remove(&device),
        };
    }

    pub(crate) fn len(&self) -> usize {
        self.knocks.len()
    }

    pub(crate) fn get(&self, device: &DeviceId) -> Option<&Knock> {
        self.knocks.get(device)
    }

    /// Compares the knocks with the registry.
    pub(crate) fn look(&mut self, devices: &Devices, now: Instant) {
        let device = |id: &DeviceId| devices.get(id).filter(Device::is_active);
        self.wanted.retain(|id| device(id).is_some());
        self.settling.retain(|id, _| device(id).is_some());
        self.following.retain(|id, _| device(id).is_some_and(|device| !device.is_direct()));
        for (id, knock) in &self.knocks {
            match device(id) {
                Some(_) if !knock::is_released(knock) => {
                    if self.wanted.contains(id) {
                        continue;
                    }
                    let since = *self.settling.entry(id.clone()).or_insert(now);
                    if now.duration_since(since) >= SETTLE {
                        self.settling.remove(id);
                        self.wanted.insert(id.clone());
                    }
                }
                Some(device) if !device.is_direct() => {
                    self.following.entry(id.clone()).or_insert_with(|| Following::new(now));
                }
                // The frontends know, or the device is none of ours any more.
                _ if knock::is_released(knock) => {
                    self.over.insert(id.clone());
                }
                _ => {}
            }
        }
    }

    /// Marks the knocks of which nothing is kept any more, and whose devices are not active.
    pub(crate) fn note_kept_from(&mut self, kept_from: i64) {
        let is_gone = |id: &DeviceId, knock: &Knock| {
            knock.last_offset < kept_from && !self.wanted.contains(id) && !self.settling.contains_key(id)
        };
        let gone = self.knocks.iter().filter(|(id, knock)| is_gone(id, knock));
        let gone: Vec<DeviceId> = gone.map(|(id, _)| id.clone()).collect();
        self.over.extend(gone);
    }

    /// Whether something is to be done that no record is the cause of.
    pub(crate) fn has_work(&self, now: Instant) -> bool {
        let may_read = self.retry_at.is_none_or(|at| now >= at);
        self.is_end_due || !self.over.is_empty() || (!self.wanted.is_empty() && may_read)
    }

    /// How the publish at an offset is to be treated.
    pub(crate) fn treat(&self, device: &DeviceId, offset: i64, is_active: bool) -> Treatment {
        match (self.knocks.get(device).map(|knock| knock::known(knock, offset)), is_active) {
            (Some(Known::Before), _) => Treatment::Nothing,
            (Some(Known::Behind), _) | (_, false) => Treatment::Hold,
            (_, true) => Treatment::Forward,
        }
    }

    /// Counts a publish that is held. Says how many knocks were let go for it.
    pub(crate) fn hold(
        &mut self,
        device: &DeviceId,
        (partition, offset): (i32, i64),
        view: &HeldView<'_>,
    ) -> usize {
        self.is_touched = true;
        match self.knocks.get_mut(device) {
            Some(knock) if !knock::is_released(knock) => knock::add(knock, offset, view),
            _ => {
                let knock = knock::first(device.as_str(), partition, offset, view);
                self.knocks.insert(device.clone(), knock);
            }
        }
        self.over.remove(device);
        self.dirty.insert(device.clone());
        self.let_go()
    }

    /// A publish of the device was forwarded, and more may come.
    pub(crate) fn follow(&mut self, device: &DeviceId, now: Instant) {
        let following = self.following.entry(device.clone()).or_insert_with(|| Following::new(now));
        following.last = now;
    }

    /// Whether the publish at an offset is to be released now.
    pub(crate) fn is_next(&self, device: &DeviceId, offset: i64) -> bool {
        self.knocks.get(device).is_some_and(|knock| knock::is_next(knock, offset))
    }

    /// The publish at an offset was released.
    pub(crate) fn release(&mut self, device: &DeviceId, offset: i64) {
        if let Some(knock) = self.knocks.get_mut(device) {
            knock::release(knock, offset);
            self.touch(device);
        }
    }

    /// Everything of the device below an offset was released; tells what was lost if that was everything.
    pub(crate) fn release_through(&mut self, device: &DeviceId, end: i64) -> Option<u64> {
        let lost = knock::release_through(self.knocks.get_mut(device)?, end)?;
        self.touch(device);
        Some(lost)
    }

    /// The knock tells nothing any more.
    pub(crate) fn forget(&mut self, device: &DeviceId) -> Option<Knock> {
        let knock = self.knocks.remove(device)?;
        self.touch(device);
        Some(knock)
    }

    /// The knocks to be written; those that are none any more have a tombstone.
    pub(crate) fn changes(&mut self) -> Vec<(DeviceId, Option<&Knock>)> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty
            .into_iter()
            .map(|device| {
                let knock = self.knocks.get(&device);
                (device, knock)
            })
            .collect()
    }

    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    fn touch(&mut self, device: &DeviceId) {
        self.is_touched = true;
        self.dirty.insert(device.clone());
    }

    /// Stays within the bound: who was silent longest goes, but nobody whose release is under way.
    fn let_go(&mut self) -> usize {
        let mut gone = 0;
        while self.knocks.len() > self.limit {
            let idle = self.knocks.iter().filter(|(device, _)| !self.wanted.contains(*device));
            let Some(oldest) = idle.min_by_key(|(_, knock)| knock::last_ms(knock)) else { break };
            let device = oldest.0.clone();
            self.knocks.remove(&device);
            self.touch(&device);
            gone += 1;
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> DeviceId {
        text.parse().unwrap()
    }

    fn view(ms: i64) -> HeldView<'static> {
        HeldView { received_ms: Some(ms), ..HeldView::default() }
    }

    #[test]
    fn what_comes_behind_something_held_is_held_although_the_device_is_active() {
        let mut page = Page::new(0, 10);
        let (held, free) = (id("held"), id("free"));
        page.hold(&held, (0, 4), &view(0));
        assert_eq!(page.treat(&held, 5, true), Treatment::Hold);
        assert_eq!(page.treat(&held, 4, true), Treatment::Nothing);
        assert_eq!(page.treat(&free, 5, true), Treatment::Forward);
        assert_eq!(page.treat(&free, 5, false), Treatment::Hold);
        assert_eq!(page.release_through(&held, 5), Some(1));
        assert_eq!(page.treat(&held, 5, true), Treatment::Forward);
        // Without its activation it begins anew.
        page.hold(&held, (0, 6), &view(0));
        assert_eq!(page.get(&held).map(|knock| (knock.first_offset, knock.messages)), Some((6, 1)));
    }

    #[test]
    fn beyond_the_bound_who_was_silent_longest_goes_and_gets_a_tombstone() {
        let mut page = Page::new(0, 2);
        let gone: usize = [("a", 3), ("b", 1), ("c", 2)]
            .into_iter()
            .zip(0..)
            .map(|((name, ms), offset)| page.hold(&id(name), (0, offset), &view(ms)))
            .sum();
        assert_eq!((gone, page.len()), (1, 2));
        let changes: Vec<_> =
            page.changes().into_iter().map(|(device, knock)| (device, knock.is_some())).collect();
        assert_eq!(changes, [(id("a"), true), (id("b"), false), (id("c"), true)]);
        assert!(!page.is_dirty());
    }

    #[test]
    fn a_device_publishes_directly_when_it_was_quiet_and_everything_was_read() {
        let start = Instant::now();
        let (quiet, patience) = (Duration::from_secs(1), Duration::from_secs(10));
        let at = |ms| start + Duration::from_millis(ms);
        let mut following = Following::new(start);
        following.last = at(500);
        assert!(!following.may_end(at(1400), Some(at(1300)), (quiet, patience)));
        assert!(!following.may_end(at(1500), None, (quiet, patience)));
        assert!(following.may_end(at(1500), Some(at(1300)), (quiet, patience)));
        following.last = at(9_900);
        assert!(following.may_end(at(10_000), Some(at(9_990)), (quiet, patience)), "it is never quiet");
        following.ask(at(10_000));
        assert!(!following.may_end(at(12_000), Some(at(11_000)), (quiet, patience)), "it was asked for");
        assert!(following.may_end(at(20_000), Some(at(19_000)), (quiet, patience)));
    }
}
