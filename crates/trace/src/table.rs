//! The devices that are followed, in memory: read by every hot path, changed a few times a day.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use fleetwire_model::DeviceId;

use crate::request::{MAX_DEVICES, Request};

/// Steps of one device that are told in a second; further ones are counted only.
const STEPS_PER_SECOND: u32 = 200;

/// A device that is followed.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) request: Request,
    /// A second since 1970, and the steps that were told in it.
    rate: AtomicU64,
    /// The publish that was told to wait last.
    waiting: AtomicU64,
}

impl Followed {
    pub(crate) fn new(request: Request) -> Self {
        Self { request, rate: AtomicU64::new(0), waiting: AtomicU64::new(0) }
    }

    /// Whether this publish, by its number from 1, was not the last one that had to wait.
    pub(crate) fn waits_anew(&self, number: u64) -> bool {
        self.waiting.swap(number, Ordering::Relaxed) != number
    }

    /// Whether another step may be told now.
    pub(crate) fn may_tell(&self, now_ms: i64) -> bool {
        let second = u64::try_from(now_ms / 1000).unwrap_or(0) & u64::from(u32::MAX);
        let told = self.rate.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |rate| {
            let (of, told) = (rate >> 32, rate & u64::from(u32::MAX));
            match () {
                () if of != second => Some(second << 32 | 1),
                () if told < u64::from(STEPS_PER_SECOND) => Some(rate + 1),
                () => None,
            }
        });
        told.is_ok()
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// Its device is followed.
    Yes,
    /// Its time was over already.
    Over,
    /// As many devices are followed as may be.
    Full,
}

/// The devices that are followed.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// So that nobody pays for more than a look where nobody is followed.
    any: AtomicBool,
    all: RwLock<HashMap<DeviceId, Arc<Followed>>>,
    /// Requests whose time was over, by their devices, with that time: for whoever takes them out of the topic.
    over: Mutex<HashMap<DeviceId, i64>>,
}

/// Requests that are over and wait to be taken out of the topic at most.
const MOST_OVER: usize = 1024;

impl Table {
    /// Whether any device may be followed.
    #[inline]
    pub(crate) fn is_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// The device, if it is followed now.
    pub(crate) fn find(&self, device: &str, now_ms: i64) -> Option<Arc<Followed>> {
        // Few are followed, so that a walk is no more than a hash of the name.
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        let found = all.iter().find(|(id, _)| id.as_str() == device)?.1;
        (now_ms < found.request.expire_ms).then(|| Arc::clone(found))
    }

    /// Every device that is followed now.
    pub(crate) fn all(&self, now_ms: i64) -> Vec<Request> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.values().map(|found| &found.request).filter(|found| now_ms < found.expire_ms).cloned().collect()
    }

    /// Follows a device; a later request takes the place of an earlier one.
    pub(crate) fn enter(&self, request: Request, now_ms: i64) -> Entered {
        if request.expire_ms <= now_ms {
            self.remove(&request.device);
            self.is_over(&request);
            return Entered::Over;
        }
        self.sweep(now_ms);
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_DEVICES && !all.contains_key(&request.device) {
            return Entered::Full;
        }
        all.insert(request.device.clone(), Arc::new(Followed::new(request)));
        self.any.store(true, Ordering::Relaxed);
        Entered::Yes
    }

    /// Follows a device no more.
    pub(crate) fn remove(&self, device: &DeviceId) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.remove(device);
        self.over.lock().unwrap_or_else(PoisonError::into_inner).remove(device);
        self.any.store(!all.is_empty(), Ordering::Relaxed);
    }

    /// Forgets those whose time is over; how many are left.
    pub(crate) fn sweep(&self, now_ms: i64) -> usize {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, found| {
            let lasts = now_ms < found.request.expire_ms;
            if !lasts {
                self.is_over(&found.request);
            }
            lasts
        });
        self.any.store(!all.is_empty(), Ordering::Relaxed);
        all.len()
    }

    fn is_over(&self, request: &Request) {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        if over.len() < MOST_OVER {
            over.insert(request.device.clone(), request.expire_ms);
        }
    }

    /// Devices whose requests were over at `at_ms`, and are in the topic still. Each is named once.
    pub(crate) fn take_over(&self, at_ms: i64) -> Vec<DeviceId> {
        let mut over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        over.extract_if(|_, expire_ms| *expire_ms <= at_ms).map(|(device, _)| device).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: usize, expire_ms: i64) -> Request {
        Request {
            device: format!("{number}").parse().unwrap(),
            trace_id: format!("t{number}"),
            start_ms: 0,
            expire_ms,
            payload: false,
            requested_by: String::new(),
        }
    }

    #[test]
    fn a_device_is_followed_until_its_time_is_over_also_if_nobody_ends_it() {
        let table = Table::default();
        assert!(!table.is_any() && table.find("1", 0).is_none());
        assert_eq!(table.enter(request(1, 100), 0), Entered::Yes);
        assert!(table.is_any() && table.find("1", 99).is_some());
        assert!(table.find("1", 100).is_none() && table.find("2", 0).is_none() && table.all(100).is_empty());
        assert_eq!((table.sweep(99), table.is_any()), (1, true));
        assert_eq!((table.sweep(100), table.is_any()), (0, false));
        assert_eq!(table.enter(request(2, 150), 200), Entered::Over);
        assert!(!table.is_any());
        let id = |text: &str| text.parse().unwrap();
        assert_eq!((table.take_over(149), table.take_over(149)), (vec![id("1")], vec![]));
        // Somebody took it out of the topic.
        table.remove(&id("2"));
        assert_eq!(table.take_over(200), []);
    }

    #[test]
    fn a_later_request_takes_the_place_of_an_earlier_one_and_its_end_ends_it() {
        let table = Table::default();
        table.enter(request(1, 100), 0);
        table.enter(Request { trace_id: "later".into(), ..request(1, 300) }, 50);
        assert_eq!(table.find("1", 200).unwrap().request.trace_id, "later");
        table.remove(&"1".parse().unwrap());
        assert!(!table.is_any() && table.find("1", 200).is_none());
    }

    #[test]
    fn no_more_devices_are_followed_than_may_be_until_the_time_of_one_is_over() {
        let table = Table::default();
        for number in 0..MAX_DEVICES {
            assert_eq!(table.enter(request(number, 100), 0), Entered::Yes);
        }
        assert_eq!(table.enter(request(1000, 100), 0), Entered::Full);
        // One that is there may be asked for again.
        assert_eq!(table.enter(request(3, 200), 0), Entered::Yes);
        assert_eq!(table.enter(request(1000, 200), 100), Entered::Yes);
        assert_eq!(table.all(100).len(), 2);
    }

    #[test]
    fn no_more_steps_are_told_in_a_second_than_may_be() {
        let followed = Followed::new(request(1, i64::MAX));
        let told = |from_ms: i64| (0..1000).filter(|step| followed.may_tell(from_ms + step % 1000)).count();
        assert_eq!((told(5_000), told(5_000), told(6_000)), (200, 0, 200));
    }
}
