//! What goes with a command through the router and is nobody's business there.
//!
//! The router carries a number and the payload. All commands have one topic in it, because it keeps a little memory for
//! ever for each topic that it meets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use fleetwire_mqtt::{Attempt, Downlink, Sessions};

use crate::identity::Identity;

/// A command on its way to a session.
#[derive(Debug)]
pub(crate) struct Crossing {
    /// Client id of the session.
    pub(super) client_id: String,
    /// Epoch that the session must have.
    pub(super) epoch: u64,
    /// Topic of the device.
    pub(super) topic: String,
    /// When it is not to be sent any more.
    pub(super) expires: Instant,
    pub(super) attempt: Arc<Attempt>,
}

impl Crossing {
    /// Hands it to the session, if that is still the one that was meant.
    pub(crate) fn arrive(self, payload: Bytes, sessions: &Sessions) {
        let Self { client_id, epoch, topic, expires, attempt } = self;
        sessions.attempt(&client_id, Downlink::command(topic, payload, expires), attempt, |identity| {
            matches!(identity.downcast_ref(), Some(Identity::Device { desk, .. }) if desk.is_of(epoch))
        });
    }
}

/// All that are on their way, by their numbers. What the router may hold bounds them.
#[derive(Debug, Default)]
pub(crate) struct Crossings(Mutex<Numbered>);

#[derive(Debug, Default)]
struct Numbered {
    last: u64,
    waiting: HashMap<u64, Crossing>,
}

impl Crossings {
    /// Notes one that sets out; its number.
    pub(super) fn set_out(&self, crossing: Crossing) -> u64 {
        let mut numbered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        numbered.last += 1;
        let number = numbered.last;
        numbered.waiting.insert(number, crossing);
        number
    }

    /// One that arrives, or does not go after all.
    pub(crate) fn take(&self, number: u64) -> Option<Crossing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).waiting.remove(&number)
    }
}
