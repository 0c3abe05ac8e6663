//! Who is knocking, as the API and the command line see it: the topic of knocks in memory, bounded.

use std::collections::{BTreeSet, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fleetwire_model::DeviceId;
use fleetwire_model::pb::Knock;
use fleetwire_service::metrics::Metric;
use metrics::Counter;
use prost::Message as _;

use crate::knock;

/// The knocks of all partitions. At most so many as it was made for: who was silent longest goes, and is counted.
#[derive(Debug)]
pub struct Knocks {
    inner: RwLock<Inner>,
    limit: usize,
    dropped: Counter,
}

#[derive(Debug, Default)]
struct Inner {
    knocks: HashMap<DeviceId, Knock>,
    by_time: BTreeSet<(i64, DeviceId)>,
}

/// Knocks that were let go.
pub(crate) const UNLISTED_KNOCKS: Metric = Metric::counter(
    "fleetwire_held_unlisted_knocks_total",
    "Knocks that the list for people let go because `max_knocks` was reached.",
)
.worry("Any: the list is not complete.");

/// Why a record of the topic of knocks cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KnockError {
    #[error("the key is no device id")]
    Key,
    #[error("the value is no Knock message: {0}")]
    Value(#[from] prost::DecodeError),
}

impl Knocks {
    /// None yet, and at most `limit`.
    pub(crate) fn new(limit: usize) -> Self {
        Self { inner: RwLock::default(), limit: limit.max(1), dropped: UNLISTED_KNOCKS.to_counter() }
    }

    /// All of them; who published last comes first.
    pub fn list(&self) -> Vec<Knock> {
        let inner = self.read();
        let newest_first = inner.by_time.iter().rev();
        newest_first.filter_map(|(_, device)| inner.knocks.get(device).cloned()).collect()
    }

    /// The knock of a device, if something is held of it.
    pub fn get(&self, id: &DeviceId) -> Option<Knock> {
        self.read().knocks.get(id).cloned()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.read().knocks.len()
    }

    /// Whether nobody is knocking.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a record of the topic in.
    pub(crate) fn apply(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), KnockError> {
        let id = std::str::from_utf8(key).ok().and_then(|key| key.parse::<DeviceId>().ok());
        let id = id.ok_or(KnockError::Key)?;
        let knock = value.map(Knock::decode).transpose()?;
        let mut inner = self.write();
        if let Some(before) = inner.knocks.remove(&id) {
            inner.by_time.remove(&(knock::last_ms(&before), id.clone()));
        }
        if let Some(knock) = knock {
            inner.by_time.insert((knock::last_ms(&knock), id.clone()));
            inner.knocks.insert(id, knock);
        }
        while inner.knocks.len() > self.limit {
            let Some((_, oldest)) = inner.by_time.pop_first() else { break };
            inner.knocks.remove(&oldest);
            self.dropped.increment(1);
        }
        Ok(())
    }

    // Nothing here can be left half done, so a panic elsewhere does not matter.
    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use fleetwire_model::time::from_unix_ms;

    use super::*;

    fn put(knocks: &Knocks, device: &str, ms: i64) {
        let knock =
            Knock { device_id: device.to_owned(), last_time: Some(from_unix_ms(ms)), ..Knock::default() };
        knocks.apply(device.as_bytes(), Some(&knock.encode_to_vec())).unwrap();
    }

    fn names(knocks: &Knocks) -> Vec<String> {
        knocks.list().into_iter().map(|knock| knock.device_id).collect()
    }

    #[test]
    fn who_published_last_comes_first_and_who_was_silent_longest_goes() {
        let knocks = Knocks::new(2);
        put(&knocks, "a", 1);
        put(&knocks, "b", 2);
        put(&knocks, "a", 3);
        assert_eq!(names(&knocks), ["a", "b"]);
        put(&knocks, "c", 4);
        assert_eq!(names(&knocks), ["c", "a"]);
        knocks.apply(b"c", None).unwrap();
        assert_eq!((names(&knocks), knocks.len()), (vec!["a".to_owned()], 1));
        assert!(knocks.get(&"a".parse().unwrap()).is_some());
        assert_eq!(knocks.apply(b"a/b", None), Err(KnockError::Key));
    }
}
