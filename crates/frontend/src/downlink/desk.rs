//! What a session remembers of the commands that were handed to it. It is forgotten with the session.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use fleetwire_mqtt::{Attempt, DeliveryOutcome};

/// Commands of one session without an outcome. As many may be on the wire at a time.
const MAX_OPEN: usize = 16;
/// Commands whose acknowledgement a session remembers. A gateway hands over one after the other, so that the last one
/// would do; acknowledgements that come late are among them.
const REMEMBERED: usize = 4;

/// Where a device's session takes commands; part of its identity.
#[derive(Debug, Default)]
pub struct Desk {
    /// Epoch of the session, 0 before it has one.
    epoch: AtomicU64,
    /// Made with the first command: most sessions never get one.
    orders: OnceLock<Arc<Orders>>,
}

impl Desk {
    /// The session has its epoch.
    pub(crate) fn open(&self, epoch: u64) {
        self.epoch.store(epoch, Relaxed);
    }

    /// Whether the session has this epoch.
    pub(crate) fn is_of(&self, epoch: u64) -> bool {
        epoch != 0 && self.epoch.load(Relaxed) == epoch
    }

    /// The session's commands.
    pub(super) fn orders(&self) -> Arc<Orders> {
        Arc::clone(self.orders.get_or_init(Arc::default))
    }
}

/// The commands of one session.
#[derive(Debug, Default)]
pub(super) struct Orders(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    acknowledged: VecDeque<String>,
    open: Vec<Open>,
}

/// A command without an outcome, as far as anybody looked.
#[derive(Debug)]
struct Open {
    command_id: String,
    attempt: Arc<Attempt>,
    /// Calls that wait for it.
    waiting: usize,
}

/// What a call finds.
#[derive(Debug)]
pub(super) enum Taken {
    /// The device has acknowledged the command before.
    Acknowledged,
    /// Another call has begun the same attempt.
    Joined(Place),
    /// The attempt is to be begun.
    New(Place),
    /// The command is not known, and its time is over.
    Over,
    /// As many commands of the session have no outcome as may be.
    Full,
}

impl Orders {
    /// Finds a command, or makes a place for it unless its time is over.
    pub(super) fn take(self: &Arc<Self>, command_id: &str, is_over: bool) -> Taken {
        let mut inner = self.lock();
        inner.settle();
        if inner.acknowledged.iter().any(|known| known == command_id) {
            return Taken::Acknowledged;
        }
        if let Some(open) = inner.open.iter_mut().find(|open| open.command_id == command_id) {
            open.waiting += 1;
            let attempt = Arc::clone(&open.attempt);
            return Taken::Joined(Place { orders: Arc::clone(self), attempt, is_left: false });
        }
        if is_over {
            return Taken::Over;
        }
        if inner.open.len() >= MAX_OPEN {
            return Taken::Full;
        }
        let attempt = Attempt::new();
        let open = Open { command_id: command_id.to_owned(), attempt: Arc::clone(&attempt), waiting: 1 };
        inner.open.push(open);
        Taken::New(Place { orders: Arc::clone(self), attempt, is_left: false })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing here can be left half done, so a panic elsewhere does not matter.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Remembers what was acknowledged, and forgets what else has an outcome.
    fn settle(&mut self) {
        let Self { acknowledged, open } = self;
        open.retain_mut(|open| match open.attempt.outcome() {
            None => true,
            Some(DeliveryOutcome::Acknowledged) => {
                if acknowledged.len() >= REMEMBERED {
                    acknowledged.pop_front();
                }
                acknowledged.push_back(std::mem::take(&mut open.command_id));
                false
            }
            Some(_) => false,
        });
    }
}

/// What a call that waits no longer knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// What became of the attempt.
    Settled(DeliveryOutcome),
    /// It was taken back: surely nothing was sent.
    NotSent,
    /// It may have been sent, or may still be for another call.
    MaySend,
}

/// A call's share of an attempt. When the last call has left and nothing is sent yet, nothing will be.
#[derive(Debug)]
pub(super) struct Place {
    orders: Arc<Orders>,
    attempt: Arc<Attempt>,
    is_left: bool,
}

impl Place {
    pub(super) const fn attempt(&self) -> &Arc<Attempt> {
        &self.attempt
    }

    /// Waits no longer.
    pub(super) fn leave(mut self) -> Left {
        self.left()
    }

    fn left(&mut self) -> Left {
        self.is_left = true;
        let mut inner = self.orders.lock();
        let Some(at) = inner.open.iter().position(|open| Arc::ptr_eq(&open.attempt, &self.attempt)) else {
            return self.attempt.outcome().map_or(Left::MaySend, Left::Settled);
        };
        let is_last = inner.open.get_mut(at).is_none_or(|open| {
            open.waiting = open.waiting.saturating_sub(1);
            open.waiting == 0
        });
        if let Some(outcome) = self.attempt.outcome() {
            return Left::Settled(outcome);
        }
        if is_last && self.attempt.withdraw() {
            inner.open.remove(at);
            return Left::NotSent;
        }
        Left::MaySend
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_left {
            self.left();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(orders: &Arc<Orders>, id: &str) -> Place {
        match orders.take(id, false) {
            Taken::New(place) => place,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_session_is_known_by_its_epoch_and_by_none_before_it_has_one() {
        let desk = Desk::default();
        assert!(!desk.is_of(0) && !desk.is_of(7));
        desk.open(7);
        assert!(desk.is_of(7) && !desk.is_of(8) && !desk.is_of(0));
    }

    #[test]
    fn a_call_for_what_is_on_its_way_joins_it_whatever_its_time() {
        let orders = Arc::new(Orders::default());
        let first = new(&orders, "a");
        let Taken::Joined(second) = orders.take("a", true) else { panic!("another attempt") };
        assert!(Arc::ptr_eq(first.attempt(), second.attempt()));
        assert!(matches!(orders.take("b", true), Taken::Over));
        // The other call still wants it.
        assert_eq!(first.leave(), Left::MaySend);
        assert_eq!(second.leave(), Left::NotSent);
        // Nothing of it is left: a call begins anew.
        drop(new(&orders, "a"));
        new(&orders, "a");
    }

    #[test]
    fn a_call_that_is_dropped_takes_its_attempt_back() {
        let orders = Arc::new(Orders::default());
        let place = new(&orders, "a");
        let attempt = Arc::clone(place.attempt());
        drop(place);
        assert!(attempt.withdraw(), "it was taken back before");
        assert_eq!(orders.lock().open.len(), 0);
    }

    #[test]
    fn no_more_commands_are_open_than_may_be_on_the_wire() {
        let orders = Arc::new(Orders::default());
        let open: Vec<_> = (0..MAX_OPEN).map(|number| new(&orders, &number.to_string())).collect();
        assert!(matches!(orders.take("one more", false), Taken::Full));
        assert!(matches!(orders.take("3", false), Taken::Joined(_)));
        drop(open);
        new(&orders, "one more");
    }
}
