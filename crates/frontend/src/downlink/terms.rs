//! Which gateway works a partition: the one with the highest term that this frontend has heard of.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Partitions that a topic may have; a higher number is nobody's.
pub(super) const MAX_PARTITIONS: u32 = 1 << 16;

/// The highest term of each partition. A restart forgets them, and ends the sessions that an older gateway knows of.
#[derive(Debug, Default)]
pub(super) struct Terms(Mutex<HashMap<u32, u64>>);

impl Terms {
    /// Whether a gateway with this term works the partition, as far as is known here. It does from now on, if so.
    pub(super) fn admit(&self, partition: u32, term: u64) -> bool {
        let mut terms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let highest = terms.entry(partition).or_insert(term);
        *highest = (*highest).max(term);
        *highest == term
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_gateway_of_a_partition_is_refused_once_a_newer_one_called() {
        let terms = Terms::default();
        assert!(terms.admit(0, 3) && terms.admit(0, 3) && terms.admit(1, 1));
        assert!(terms.admit(0, 4));
        assert!(!terms.admit(0, 3) && terms.admit(0, 4) && terms.admit(1, 1));
    }
}
