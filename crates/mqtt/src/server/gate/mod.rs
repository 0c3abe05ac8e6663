//! Storm control before cost: who is let through to a handshake, decided before anything is read.
//!
//! Everything here counts and measures; nothing here waits or touches a socket but for [`Gate::pace`].

mod addresses;
mod bucket;
mod pace;
mod visit;

pub use bucket::Rate;
pub(super) use visit::Visit;

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit},
    time::sleep,
};

use crate::{access::Peer, observer::TurnedAway};
use addresses::Addresses;
use pace::Pace;

/// Limits at the door. Those for each address are off unless set: thousands of devices may share the address of
/// their carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateSettings {
    /// Connections that are taken a second; those above it wait in the kernel. `None` for any number.
    pub accept_rate: Option<NonZeroU32>,
    /// How long the accept rate takes to grow to its full value after the start.
    pub slow_start: Duration,
    /// TLS and WebSocket handshakes at once.
    pub handshakes: usize,
    /// Connections that may wait for their handshake.
    pub waiting_handshakes: usize,
    /// Plain connections over a limit that are held for a while, told "server busy", and closed. Any above this
    /// are closed at once.
    pub waiting_rooms: usize,
    /// How long they are held: a random time up to this, from a fifth of it on.
    pub busy_delay: Duration,
    /// Connections of one address.
    pub connections_per_address: Option<NonZeroUsize>,
    /// Connects of one address.
    pub connect_rate_per_address: Option<Rate>,
    /// Publishes of one address.
    pub publish_rate_per_address: Option<Rate>,
    /// Leading bits that make IPv4 addresses one address.
    pub ipv4_prefix: u8,
    /// Leading bits that make IPv6 addresses one address.
    pub ipv6_prefix: u8,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            accept_rate: NonZeroU32::new(5000),
            slow_start: Duration::from_secs(5),
            handshakes: 2048,
            waiting_handshakes: 20_000,
            waiting_rooms: 1000,
            busy_delay: Duration::from_secs(5),
            connections_per_address: None,
            connect_rate_per_address: None,
            publish_rate_per_address: None,
            ipv4_prefix: 32,
            ipv6_prefix: 64,
        }
    }
}

/// The door of a server, shared by all its listeners.
#[derive(Debug)]
pub(super) struct Gate {
    pace: Option<Mutex<Pace>>,
    places: Arc<Semaphore>,
    addresses: Option<Arc<Addresses>>,
    handshakes: Semaphore,
    waiting_handshakes: Semaphore,
    rooms: Arc<Semaphore>,
}

impl Gate {
    pub(super) fn new(settings: &GateSettings, max_connections: usize, now: Instant) -> Self {
        let semaphore = |permits: usize| Semaphore::new(permits.min(Semaphore::MAX_PERMITS));
        let pace = settings.accept_rate.map(|rate| Mutex::new(Pace::new(rate, settings.slow_start, now)));
        Self {
            pace,
            places: Arc::new(semaphore(max_connections)),
            addresses: Addresses::new(settings),
            handshakes: semaphore(settings.handshakes.max(1)),
            waiting_handshakes: semaphore(settings.waiting_handshakes.max(1)),
            rooms: Arc::new(semaphore(settings.waiting_rooms)),
        }
    }

    /// Waits until another connection may be taken.
    pub(super) async fn pace(&self) {
        let Some(pace) = &self.pace else { return };
        loop {
            let wait = pace.lock().unwrap_or_else(PoisonError::into_inner).wait(Instant::now());
            match wait {
                Ok(()) => return,
                Err(wait) => sleep(wait).await,
            }
        }
    }

    /// A place among all connections. It counts for the pace only if there is one: to turn someone away costs
    /// little.
    pub(super) fn enter(&self, now: Instant) -> Result<OwnedSemaphorePermit, TurnedAway> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| TurnedAway::Connections)?;
        if let Some(pace) = &self.pace {
            pace.lock().unwrap_or_else(PoisonError::into_inner).spend(now);
        }
        Ok(place)
    }

    /// A place among the connections of the peer's address.
    pub(super) fn visit(
        &self,
        peer: Peer,
        place: OwnedSemaphorePermit,
        now: Instant,
    ) -> Result<Box<Visit>, TurnedAway> {
        let addresses = self.addresses.as_ref();
        let address = addresses.map(|addresses| addresses.enter(peer.address.ip(), now)).transpose()?;
        Ok(Box::new(Visit::new(peer, now, place, address)))
    }

    /// The process's own connection, which takes no place and no turn of anybody.
    pub(super) const fn insider(peer: Peer, now: Instant) -> Visit {
        Visit::insider(peer, now)
    }

    /// A turn for a handshake. Waits in order, but not when too many wait already; the caller sets the time limit.
    pub(super) async fn handshake(&self) -> Result<SemaphorePermit<'_>, TurnedAway> {
        if let Ok(turn) = self.handshakes.try_acquire() {
            return Ok(turn);
        }
        let _waiting = self.waiting_handshakes.try_acquire().map_err(|_| TurnedAway::Handshakes)?;
        self.handshakes.acquire().await.map_err(|_| TurnedAway::Handshakes)
    }

    /// A place to wait in for who is turned away.
    pub(super) fn waiting_room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.rooms).try_acquire_owned().ok()
    }
}
