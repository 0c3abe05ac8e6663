//! The stretches without records that are followed for one device, and the gaps that they make up.
//!
//! A stretch lies between two records that follow each other in time. A late record splits it, and what is then too
//! short goes. So the stretches depend on which records came, not on their order, and a record that comes twice
//! changes nothing: it is the end of a stretch, never inside one.
//!
//! A stretch that is no gap, because the device was parked at its beginning, is followed as well, without a word: a
//! late record may show that the device was in use.

use crate::rules::{Interval, Motion, Rules};

/// End of a stretch that is not over: the device is silent.
pub(crate) const NO_END: i64 = i64::MAX;

/// The time between two records, Unix milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) from: i64,
    /// [`NO_END`] while the device is silent.
    pub(crate) to: i64,
    /// Of the device at `from`.
    pub(crate) motion: Motion,
    /// `from` of the gap that it belongs to.
    pub(crate) gap: Option<i64>,
}

impl Stretch {
    pub(crate) fn new(from: i64, to: i64, motion: Motion) -> Self {
        Self { from, to, motion, gap: None }
    }

    fn length(&self) -> i64 {
        self.to.saturating_sub(self.from)
    }
}

/// A gap that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Followed {
    /// As it was opened.
    pub(crate) from: i64,
    /// As it was opened; [`NO_END`] while the device is silent.
    pub(crate) to: i64,
    pub(crate) opened_ms: i64,
    pub(crate) interval: Interval,
    pub(crate) motion: Motion,
    /// Of the last record written.
    pub(crate) revision: u32,
    /// Whether a record is to be written.
    pub(crate) changed: bool,
}

/// A gap that is followed no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) gap: Followed,
    /// What is left missing, `from` and `to`; nothing if the gap is closed.
    pub(crate) missing: Vec<(i64, i64)>,
}

/// From when on a stretch is a gap, and by which interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) interval: Interval,
    pub(crate) threshold_ms: i64,
}

/// The limits of a device now; there is none where nothing is a gap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) active: Option<Limit>,
    pub(crate) parked: Option<Limit>,
    /// The clock of the ledger, Unix milliseconds.
    pub(crate) now_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Nothing,
    Quiet,
    Gap(Interval),
}

impl Limits<'_> {
    pub(crate) fn of(&self, motion: Motion) -> Option<Limit> {
        match motion {
            Motion::Active => self.active,
            Motion::Parked => self.parked,
        }
    }

    /// A part of a gap is judged as the gap was: `parent` is its limit, if the device is in the same state.
    fn judge(&self, stretch: &Stretch, parent: Option<Limit>) -> Verdict {
        let limit = parent.or_else(|| self.of(stretch.motion));
        if let Some(limit) = limit.filter(|limit| stretch.length() > limit.threshold_ms) {
            return Verdict::Gap(limit.interval);
        }
        let shortest = [self.active, self.parked, parent].into_iter().flatten().map(|l| l.threshold_ms).min();
        match shortest {
            Some(shortest) if stretch.length() > shortest => Verdict::Quiet,
            _ => Verdict::Nothing,
        }
    }
}

/// What was let go to stay within the bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Shed {
    /// Stretches that were no gap.
    pub(crate) quiet: u64,
    /// Neighbours that became one, and what came between them is missing again.
    pub(crate) merged: u64,
    /// Gaps that are no longer followed.
    pub(crate) given_up: u64,
}

/// Everything that is followed for one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Open {
    /// In order of time; they never overlap.
    pub(crate) stretches: Vec<Stretch>,
    /// In order of time.
    pub(crate) gaps: Vec<Followed>,
    /// Not yet written.
    pub(crate) ended: Vec<Ended>,
}

impl Open {
    /// Nothing to follow and nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.stretches.is_empty() && self.gaps.is_empty() && self.ended.is_empty()
    }

    /// Whether the device is silent, and that is noted.
    pub(crate) fn is_silent(&self) -> bool {
        self.stretches.last().is_some_and(|stretch| stretch.to == NO_END)
    }

    /// Notes a stretch, if it is long enough.
    pub(crate) fn note(&mut self, stretch: Stretch, limits: &Limits<'_>) {
        self.place(stretch, None, limits);
    }

    /// A record within a stretch: it splits. `motion` is the record's own, if it tells. False if it is in none.
    pub(crate) fn split(&mut self, time: i64, motion: Option<Motion>, limits: &Limits<'_>) -> bool {
        let inside = |stretch: &Stretch| stretch.from < time && time < stretch.to;
        let Some(index) = self.stretches.iter().position(inside) else { return false };
        let whole = self.stretches.remove(index);
        let parent = whole.gap.and_then(|gap| self.followed(gap)).copied();
        let before = Stretch { to: time, ..whole };
        let after = Stretch { from: time, motion: motion.unwrap_or(whole.motion), ..whole };
        for part in [before, after] {
            self.place(part, parent, limits);
        }
        self.settle(whole.gap);
        true
    }

    /// The silent device is back with a record of this time.
    pub(crate) fn end_silence(&mut self, time: i64, limits: &Limits<'_>) {
        let Some(mut stretch) = self.stretches.pop_if(|stretch| stretch.to == NO_END) else { return };
        stretch.to = time;
        if let Some(gap) = stretch.gap.and_then(|from| self.gaps.iter_mut().find(|gap| gap.from == from)) {
            gap.to = time;
        }
        let parent = stretch.gap.and_then(|gap| self.followed(gap)).copied();
        self.place(stretch, parent, limits);
        self.settle(stretch.gap);
    }

    /// A second record at the beginning of a stretch says that the device was parked. False if that is no news.
    pub(crate) fn park(&mut self, time: i64, limits: &Limits<'_>) -> bool {
        let begins = |stretch: &Stretch| stretch.from == time && stretch.motion == Motion::Active;
        let Some(index) = self.stretches.iter().position(begins) else { return false };
        let stretch = self.stretches.remove(index);
        let parent = stretch.gap.and_then(|gap| self.followed(gap)).copied();
        self.place(Stretch { motion: Motion::Parked, ..stretch }, parent, limits);
        self.settle(stretch.gap);
        true
    }

    /// Lets go of what ended before `time`.
    pub(crate) fn age(&mut self, time: i64) -> Shed {
        let mut shed = Shed::default();
        let over = |from: i64, to: i64| if to == NO_END { from < time } else { to < time };
        while let Some(gap) = self.gaps.iter().find(|gap| over(gap.from, gap.to)).map(|gap| gap.from) {
            self.give_up(gap);
            shed.given_up += 1;
        }
        let before = self.stretches.len();
        self.stretches.retain(|stretch| stretch.gap.is_some() || !over(stretch.from, stretch.to));
        shed.quiet += (before - self.stretches.len()) as u64;
        shed
    }

    /// Lets go of what is more than `max`: first of what is no gap, then of the oldest gaps; the last gap is kept
    /// and made coarser.
    pub(crate) fn bound(&mut self, max: usize) -> Shed {
        let mut shed = Shed::default();
        while self.stretches.len() > max {
            if let Some(quiet) = self.stretches.iter().position(|stretch| stretch.gap.is_none()) {
                self.stretches.remove(quiet);
                shed.quiet += 1;
            } else if let [oldest, _, ..] = *self.gaps.as_slice() {
                self.give_up(oldest.from);
                shed.given_up += 1;
            } else if self.merge_closest() {
                shed.merged += 1;
            } else {
                break;
            }
        }
        shed
    }

    /// What is missing of a gap.
    pub(crate) fn missing(&self, gap: i64) -> Vec<(i64, i64)> {
        let parts = self.stretches.iter().filter(|stretch| stretch.gap == Some(gap));
        parts.map(|stretch| (stretch.from, stretch.to)).collect()
    }

    /// Stops following a gap; what is missing stays so.
    pub(crate) fn give_up(&mut self, from: i64) {
        let missing = self.missing(from);
        self.stretches.retain(|stretch| stretch.gap != Some(from));
        if let Some(index) = self.gaps.iter().position(|gap| gap.from == from) {
            self.ended.push(Ended { gap: self.gaps.remove(index), missing });
        }
    }

    fn followed(&self, from: i64) -> Option<&Followed> {
        self.gaps.iter().find(|gap| gap.from == from)
    }

    /// Judges a stretch and puts it where it belongs; a gap of its own is opened where it has none.
    fn place(&mut self, mut stretch: Stretch, parent: Option<Followed>, limits: &Limits<'_>) {
        let as_parent =
            parent.filter(|gap| gap.motion == stretch.motion).map(|gap| limits.rules.limit(gap.interval));
        stretch.gap = match limits.judge(&stretch, as_parent) {
            Verdict::Nothing => return,
            Verdict::Quiet => None,
            Verdict::Gap(interval) => {
                let gap = parent.map_or_else(|| self.open(&stretch, interval, limits.now_ms), |gap| gap.from);
                Some(gap)
            }
        };
        let index = self.stretches.partition_point(|other| other.from < stretch.from);
        self.stretches.insert(index, stretch);
    }

    fn open(&mut self, stretch: &Stretch, interval: Interval, now_ms: i64) -> i64 {
        if self.followed(stretch.from).is_some() {
            return stretch.from;
        }
        let gap = Followed {
            from: stretch.from,
            to: stretch.to,
            opened_ms: now_ms,
            interval,
            motion: stretch.motion,
            revision: 0,
            changed: true,
        };
        let index = self.gaps.partition_point(|other| other.from < gap.from);
        self.gaps.insert(index, gap);
        gap.from
    }

    /// A gap's stretches have changed: it is to be written, and closed if none is left.
    fn settle(&mut self, gap: Option<i64>) {
        let Some(index) = gap.and_then(|from| self.gaps.iter().position(|gap| gap.from == from)) else {
            return;
        };
        let is_left = self.stretches.iter().any(|stretch| stretch.gap == gap);
        if let Some(gap) = self.gaps.get_mut(index) {
            gap.changed = true;
        }
        if !is_left {
            self.ended.push(Ended { gap: self.gaps.remove(index), missing: Vec::new() });
        }
    }

    /// Joins the two neighbours that have least between them.
    fn merge_closest(&mut self) -> bool {
        let between = self.stretches.windows(2).map(|pair| match pair {
            [one, other] => other.from.saturating_sub(one.to),
            _ => i64::MAX,
        });
        let Some((index, _)) = between.enumerate().min_by_key(|(_, between)| *between) else { return false };
        let other = self.stretches.remove(index + 1);
        let gap = self.stretches.get_mut(index).and_then(|one| {
            one.to = other.to;
            one.gap
        });
        self.settle(gap);
        true
    }
}
