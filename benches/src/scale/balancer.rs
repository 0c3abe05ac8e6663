//! What a load balancer does for devices: it knows which frontends take connections, and hands new ones out at random.
//! It also counts the sessions at each.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::seq::IndexedRandom as _;

/// Frontends that take connections, and the sessions at each.
#[derive(Debug, Default)]
pub(super) struct Balancer(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    ready: Vec<SocketAddr>,
    sessions: BTreeMap<SocketAddr, u32>,
}

impl Balancer {
    /// From now on this frontend gets connections.
    pub(super) fn add(&self, frontend: SocketAddr) {
        self.known().ready.push(frontend);
    }

    /// From now on this frontend gets no new connections.
    pub(super) fn remove(&self, frontend: SocketAddr) {
        self.known().ready.retain(|ready| *ready != frontend);
    }

    /// A frontend for a new connection.
    pub(super) fn pick(&self, random: &mut impl rand::Rng) -> Option<SocketAddr> {
        self.known().ready.choose(random).copied()
    }

    /// Counts a session until the returned value is dropped.
    pub(super) fn enter(self: &Arc<Self>, frontend: SocketAddr) -> Seat {
        *self.known().sessions.entry(frontend).or_default() += 1;
        Seat { balancer: Arc::clone(self), frontend }
    }

    /// The sessions at each frontend that takes connections.
    pub(super) fn spread(&self) -> Vec<u32> {
        let known = self.known();
        known.ready.iter().map(|ready| known.sessions.get(ready).copied().unwrap_or(0)).collect()
    }

    /// Whether each frontend has half of its fair share or more, and no session is elsewhere.
    pub(super) fn is_even(&self, devices: u32) -> bool {
        let spread = self.spread();
        let share = devices / u32::try_from(spread.len()).unwrap_or(u32::MAX).max(1);
        spread.iter().sum::<u32>() == devices && spread.iter().all(|sessions| *sessions >= share / 2)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session that counts.
#[derive(Debug)]
pub(super) struct Seat {
    balancer: Arc<Balancer>,
    frontend: SocketAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(sessions) = self.balancer.known().sessions.get_mut(&self.frontend) {
            *sessions = sessions.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_count_where_they_are_and_a_removed_frontend_gets_none() {
        let (balancer, random) = (Arc::new(Balancer::default()), &mut rand::rng());
        let [one, two] = ["127.0.0.1:1", "127.0.0.1:2"].map(|text| text.parse().unwrap());
        assert_eq!(balancer.pick(random), None);
        balancer.add(one);
        balancer.add(two);
        let seats = [one, one, one, two].map(|frontend| balancer.enter(frontend));
        assert_eq!(balancer.spread(), [3, 1]);
        assert!(balancer.is_even(4) && !balancer.is_even(5));
        balancer.remove(one);
        assert_eq!((balancer.pick(random), balancer.spread()), (Some(two), vec![1]));
        assert!(!balancer.is_even(4), "three sessions are at the frontend that went");
        drop(seats);
        assert_eq!(balancer.spread(), [0]);
    }
}
