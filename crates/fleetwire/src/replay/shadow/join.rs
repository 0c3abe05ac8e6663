//! Matches what this build makes with what was produced, in bounded memory. Pure: no Kafka, no clock.
//!
//! Both sides come about in the order of the time of reception. What was produced waits until its raw record is
//! decoded, and is settled then. What this build makes waits until its topic is surely past its time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::replay::shadow::side::{Place, Side};

/// What became of one place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Both sides are there.
    Both { old: Side, new: Side },
    /// This build makes it, and it was not produced.
    Added(Side),
    /// It was produced, and this build does not make it.
    Removed(Side),
    /// It was produced more than once, after a decoder had ended, or by a replay; the first one counts.
    Repeat { differs: bool },
    /// It was produced of a raw record that is not there now, or not of the range.
    Orphan,
    /// It came so late that its place is forgotten: not compared.
    Late,
}

/// Too much waits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} events wait for their counterpart, more than --max-waiting allows: the decoders were far apart at that \
     time; take a shorter range, one --device, a shorter --settle, or more memory with --max-waiting"
)]
pub(super) struct TooMany(usize);

/// Something that this build makes.
#[derive(Debug)]
enum New {
    Waiting(Side),
    /// It has met what was produced, of which the hash is kept so that repeats are known.
    Met(u64),
}

/// What waits on both sides.
#[derive(Debug)]
pub(super) struct Join {
    settle_ms: i64,
    max_waiting: usize,
    /// Produced, and its raw record is not decoded yet.
    old: BTreeMap<Place, Side>,
    /// Made by this build.
    new: HashMap<Place, New>,
    /// The places of `new`, by time of reception.
    due: BTreeSet<(i64, Place)>,
    waiting_new: usize,
    /// How far each raw partition is decoded: the next offset.
    decoded: HashMap<i32, i64>,
}

impl Join {
    pub(super) fn new(settle_ms: i64, max_waiting: usize) -> Self {
        Self {
            settle_ms,
            max_waiting,
            old: BTreeMap::new(),
            new: HashMap::new(),
            due: BTreeSet::new(),
            waiting_new: 0,
            decoded: HashMap::new(),
        }
    }

    /// Something that was produced, of a raw record of the range. `raw_ms` is how far the raw topic is read.
    pub(super) fn produced(&mut self, old: Side, raw_ms: i64) -> Result<Option<Verdict>, TooMany> {
        let place = old.place;
        match self.new.get_mut(&place) {
            Some(known) => {
                return Ok(Some(match std::mem::replace(known, New::Met(hash(&old))) {
                    New::Waiting(new) => {
                        self.waiting_new -= 1;
                        Verdict::Both { old, new }
                    }
                    New::Met(first) => {
                        *known = New::Met(first);
                        Verdict::Repeat { differs: first != hash(&old) }
                    }
                }));
            }
            None if self.decoded.get(&place.partition).is_some_and(|next| place.offset < *next) => {
                let forgotten = old.received_ms.saturating_add(self.settle_ms) < raw_ms;
                return Ok(Some(if forgotten { Verdict::Late } else { Verdict::Removed(old) }));
            }
            None => {}
        }
        if let Some(first) = self.old.get(&place) {
            return Ok(Some(Verdict::Repeat { differs: first.value != old.value }));
        }
        self.old.insert(place, old);
        self.bound().map(|()| None)
    }

    /// A raw record is decoded by this build, into these.
    pub(super) fn decoded(
        &mut self,
        (partition, offset): (i32, i64),
        made: Vec<Side>,
        mut verdict: impl FnMut(Verdict),
    ) -> Result<(), TooMany> {
        self.decoded.insert(partition, offset + 1);
        for new in made {
            let place = new.place;
            self.due.insert((new.received_ms, place));
            if let Some(old) = self.old.remove(&place) {
                self.new.insert(place, New::Met(hash(&old)));
                verdict(Verdict::Both { old, new });
            } else {
                self.waiting_new += 1;
                self.new.insert(place, New::Waiting(new));
            }
        }
        // What this raw record gave at the time and gives no more, and what is left of earlier ones.
        let next = Place { partition, offset: offset + 1, index: 0 };
        let first = Place { partition, offset: i64::MIN, index: 0 };
        while let Some((place, _)) = self.old.range(first..next).next() {
            let place = *place;
            if let Some(old) = self.old.remove(&place) {
                verdict(if place.offset == offset { Verdict::Removed(old) } else { Verdict::Orphan });
            }
        }
        self.bound()
    }

    /// All topics are past this time of reception: what still waits from well before it was not produced.
    pub(super) fn passed(&mut self, time_ms: i64, mut verdict: impl FnMut(Verdict)) {
        while let Some((received_ms, place)) = self.due.first().copied() {
            if received_ms.saturating_add(self.settle_ms) >= time_ms {
                break;
            }
            self.due.pop_first();
            if let Some(New::Waiting(new)) = self.new.remove(&place) {
                self.waiting_new -= 1;
                verdict(Verdict::Added(new));
            }
        }
    }

    /// Everything is read: what still waits has no counterpart.
    pub(super) fn finish(mut self, mut verdict: impl FnMut(Verdict)) {
        self.settle_ms = 0;
        self.passed(i64::MAX, &mut verdict);
        for _ in self.old {
            verdict(Verdict::Orphan);
        }
    }

    fn bound(&self) -> Result<(), TooMany> {
        let waiting = self.waiting_new + self.old.len();
        if waiting > self.max_waiting { Err(TooMany(waiting)) } else { Ok(()) }
    }
}

fn hash(side: &Side) -> u64 {
    let mut hasher = DefaultHasher::new();
    side.value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::today::Kind;

    /// The index of a dead letter in these tests.
    const LETTER: u32 = u32::MAX;

    fn side(offset: i64, index: u32, received_ms: i64) -> Side {
        let kind = if index == LETTER { Kind::DeadLetter } else { Kind::Position };
        Side {
            kind,
            place: Place { partition: 0, offset, index },
            raw_topic: String::new(),
            received_ms,
            device: String::new(),
            id: format!("{offset}.{index}"),
            value: Vec::new(),
        }
    }

    /// What a verdict is, and about which place.
    fn word(verdict: Verdict) -> String {
        match verdict {
            Verdict::Both { new, .. } => format!("both {}", new.id),
            Verdict::Added(new) => format!("added {}", new.id),
            Verdict::Removed(old) => format!("removed {}", old.id),
            Verdict::Repeat { differs: false } => "repeat".to_owned(),
            Verdict::Repeat { differs: true } => "repeat that differs".to_owned(),
            Verdict::Orphan => "orphan".to_owned(),
            Verdict::Late => "late".to_owned(),
        }
    }

    fn decode(join: &mut Join, offset: i64, made: Vec<Side>) -> Vec<String> {
        let mut words = Vec::new();
        join.decoded((0, offset), made, |verdict| words.push(word(verdict))).unwrap();
        words
    }

    fn produce(join: &mut Join, old: Side, raw_ms: i64) -> Option<String> {
        join.produced(old, raw_ms).unwrap().map(word)
    }

    #[test]
    fn sides_meet_in_either_order_and_repeats_are_known() {
        let mut join = Join::new(1000, 10);
        assert_eq!(produce(&mut join, side(0, 0, 5), 0), None);
        assert_eq!(produce(&mut join, side(0, 0, 5), 0).unwrap(), "repeat");
        assert_eq!(decode(&mut join, 0, vec![side(0, 0, 5)]), ["both 0.0"]);
        assert_eq!(produce(&mut join, side(0, 0, 5), 5).unwrap(), "repeat");
        assert_eq!(decode(&mut join, 1, vec![side(1, 0, 6)]), [""; 0]);
        assert_eq!(produce(&mut join, side(1, 0, 6), 6).unwrap(), "both 1.0");
        assert_eq!(produce(&mut join, side(1, 0, 6), 6).unwrap(), "repeat");
        let altered = Side { value: vec![1], ..side(1, 0, 6) };
        assert_eq!(produce(&mut join, altered, 6).unwrap(), "repeat that differs");
        join.finish(|verdict| panic!("{verdict:?} is left"));
    }

    #[test]
    fn what_only_one_side_has_is_told_as_soon_as_it_is_certain() {
        let mut join = Join::new(1000, 10);
        // Two records and a dead letter then, three records now.
        for index in [0, 1, LETTER] {
            assert_eq!(produce(&mut join, side(4, index, 0), 0), None);
        }
        let made = (0..3).map(|index| side(4, index, 0)).collect();
        assert_eq!(decode(&mut join, 4, made), ["both 4.0", "both 4.1", "removed 4.4294967295"]);
        let mut words = Vec::new();
        join.passed(1000, |verdict| words.push(word(verdict)));
        assert_eq!(words, [""; 0]);
        join.passed(1001, |verdict| words.push(word(verdict)));
        assert_eq!(words, ["added 4.2"]);
        // Decoded, and this build made nothing there.
        assert_eq!(produce(&mut join, side(4, 7, 0), 500).unwrap(), "removed 4.7");
        assert_eq!(produce(&mut join, side(4, 7, 0), 5000).unwrap(), "late");
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut join = Join::new(1000, 3);
        for offset in 0..3 {
            assert_eq!(produce(&mut join, side(offset, 0, 0), 0), None);
        }
        assert_eq!(join.produced(side(3, 0, 0), 0), Err(TooMany(4)));
    }

    #[test]
    fn what_is_left_at_the_end_has_no_counterpart() {
        let mut join = Join::new(1000, 10);
        assert_eq!(decode(&mut join, 1, vec![side(1, 0, i64::MAX - 1)]), [""; 0]);
        assert_eq!(produce(&mut join, side(2, 0, 0), 0), None);
        let mut words = Vec::new();
        join.finish(|verdict| words.push(word(verdict)));
        assert_eq!(words, ["added 1.0", "orphan"]);
    }
}
