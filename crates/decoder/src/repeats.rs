//! The window that drops what a device sends a second time.
//!
//! Dropping must lose nothing, so a key only counts as seen by an earlier record of the same partition, in one
//! unbroken stretch of reading: an offset is committed only when everything before it is in Kafka, and so the earlier
//! record is there for good before the later one can be forgotten. A record that is read again is no repeat of itself.

use std::collections::{HashMap, VecDeque};

/// Where a raw record is, within the one topic that a worker reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// The last keys that were seen, and the records that they were first seen in.
#[derive(Debug)]
pub(crate) struct Repeats {
    window: usize,
    generation: u64,
    first: HashMap<[u8; 16], Place>,
    oldest: VecDeque<[u8; 16]>,
}

impl Repeats {
    /// A window of so many keys; 0 finds no repeats. Takes its memory now.
    pub(crate) fn new(window: usize) -> Self {
        Self {
            window,
            generation: 0,
            first: HashMap::with_capacity(window),
            oldest: VecDeque::with_capacity(window),
        }
    }

    /// The stretch of reading that follows. A new one begins with an empty window: what was passed before may never
    /// have reached Kafka, and what was read before may be read again.
    pub(crate) fn reads(&mut self, generation: u64) {
        if self.generation != generation {
            self.generation = generation;
            self.first.clear();
            self.oldest.clear();
        }
    }

    /// Whether an earlier record had the key. If not, this one has it from now on.
    pub(crate) fn is_repeat(&mut self, key: [u8; 16], place: Place) -> bool {
        if self.window == 0 {
            return false;
        }
        if let Some(first) = self.first.get_mut(&key) {
            if first.partition == place.partition && first.offset < place.offset {
                return true;
            }
            *first = place;
            return false;
        }
        if self.oldest.len() >= self.window
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.first.remove(&oldest);
        }
        self.oldest.push_back(key);
        self.first.insert(key, place);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, offset: i64) -> Place {
        Place { partition, offset }
    }

    #[test]
    fn a_later_record_with_the_same_key_is_a_repeat() {
        let mut repeats = Repeats::new(10);
        assert!(!repeats.is_repeat([1; 16], at(0, 5)));
        assert!(repeats.is_repeat([1; 16], at(0, 6)));
        assert!(repeats.is_repeat([1; 16], at(0, 7)));
        assert!(!repeats.is_repeat([2; 16], at(0, 7)));
    }

    #[test]
    fn a_record_is_no_repeat_of_itself() {
        let mut repeats = Repeats::new(10);
        assert!(!repeats.is_repeat([1; 16], at(0, 5)));
        assert!(!repeats.is_repeat([1; 16], at(0, 5)), "twice in one payload, or read again");
    }

    #[test]
    fn a_record_is_no_repeat_of_a_later_one_or_of_another_partition() {
        let mut repeats = Repeats::new(10);
        assert!(!repeats.is_repeat([1; 16], at(0, 20)));
        assert!(!repeats.is_repeat([1; 16], at(0, 10)), "read from an earlier offset");
        assert!(repeats.is_repeat([1; 16], at(0, 20)));
        assert!(!repeats.is_repeat([1; 16], at(1, 30)));
    }

    #[test]
    fn a_new_stretch_of_reading_begins_with_nothing() {
        let mut repeats = Repeats::new(10);
        repeats.reads(1);
        assert!(!repeats.is_repeat([1; 16], at(0, 5)));
        repeats.reads(1);
        assert!(repeats.is_repeat([1; 16], at(0, 6)));
        repeats.reads(2);
        assert!(!repeats.is_repeat([1; 16], at(0, 6)), "what was passed before may not be in Kafka");
    }

    #[test]
    fn the_window_is_bounded_and_forgets_the_oldest() {
        let mut repeats = Repeats::new(2);
        for key in 1..=3_u8 {
            assert!(!repeats.is_repeat([key; 16], at(0, i64::from(key))));
        }
        assert_eq!((repeats.first.len(), repeats.oldest.len()), (2, 2));
        assert!(repeats.is_repeat([3; 16], at(0, 10)));
        assert!(!repeats.is_repeat([1; 16], at(0, 11)));
        assert!(!Repeats::new(0).is_repeat([1; 16], at(0, 1)));
    }

    /// Whatever dies, moves or is undone in between, and however small the window: every key is in Kafka once the
    /// offsets behind its last record are committed. Workers take turns in reading from the committed offset on;
    /// each turn commits a part of what it read, and of the rest nothing has reached Kafka.
    #[test]
    fn no_key_is_lost_by_any_turn_of_workers() {
        for seed in 0..2_000_u64 {
            let mut random = Random(seed + 1);
            let keys: Vec<[u8; 16]> = (0..40).map(|_| [u8::try_from(random.below(8)).unwrap(); 16]).collect();
            let mut workers: Vec<Repeats> =
                (0..2).map(|_| Repeats::new(usize::try_from(random.below(5)).unwrap())).collect();
            let (mut committed, mut generation, mut stored) = (0, 0, std::collections::HashSet::new());
            while committed < keys.len() {
                generation += 1;
                let worker = &mut workers[usize::try_from(random.below(2)).unwrap()];
                worker.reads(generation);
                let read = keys.len().min(committed + usize::try_from(random.below(20)).unwrap());
                let commit = committed + usize::try_from(random.below(20)).unwrap().min(read - committed);
                for (offset, key) in keys.iter().enumerate().take(read).skip(committed) {
                    let repeat = worker.is_repeat(*key, at(0, i64::try_from(offset).unwrap()));
                    if !repeat && offset < commit {
                        stored.insert(*key);
                    }
                }
                committed = commit;
                let missing = keys.iter().take(committed).filter(|key| !stored.contains(*key)).count();
                assert_eq!(missing, 0, "seed {seed}");
            }
        }
    }

    struct Random(u64);

    impl Random {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % end
        }
    }
}
