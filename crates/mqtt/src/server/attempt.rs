//! One attempt to send a command: it can be taken back until it is written, and then has an outcome.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU8, Ordering::SeqCst},
};

use tokio::sync::Notify;

use super::mailbox::DeliveryOutcome;

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// An attempt to send a command to a client. Shared by who asks, who may be several, and the client's connection.
#[derive(Debug, Default)]
pub struct Attempt {
    state: AtomicU8,
    outcome: OnceLock<DeliveryOutcome>,
    bell: Notify,
}

impl Attempt {
    /// An attempt that has not begun.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Takes it back, so that it is never sent; `false` if it is too late: it may have been sent.
    pub fn withdraw(&self) -> bool {
        let before = self.state.compare_exchange(WAITING, WITHDRAWN, SeqCst, SeqCst);
        !matches!(before, Err(BEGUN))
    }

    /// Whether it may be sent now; from then on it cannot be taken back.
    pub(super) fn begin(&self) -> bool {
        self.state.compare_exchange(WAITING, BEGUN, SeqCst, SeqCst).is_ok()
    }

    /// Notes what became of it. The first word counts.
    pub(super) fn settle(&self, outcome: DeliveryOutcome) {
        if self.outcome.set(outcome).is_ok() {
            self.bell.notify_waiters();
        }
    }

    /// What became of it, if that is known.
    pub fn outcome(&self) -> Option<DeliveryOutcome> {
        self.outcome.get().copied()
    }

    /// Waits for what becomes of it. A client that neither acknowledges nor goes away leaves this open, and so does an
    /// attempt that was taken back: the caller sets its own limit.
    pub async fn settled(&self) -> DeliveryOutcome {
        loop {
            // Made before the look, so that no word between the two is missed.
            let bell = self.bell.notified();
            if let Some(outcome) = self.outcome() {
                return outcome;
            }
            bell.await;
        }
    }
}

/// The connection's share of an attempt. One that is lost on the way, for whatever reason, has an outcome too.
#[derive(Debug)]
pub(super) struct Share(pub(super) Arc<Attempt>);

impl Drop for Share {
    fn drop(&mut self) {
        let has_begun = self.0.state.load(SeqCst) == BEGUN;
        self.0.settle(if has_begun {
            DeliveryOutcome::Unacknowledged
        } else {
            DeliveryOutcome::NotConnected
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_is_never_sent_and_what_is_sent_is_never_taken_back() {
        let attempt = Attempt::new();
        assert!(attempt.withdraw() && attempt.withdraw() && !attempt.begin());
        let attempt = Attempt::new();
        assert!(attempt.begin() && !attempt.withdraw());
    }

    #[tokio::test]
    async fn everybody_who_waits_learns_the_first_word() {
        let attempt = Attempt::new();
        let (one, other) = (attempt.settled(), attempt.settled());
        let settle = async {
            attempt.settle(DeliveryOutcome::Acknowledged);
            attempt.settle(DeliveryOutcome::Unacknowledged);
        };
        let (one, other, ()) = tokio::join!(one, other, settle);
        assert_eq!([one, other], [DeliveryOutcome::Acknowledged; 2]);
        assert_eq!(attempt.settled().await, DeliveryOutcome::Acknowledged);
    }

    #[test]
    fn an_attempt_that_is_lost_says_whether_it_had_begun() {
        let lost = |begins: bool| {
            let attempt = Attempt::new();
            assert_eq!(begins, begins && attempt.begin());
            drop(Share(attempt.clone()));
            attempt.outcome()
        };
        assert_eq!(lost(false), Some(DeliveryOutcome::NotConnected));
        assert_eq!(lost(true), Some(DeliveryOutcome::Unacknowledged));
    }
}
