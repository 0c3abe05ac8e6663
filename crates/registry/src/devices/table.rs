//! The table of devices that are an IMEI: a word of 64 bits for each, 50 for the IMEI and 14 for what is kept of it.
//!
//! A look at a device that is nowhere near in memory waits for memory once: the key and all that is kept lie in one
//! word, and its neighbours, where it may be instead, in the same line. A hash table of pairs would wait twice.

use std::hash::BuildHasher as _;
use std::mem;
use std::sync::{PoisonError, RwLock};

use fleetwire_model::Imei;
use foldhash::fast::FixedState;

use super::entry::Packed;

/// Parts of the table, each with a lock of its own. A part that grows is copied while nobody reads it, so parts are
/// small.
const SHARDS: usize = 64;
/// Places of a part that is not empty, at first.
const SMALL: usize = 16;
/// Bits of a word that are not the IMEI.
const LOW: u32 = Packed::BITS;

/// All that are an IMEI.
#[derive(Debug)]
pub(super) struct Table {
    shards: Box<[RwLock<Shard>]>,
    hasher: FixedState,
}

/// Open addressing: a word lies at the place of its hash or, in the order of coming, in the first free place behind.
/// 0 is a free place. The number of places is a power of two, and at most three of four are taken.
#[derive(Debug, Default)]
struct Shard {
    words: Vec<u64>,
    len: usize,
}

/// An IMEI with its hash.
#[derive(Debug, Clone, Copy)]
struct Sought {
    /// One above the IMEI, so that no word is 0.
    number: u64,
    hash: u64,
}

impl Table {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self { shards, hasher: FixedState::with_seed(rand::random()) }
    }

    /// What is kept of a device.
    pub(super) fn get(&self, imei: Imei) -> Option<Packed> {
        self.read(imei, |packed| packed)
    }

    /// Hands what is kept of a device to `use_it`; nobody changes it meanwhile.
    pub(super) fn read<T>(&self, imei: Imei, use_it: impl FnOnce(Packed) -> T) -> Option<T> {
        let sought = self.sought(imei);
        let shard = self.shard(sought)?.read().unwrap_or_else(PoisonError::into_inner);
        let (_, word) = shard.find(sought).ok()?;
        Some(use_it(Packed::from_bits(word)))
    }

    /// Puts what `change` makes of what is kept of a device in its place; `None` is a device that is not there. Nobody
    /// looks at the device meanwhile.
    pub(super) fn change<T>(
        &self,
        imei: Imei,
        change: impl FnOnce(Option<Packed>) -> (Option<Packed>, T),
    ) -> Option<T> {
        let sought = self.sought(imei);
        let mut shard = self.shard(sought)?.write().unwrap_or_else(PoisonError::into_inner);
        let found = shard.find(sought);
        let (after, outcome) = change(found.ok().map(|(_, word)| Packed::from_bits(word)));
        match (found, after) {
            (Ok((place, _)), Some(packed)) => shard.set(place, sought.word(packed)),
            (Ok((place, _)), None) => shard.remove(place, |word| self.hash(word >> LOW)),
            (Err(_), Some(packed)) => shard.insert(sought, packed, |word| self.hash(word >> LOW)),
            (Err(_), None) => {}
        }
        Some(outcome)
    }

    /// Bytes of all places.
    pub(super) fn bytes(&self) -> usize {
        let places =
            |shard: &RwLock<Shard>| shard.read().unwrap_or_else(PoisonError::into_inner).words.capacity();
        self.shards.iter().map(places).sum::<usize>() * size_of::<u64>()
    }

    fn sought(&self, imei: Imei) -> Sought {
        let number = imei.number() + 1;
        Sought { number, hash: self.hash(number) }
    }

    fn hash(&self, number: u64) -> u64 {
        self.hasher.hash_one(number)
    }

    /// The part of a hash: its highest bits, because the places in a part are found by the lowest.
    fn shard(&self, sought: Sought) -> Option<&RwLock<Shard>> {
        self.shards.get(usize::try_from(sought.hash >> (u64::BITS - SHARDS.ilog2())).ok()?)
    }
}

impl Sought {
    fn word(self, packed: Packed) -> u64 {
        self.number << LOW | packed.bits()
    }
}

impl Shard {
    /// The place of an IMEI and its word, or the free place where it would be.
    fn find(&self, sought: Sought) -> Result<(usize, u64), usize> {
        let mut place = self.home(sought.hash);
        loop {
            match self.words.get(place) {
                Some(0) | None => return Err(place),
                Some(word) if word >> LOW == sought.number => return Ok((place, *word)),
                Some(_) => place = self.after(place),
            }
        }
    }

    fn home(&self, hash: u64) -> usize {
        // A part has far fewer places than fit in a `usize` of any machine.
        usize::try_from(hash & u64::from(u32::MAX)).unwrap_or_default() & self.mask()
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & self.mask()
    }

    fn mask(&self) -> usize {
        self.words.len().wrapping_sub(1)
    }

    fn set(&mut self, place: usize, word: u64) {
        if let Some(taken) = self.words.get_mut(place) {
            *taken = word;
        }
    }

    fn insert(&mut self, sought: Sought, packed: Packed, hash: impl Fn(u64) -> u64) {
        if (self.len + 1) * 4 > self.words.len() * 3 {
            self.grow(&hash);
        }
        if let Err(place) = self.find(sought) {
            self.set(place, sought.word(packed));
            self.len += 1;
        }
    }

    fn grow(&mut self, hash: &impl Fn(u64) -> u64) {
        let places = (self.words.len() * 2).max(SMALL);
        let before = mem::replace(&mut self.words, vec![0; places]);
        for word in before.into_iter().filter(|word| *word != 0) {
            let sought = Sought { number: word >> LOW, hash: hash(word) };
            if let Err(place) = self.find(sought) {
                self.set(place, word);
            }
        }
    }

    /// Frees a place, and moves up what lies behind it only because it was taken.
    fn remove(&mut self, place: usize, hash: impl Fn(u64) -> u64) {
        let (mut free, mut next) = (place, self.after(place));
        while let Some(&word) = self.words.get(next).filter(|word| **word != 0) {
            // How far it lies behind its own place, and how far behind the free one.
            let away = next.wrapping_sub(self.home(hash(word))) & self.mask();
            let behind = next.wrapping_sub(free) & self.mask();
            if away >= behind {
                self.set(free, word);
                free = next;
            }
            next = self.after(next);
        }
        self.set(free, 0);
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn imei(number: u64) -> Imei {
        Imei::from_number(number).unwrap()
    }

    proptest! {
        #[test]
        fn a_table_is_what_a_map_of_the_same_changes_is(
            // Few numbers, so that they meet, and the smallest and the largest that there are.
            changes in prop::collection::vec(
                (prop_oneof![0_u64..300, Just(999_999_999_999_999)], prop::option::of(0_u64..1 << LOW)), 0..2000
            ),
        ) {
            let (table, mut map) = (Table::new(), HashMap::new());
            for (number, bits) in changes {
                let before = table.change(imei(number), |before| (bits.map(Packed::from_bits), before)).unwrap();
                let expected = match bits {
                    Some(bits) => map.insert(number, bits),
                    None => map.remove(&number),
                };
                prop_assert_eq!(before.map(Packed::bits), expected);
            }
            for number in (0..300).chain([999_999_999_999_999]) {
                prop_assert_eq!(table.get(imei(number)).map(Packed::bits), map.get(&number).copied());
            }
        }
    }

    #[test]
    fn a_device_takes_between_eleven_and_twenty_two_bytes_once_there_are_many() {
        let table = Table::new();
        for number in 0..200_000 {
            table.change(imei(number), |_| (Some(Packed::from_bits(1)), ()));
            if number > 50_000 {
                let bytes = table.bytes() as u64;
                assert!((number * 10..=number * 22 + 1).contains(&bytes), "{bytes} bytes for {number}");
            }
        }
    }

    #[test]
    fn what_is_removed_leaves_no_places_behind() {
        let table = Table::new();
        for round in 0..50 {
            for number in 0..1000 {
                table.change(imei(round * 1000 + number), |_| (Some(Packed::from_bits(1)), ()));
            }
            for number in 0..1000 {
                let there = table.change(imei(round * 1000 + number), |before| (None, before.is_some()));
                assert_eq!(there, Some(true));
            }
        }
        assert!(table.bytes() <= 64 * 1024, "{}", table.bytes());
    }
}
