//! The full records of all devices, for those who show and change them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use fleetwire_model::DeviceId;
use fleetwire_model::pb;
use prost::Message as _;

/// Every `Device` of the registry as it is stored, by id. Encoded: a decoded one takes several times as much.
#[derive(Debug, Default)]
pub struct Records {
    all: RwLock<BTreeMap<DeviceId, Box<[u8]>>>,
}

/// Some of the records.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// In the order of their ids.
    pub devices: Vec<pb::Device>,
    /// Where the next page begins (after this device); `None` at the end.
    pub next: Option<DeviceId>,
}

/// Records that are looked at before others may write.
const STRETCH: usize = 256;

impl Records {
    /// The record of a device.
    pub fn get(&self, id: &DeviceId) -> Option<pb::Device> {
        decode(self.all().get(id)?)
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.all().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Devices after `after`, in the order of their ids, that are `wanted`: at most `limit`, out of at most `scan`
    /// records. The page tells where it stopped, also if it has found nothing by then.
    pub fn page(
        &self,
        after: Option<&DeviceId>,
        limit: usize,
        scan: usize,
        mut wanted: impl FnMut(&pb::Device) -> bool,
    ) -> Page {
        let mut page = Page::default();
        let (mut last, mut left) = (after.cloned(), scan);
        while left > 0 && page.devices.len() < limit {
            let all = self.all();
            let from = last.as_ref().map_or(Bound::Unbounded, |last| Bound::Excluded(last.clone()));
            let mut seen = None;
            let mut more = all.range((from, Bound::Unbounded)).take(STRETCH.min(left));
            for (id, record) in more.by_ref() {
                left -= 1;
                seen = Some(id);
                page.devices.extend(decode(record).filter(&mut wanted));
                if page.devices.len() >= limit {
                    break;
                }
            }
            let Some(seen) = seen.cloned() else { break };
            last = Some(seen);
        }
        page.next = last.filter(|last| self.has_after(last));
        page
    }

    fn has_after(&self, id: &DeviceId) -> bool {
        self.all().range((Bound::Excluded(id.clone()), Bound::Unbounded)).next().is_some()
    }

    /// Takes one record of the topic; `None` removes the device.
    pub(crate) fn put(&self, id: DeviceId, value: Option<&[u8]>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        match value {
            Some(value) => drop(all.insert(id, value.into())),
            None => drop(all.remove(&id)),
        }
    }

    fn all(&self) -> RwLockReadGuard<'_, BTreeMap<DeviceId, Box<[u8]>>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is no `Device` is not let in.
fn decode(record: &[u8]) -> Option<pb::Device> {
    pb::Device::decode(record).ok()
}
