//! The connection that a process makes to itself, through its own listener, to see whether it serves.
//!
//! It is told by its address, which nobody else can have while its socket is open, and no limit at the door holds it
//! up or counts it. What it may do once it is in is the authenticator's affair, as for everybody.

use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
};

use super::proxy::canonical;

/// The one connection of this kind that a server expects; none most of the time. Clones share.
#[derive(Debug, Clone, Default)]
pub struct Insider(Arc<RwLock<Option<SocketAddr>>>);

impl Insider {
    /// Expects a connection from the address of a socket that is bound and not yet connected, for as long as what is
    /// returned lives. Another one before is not expected any more.
    pub fn expect(&self, address: SocketAddr) -> Expected {
        self.set(Some(canonical(address)));
        Expected(self.clone())
    }

    /// Whether an address is the expected one.
    pub fn is(&self, address: SocketAddr) -> bool {
        *self.0.read().unwrap_or_else(PoisonError::into_inner) == Some(address)
    }

    fn set(&self, address: Option<SocketAddr>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

/// A connection is expected until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Expected(Insider);

impl Drop for Expected {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_address_is_inside_and_only_while_it_is_expected() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (insider, ours) = (Insider::default(), address("127.0.0.1:4000"));
        assert!(!insider.is(ours));
        let expected = insider.expect(address("[::ffff:127.0.0.1]:4000"));
        assert!(insider.clone().is(ours));
        assert!(!insider.is(address("127.0.0.1:4001")) && !insider.is(address("127.0.0.2:4000")));
        drop(expected);
        assert!(!insider.is(ours));
    }
}
