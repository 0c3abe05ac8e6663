//! What lies beside a partition of commands, shared by the thread that follows it and the one that works the commands:
//! where devices are connected, how they move, and what came of those that have commands under way.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fleetwire_model::DeviceId;
use fleetwire_model::pb::{DeviceState, Session, SessionState};
use fleetwire_model::time::to_unix_ms;

use crate::machine::{Motion, SessionRef, Telemetry};

/// Telemetry of one partition that may wait for the worker; beyond it the positions are read later.
const WAITING: usize = 2000;
/// When so many frontends are known, those without a session are forgotten.
const MANY: usize = 256;

/// A frontend, as sessions name it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Frontend {
    id: String,
    address: String,
}

/// A session as it is kept, for each connected device.
#[derive(Debug)]
struct Slot {
    epoch: u64,
    frontend: Arc<Frontend>,
    accepts_commands: bool,
}

/// What a device with commands waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watch {
    /// Its session.
    Session,
    /// Its session, and what it reports of its outputs.
    Telemetry,
}

/// Where the positions of a partition are to be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Another one with each order.
    pub(crate) order: u64,
    pub(crate) from: i64,
}

/// What lies beside one partition.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    inner: Mutex<Inner>,
    has_news: AtomicBool,
    orders: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<DeviceId, Slot>,
    frontends: HashSet<Arc<Frontend>>,
    motions: HashMap<DeviceId, Motion>,
    watched: HashMap<DeviceId, Watch>,
    /// Watched devices with another session. Never more than are watched.
    changed: HashSet<DeviceId>,
    telemetry: VecDeque<(DeviceId, Telemetry)>,
    positions: Option<Wanted>,
}

/// What came for the worker.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Devices with another session.
    pub(crate) changed: Vec<DeviceId>,
    /// What devices reported, in order.
    pub(crate) telemetry: Vec<(DeviceId, Telemetry)>,
}

impl Shelf {
    /// Takes a session, or its end.
    pub(crate) fn session(&self, device: DeviceId, session: Option<&Session>) {
        let mut guard = self.lock();
        let inner = &mut *guard;
        match session {
            Some(session) if session.state() == SessionState::Connected => {
                // A frontend that is late tells of a session that is over.
                if inner.sessions.get(&device).is_some_and(|known| known.epoch > session.epoch) {
                    return;
                }
                let frontend = inner.frontend(&session.frontend_id, &session.frontend_address);
                let (epoch, accepts_commands) = (session.epoch, session.accepts_commands);
                inner.sessions.insert(device.clone(), Slot { epoch, frontend, accepts_commands });
            }
            Some(session) => {
                if inner.sessions.get(&device).is_some_and(|known| known.epoch > session.epoch) {
                    return;
                }
                inner.sessions.remove(&device);
            }
            None => drop(inner.sessions.remove(&device)),
        }
        if inner.watched.contains_key(&device) {
            inner.changed.insert(device);
            self.has_news.store(true, Ordering::Release);
        }
    }

    /// Takes what a device last reported, or forgets it.
    pub(crate) fn state(&self, device: DeviceId, state: Option<&DeviceState>) {
        let motion = state.and_then(|state| {
            let fix_time_ms = to_unix_ms(state.position_time.as_ref()?);
            Some(Motion { fix_time_ms, speed_kmh: state.fix.as_ref()?.speed_kmh })
        });
        let motions = &mut self.lock().motions;
        match motion {
            Some(motion) => drop(motions.insert(device, motion)),
            None => drop(motions.remove(&device)),
        }
    }

    /// Whether what this device reports of its outputs is waited for.
    pub(crate) fn awaits_telemetry(&self, device: &DeviceId) -> bool {
        self.lock().watched.get(device) == Some(&Watch::Telemetry)
    }

    /// Takes what a device reported. Whether there is room for more.
    pub(crate) fn telemetry(&self, device: DeviceId, telemetry: Telemetry) -> bool {
        let mut inner = self.lock();
        inner.telemetry.push_back((device, telemetry));
        self.has_news.store(true, Ordering::Release);
        inner.telemetry.len() < WAITING
    }

    /// Whether there is room for telemetry again.
    pub(crate) fn has_room(&self) -> bool {
        self.lock().telemetry.len() < WAITING / 2
    }

    /// Watches a device from now on, or no more.
    pub(crate) fn watch(&self, device: &DeviceId, watch: Option<Watch>) {
        let mut inner = self.lock();
        match watch {
            Some(watch) if inner.watched.get(device) == Some(&watch) => {}
            Some(watch) => drop(inner.watched.insert(device.clone(), watch)),
            None => {
                inner.watched.remove(device);
                inner.changed.remove(device);
            }
        }
    }

    /// The session of a device that is connected, and how it moves.
    pub(crate) fn look(&self, device: &DeviceId) -> (Option<SessionRef>, Option<Motion>) {
        let inner = self.lock();
        let session = inner.sessions.get(device).map(|slot| SessionRef {
            epoch: slot.epoch,
            frontend_id: slot.frontend.id.clone(),
            address: slot.frontend.address.clone(),
            accepts_commands: slot.accepts_commands,
        });
        (session, inner.motions.get(device).copied())
    }

    /// Whether something came for the worker.
    pub(crate) fn has_news(&self) -> bool {
        self.has_news.load(Ordering::Acquire)
    }

    /// Takes what came, at most so much of each.
    pub(crate) fn take_news(&self, most: usize) -> News {
        let mut inner = self.lock();
        let changed: Vec<DeviceId> = inner.changed.iter().take(most).cloned().collect();
        for device in &changed {
            inner.changed.remove(device);
        }
        let count = inner.telemetry.len().min(most);
        let telemetry = inner.telemetry.drain(..count).collect();
        let left = !(inner.changed.is_empty() && inner.telemetry.is_empty());
        self.has_news.store(left, Ordering::Release);
        News { changed, telemetry }
    }

    /// Forgets what was watched and what came; from now on positions from this offset on count.
    pub(crate) fn begin(&self, positions_from: i64) {
        let mut inner = self.lock();
        inner.watched.clear();
        inner.changed.clear();
        inner.telemetry.clear();
        let order = self.orders.fetch_add(1, Ordering::Relaxed) + 1;
        inner.positions = Some(Wanted { order, from: positions_from });
        self.has_news.store(false, Ordering::Release);
    }

    /// Where the positions are to be read from.
    pub(crate) fn positions(&self) -> Option<Wanted> {
        self.lock().positions
    }

    /// Devices that are connected.
    pub(crate) fn sessions(&self) -> usize {
        self.lock().sessions.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The frontend of these names, kept once however many sessions it has.
    fn frontend(&mut self, id: &str, address: &str) -> Arc<Frontend> {
        let named = Arc::new(Frontend { id: id.to_owned(), address: address.to_owned() });
        if let Some(known) = self.frontends.get(&named) {
            return Arc::clone(known);
        }
        if self.frontends.len() >= MANY {
            self.frontends.retain(|known| Arc::strong_count(known) > 1);
        }
        self.frontends.insert(Arc::clone(&named));
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(epoch: u64, state: SessionState) -> Session {
        Session {
            epoch,
            state: state.into(),
            frontend_id: "f".into(),
            frontend_address: "h:1".into(),
            ..Session::default()
        }
    }

    fn device() -> DeviceId {
        "867035046242895".parse().unwrap()
    }

    #[test]
    fn the_newest_session_counts_whatever_order_frontends_tell_in() {
        let shelf = Shelf::default();
        shelf.session(device(), Some(&session(2, SessionState::Connected)));
        shelf.session(device(), Some(&session(1, SessionState::Disconnected)));
        shelf.session(device(), Some(&session(1, SessionState::Connected)));
        let (found, _) = shelf.look(&device());
        assert_eq!(found.map(|found| (found.epoch, found.address)), Some((2, "h:1".to_owned())));
        shelf.session(device(), Some(&session(2, SessionState::Disconnected)));
        assert_eq!((shelf.look(&device()).0, shelf.sessions()), (None, 0));
    }

    #[test]
    fn only_watched_devices_make_news() {
        let shelf = Shelf::default();
        shelf.session(device(), Some(&session(1, SessionState::Connected)));
        assert!(!shelf.has_news());
        shelf.watch(&device(), Some(Watch::Session));
        shelf.session(device(), None);
        assert!(shelf.has_news() && !shelf.awaits_telemetry(&device()));
        assert_eq!(shelf.take_news(10).changed, [device()]);
        assert!(!shelf.has_news());
    }

    #[test]
    fn telemetry_beyond_the_bound_asks_for_a_pause() {
        let shelf = Shelf::default();
        let one = Telemetry { device_time_ms: 1, outputs: vec![(1, true)], raw: None };
        let room = (0..WAITING).filter(|_| shelf.telemetry(device(), one.clone())).count();
        assert_eq!(room, WAITING - 1);
        assert!(!shelf.has_room());
        assert_eq!(shelf.take_news(WAITING).telemetry.len(), WAITING);
        assert!(shelf.has_room());
    }

    #[test]
    fn a_frontend_is_kept_once() {
        let shelf = Shelf::default();
        for number in 0..1000 {
            let device: DeviceId = format!("d{number}").parse().unwrap();
            shelf.session(device, Some(&session(1, SessionState::Connected)));
        }
        assert_eq!(shelf.lock().frontends.len(), 1);
    }
}
