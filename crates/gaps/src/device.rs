//! What the ledger knows of one device, and what a record, or its absence, does to it.

use crate::followed::{Limits, NO_END, Open, Shed, Stretch};
use crate::interval::Differences;
use crate::rules::{Interval, Motion, Profile, Rules};

/// A record as the ledger sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// By the device's clock, Unix milliseconds.
    pub(crate) time: i64,
    /// By the frontend's clock, Unix milliseconds.
    pub(crate) received: i64,
    pub(crate) ignition: Option<bool>,
    pub(crate) is_moving: Option<bool>,
}

/// What a record was to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Later than all before it; or of the same instant, and it tells more of it.
    Newest,
    /// Within a stretch that is followed, or at its beginning with news of it.
    Late,
    /// Earlier than the newest, where nothing was missing; repeated records are here.
    Known,
}

/// One device. Some 150 bytes; what is missing, which is rare, lies elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    /// Time of the first record seen; what is earlier is not judged.
    pub(crate) since: i64,
    /// Time of the newest record.
    pub(crate) last: i64,
    /// When something of it was received last.
    pub(crate) received: i64,
    /// At `last`.
    pub(crate) motion: Motion,
    pub(crate) tells_ignition: bool,
    pub(crate) profile: Profile,
    pub(crate) active: Differences,
    pub(crate) parked: Differences,
    pub(crate) open: Option<Box<Open>>,
    /// Whether it differs from what is written.
    pub(crate) unwritten: bool,
}

impl Device {
    /// A device with its first record.
    pub(crate) fn new(seen: &Seen, profile: Profile) -> Self {
        let mut device = Self {
            since: seen.time,
            last: seen.time,
            received: seen.received,
            motion: Motion::Active,
            tells_ignition: false,
            profile,
            active: Differences::default(),
            parked: Differences::default(),
            open: None,
            unwritten: false,
        };
        device.motion = device.motion_of(seen).unwrap_or(Motion::Active);
        device
    }

    /// Takes in a record. Taken in once more, it changes nothing.
    pub(crate) fn record(&mut self, seen: &Seen, rules: &Rules, now_ms: i64) -> Place {
        self.received = self.received.max(seen.received);
        let motion = self.motion_of(seen);
        if seen.time > self.last {
            self.newest(seen.time, rules, now_ms);
            self.motion = motion.unwrap_or(self.motion);
            return Place::Newest;
        }
        // Of two records of one instant, the one that says "parked" counts, whichever comes first.
        let parks = motion == Some(Motion::Parked);
        let is_news = seen.time == self.last && parks && self.motion == Motion::Active;
        if is_news {
            self.motion = Motion::Parked;
        }
        let mut place = if is_news { Place::Newest } else { Place::Known };
        if let Some(mut open) = self.open.take() {
            let limits = self.limits(rules, now_ms);
            if open.split(seen.time, motion, &limits) || (parks && open.park(seen.time, &limits)) {
                place = Place::Late;
            }
            self.put(open);
        }
        place
    }

    /// Something came of which the time means nothing.
    pub(crate) fn heard(&mut self, received: i64) {
        self.received = self.received.max(received);
    }

    /// Looks whether the device is silent for too long; true if that is new.
    pub(crate) fn look(&mut self, rules: &Rules, now_ms: i64) -> bool {
        let silent = now_ms.saturating_sub(self.received.max(self.last));
        if silent <= rules.min_gap_ms || self.open.as_ref().is_some_and(|open| open.is_silent()) {
            return false;
        }
        let limits = self.limits(rules, now_ms);
        let Some(limit) = limits.of(self.motion) else { return false };
        if silent <= rules.silence_ms(limit) {
            return false;
        }
        let mut open = self.open.take().unwrap_or_default();
        open.note(Stretch::new(self.last, NO_END, self.motion), &limits);
        self.put(open);
        true
    }

    /// Lets go of what is too old, and of what is too much.
    pub(crate) fn tidy(&mut self, rules: &Rules, now_ms: i64) -> Shed {
        let Some(mut open) = self.open.take() else { return Shed::default() };
        let aged = open.age(now_ms.saturating_sub(rules.keep_ms));
        let bound = open.bound(rules.max_stretches);
        self.put(open);
        Shed {
            quiet: aged.quiet + bound.quiet,
            merged: bound.merged,
            given_up: aged.given_up + bound.given_up,
        }
    }

    /// Gaps that are open.
    pub(crate) fn gaps(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.gaps.len())
    }

    /// The interval by which it is judged.
    pub(crate) fn interval(&self, motion: Motion, rules: &Rules) -> Option<Interval> {
        let differences = match motion {
            Motion::Active => &self.active,
            Motion::Parked => &self.parked,
        };
        let learned = || Some(Interval { seconds: differences.interval_s()?, learned: true });
        rules.configured(self.profile, motion).or_else(learned)
    }

    fn newest(&mut self, time: i64, rules: &Rules, now_ms: i64) {
        let (from, motion) = (self.last, self.motion);
        let difference = time.saturating_sub(from);
        let is_silent = self.open.as_ref().is_some_and(|open| open.is_silent());
        // No stretch up to this is a gap of anybody: most records end here.
        if is_silent || difference > rules.min_gap_ms {
            let limits = self.limits(rules, now_ms);
            let mut open = self.open.take().unwrap_or_default();
            if is_silent {
                open.end_silence(time, &limits);
            } else {
                open.note(Stretch::new(from, time, motion), &limits);
            }
            self.put(open);
        }
        match motion {
            Motion::Active => self.active.push(difference),
            Motion::Parked => self.parked.push(difference),
        }
        self.last = time;
    }

    fn limits<'a>(&self, rules: &'a Rules, now_ms: i64) -> Limits<'a> {
        let limit = |motion| self.interval(motion, rules).map(|interval| rules.limit(interval));
        let parked = if rules.judge_parked { limit(Motion::Parked) } else { None };
        Limits { rules, active: limit(Motion::Active), parked, now_ms }
    }

    /// What a record says of the device; the ignition goes before the movement for a device that ever told it.
    fn motion_of(&mut self, seen: &Seen) -> Option<Motion> {
        self.tells_ignition |= seen.ignition.is_some();
        let in_use = if self.tells_ignition { seen.ignition } else { seen.is_moving };
        in_use.map(|in_use| if in_use { Motion::Active } else { Motion::Parked })
    }

    fn put(&mut self, open: Box<Open>) {
        self.open = Some(open).filter(|open| !open.is_empty());
    }
}
