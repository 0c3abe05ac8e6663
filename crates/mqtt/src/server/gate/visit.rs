//! What a connection holds of the door's limits for as long as it lasts.

use std::time::{Duration, Instant};

use tokio::sync::OwnedSemaphorePermit;

use super::addresses::AddressPlace;
use crate::access::Peer;

/// A connection that was let through the gate. Dropping it gives its places back.
#[derive(Debug)]
pub(in crate::server) struct Visit {
    /// Who came.
    pub(in crate::server) peer: Peer,
    /// When its connection was accepted.
    pub(in crate::server) came: Instant,
    address: Option<AddressPlace>,
    /// None of the process's own connection.
    place: Option<OwnedSemaphorePermit>,
}

impl Visit {
    pub(super) const fn new(
        peer: Peer,
        came: Instant,
        place: OwnedSemaphorePermit,
        address: Option<AddressPlace>,
    ) -> Self {
        Self { peer, came, address, place: Some(place) }
    }

    pub(super) const fn insider(peer: Peer, came: Instant) -> Self {
        Self { peer, came, address: None, place: None }
    }

    /// Whether the process connects to itself.
    pub(in crate::server) const fn is_insider(&self) -> bool {
        self.place.is_none()
    }

    /// Takes one of the publishes of the peer's address, or says how long until there is one. Costs nothing while
    /// no such rate is set.
    pub(in crate::server) fn may_publish(&self, now: Instant) -> Result<(), Duration> {
        self.address.as_ref().map_or(Ok(()), |address| address.may_publish(now))
    }
}
