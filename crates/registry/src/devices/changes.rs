//! Word of changed devices for whoever has to act on them: bounded, and never silently incomplete.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use fleetwire_model::DeviceId;
use tokio::sync::Notify;

/// What to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// This device changed: it was registered, removed, or is another than before. Its present state may be the one of
    /// a later change already.
    Device(DeviceId),
    /// More changed than could wait: look at everything. Also the first notice.
    Everything,
}

/// The devices that change, for one follower. Dropping it ends the following.
#[derive(Debug)]
pub struct Changes(Arc<Waiting>);

impl Changes {
    /// The next notice, once there is one. What it is about is in the registry already. Cancel-safe.
    pub async fn next(&mut self) -> Notice {
        loop {
            if let Some(notice) = self.try_next() {
                return notice;
            }
            // One follower only, and a permit is kept if there is word between the two lines.
            self.0.notify.notified().await;
        }
    }

    /// The next notice, if there is one.
    pub fn try_next(&mut self) -> Option<Notice> {
        let mut inner = self.0.lock();
        if std::mem::take(&mut inner.missed) {
            inner.devices.clear();
            return Some(Notice::Everything);
        }
        inner.devices.pop_front().map(Notice::Device)
    }
}

#[derive(Debug)]
struct Waiting {
    capacity: usize,
    inner: Mutex<Inner>,
    notify: Notify,
}

#[derive(Debug)]
struct Inner {
    devices: VecDeque<DeviceId>,
    missed: bool,
}

impl Waiting {
    fn push(&self, id: DeviceId) {
        let mut inner = self.lock();
        if inner.missed {
            return;
        }
        if inner.devices.len() < self.capacity {
            inner.devices.push_back(id);
        } else {
            inner.missed = true;
            inner.devices = VecDeque::new();
        }
        drop(inner);
        self.notify.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing here can be left half done, so a panic elsewhere does not matter.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All followers.
#[derive(Debug, Default)]
pub(super) struct Feed {
    followers: Mutex<Vec<Weak<Waiting>>>,
    /// So that nobody pays for a lock where nobody follows.
    followed: AtomicBool,
}

impl Feed {
    pub(super) fn watch(&self, capacity: usize) -> Changes {
        let inner = Inner { devices: VecDeque::new(), missed: true };
        let waiting = Arc::new(Waiting { capacity, inner: inner.into(), notify: Notify::new() });
        let mut followers = self.lock();
        followers.push(Arc::downgrade(&waiting));
        self.followed.store(true, Ordering::Release);
        Changes(waiting)
    }

    /// Tells all followers of a change that is done.
    pub(super) fn tell(&self, id: impl FnOnce() -> DeviceId) {
        if !self.followed.load(Ordering::Acquire) {
            return;
        }
        let id = id();
        let mut followers = self.lock();
        followers.retain(|follower| follower.upgrade().inspect(|waiting| waiting.push(id.clone())).is_some());
        self.followed.store(!followers.is_empty(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Waiting>>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> DeviceId {
        number.to_string().parse().unwrap()
    }

    #[test]
    fn a_follower_begins_with_everything_and_then_hears_of_each_change_in_order() {
        let feed = Feed::default();
        feed.tell(|| id(0));
        let mut changes = feed.watch(10);
        assert_eq!(changes.try_next(), Some(Notice::Everything));
        assert_eq!(changes.try_next(), None);
        feed.tell(|| id(1));
        feed.tell(|| id(2));
        assert_eq!(changes.try_next(), Some(Notice::Device(id(1))));
        assert_eq!(changes.try_next(), Some(Notice::Device(id(2))));
        assert_eq!(changes.try_next(), None);
    }

    #[test]
    fn a_follower_that_is_too_slow_is_told_to_look_at_everything_once() {
        let feed = Feed::default();
        let (mut slow, mut quick) = (feed.watch(3), feed.watch(3));
        assert_eq!([slow.try_next(), quick.try_next()], [const { Some(Notice::Everything) }; 2]);
        for number in 0..10 {
            feed.tell(|| id(number));
            assert_eq!(quick.try_next(), Some(Notice::Device(id(number))));
        }
        assert_eq!(slow.try_next(), Some(Notice::Everything));
        assert_eq!(slow.try_next(), None);
        feed.tell(|| id(11));
        assert_eq!(slow.try_next(), Some(Notice::Device(id(11))));
    }

    #[test]
    fn nobody_is_told_who_has_gone() {
        let feed = Feed::default();
        drop(feed.watch(3));
        feed.tell(|| id(1));
        feed.tell(|| unreachable!("nobody follows any more"));
    }

    #[tokio::test]
    async fn a_waiting_follower_is_woken() {
        let feed = Arc::new(Feed::default());
        let mut changes = feed.watch(3);
        assert_eq!(changes.next().await, Notice::Everything);
        let teller = Arc::clone(&feed);
        let told = std::thread::spawn(move || teller.tell(|| id(1)));
        assert_eq!(changes.next().await, Notice::Device(id(1)));
        told.join().unwrap();
    }
}
