//! The full records of all devices, for those who show and change them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard};

use fleetwire_model::DeviceId;
use fleetwire_model::pb;
use fleetwire_trace::Tracer;
use prost::Message as _;

/// Every `Device` of the registry as it is stored, by id. Encoded: a decoded one takes several times as much.
#[derive(Debug, Default)]
pub struct Records {
    all: RwLock<BTreeMap<DeviceId, Box<[u8]>>>,
    tracer: OnceLock<Tracer>,
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
    /// Tells a tracer whom to follow from now on: that is in the same topic. The first one stays.
    pub fn connect_tracer(&self, tracer: Tracer) {
        let _first = self.tracer.set(tracer);
    }

    pub(crate) fn tracer(&self) -> Option<&Tracer> {
        self.tracer.get()
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn records(count: u32) -> Records {
        let records = Records::default();
        for number in 0..count {
            let id = format!("truck-{number:04}");
            let group = if number.is_multiple_of(100) { "rare" } else { "" };
            let device =
                pb::Device { device_id: id.clone(), group: group.to_owned(), ..pb::Device::default() };
            records.put(id.parse().unwrap(), Some(&device.encode_to_vec()));
        }
        records
    }

    fn ids(page: &Page) -> Vec<&str> {
        page.devices.iter().map(|device| device.device_id.as_str()).collect()
    }

    #[test]
    fn pages_lead_through_all_devices_in_their_order() {
        let records = records(1000);
        assert_eq!(records.len(), 1000);
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let page = records.page(after.as_ref(), 300, usize::MAX, |_| true);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            let Some(next) = page.next else { break };
            assert_eq!(next.as_str(), seen.last().unwrap());
            after = Some(next);
        }
        assert!(seen.len() == 1000 && seen.is_sorted());
    }

    #[test]
    fn a_page_looks_at_no_more_than_it_may_and_tells_where_it_stopped() {
        let records = records(1000);
        let rare =
            |after: Option<&DeviceId>, scan| records.page(after, 3, scan, |device| device.group == "rare");
        let first = rare(None, 150);
        assert_eq!(ids(&first), ["truck-0000", "truck-0100"]);
        let stopped = first.next.unwrap();
        assert_eq!(stopped.as_str(), "truck-0149");
        let nothing = rare(Some(&stopped), 10);
        assert!(nothing.devices.is_empty() && nothing.next.is_some());
        let rest = rare(Some(&"truck-0801".parse().unwrap()), 1000);
        assert_eq!((ids(&rest), &rest.next), (vec!["truck-0900"], &None));
    }

    #[test]
    fn a_device_without_a_record_is_gone() {
        let records = records(2);
        let id = "truck-0001".parse().unwrap();
        assert!(records.get(&id).is_some());
        records.put(id.clone(), None);
        assert!(records.get(&id).is_none() && records.len() == 1);
        assert_eq!(records.page(None, 10, 10, |_| true).next, None);
    }
}
