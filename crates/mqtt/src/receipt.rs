//! The answer slip of a publish, and the ring that collects the answers of one session.
//!
//! A receipt may be completed on any thread. Completing costs two atomic operations, and a wake-up only if the
//! session waits for just this one: publishes behind the first open one wake nobody.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, Ordering::SeqCst},
    },
};

use tokio::sync::Notify;

use crate::packet::Reason;

/// What became of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable: the client may be told so.
    Stored,
    /// It is not: MQTT 5 clients get a reason code, others lose their connection and send it again.
    Failed(FailureReason),
}

/// Why a publish was not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureReason {
    /// The store did not take it in time, or said no without a reason that concerns the client.
    NotStored,
    /// The receipt was dropped without an answer.
    Dropped,
    /// The account may not publish this.
    NotAuthorized,
    /// A quota of the account or the device is used up.
    QuotaExceeded,
    /// The store can never take this publish, for example because of its size.
    Unacceptable,
}

impl FailureReason {
    /// The metric label: a fixed word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotStored => "not_stored",
            Self::Dropped => "dropped",
            Self::NotAuthorized => "not_authorized",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Unacceptable => "unacceptable",
        }
    }

    /// What PUBACK and PUBREC of MQTT 5 say.
    pub const fn reason(self) -> Reason {
        match self {
            Self::NotStored | Self::Dropped => Reason::UnspecifiedError,
            Self::NotAuthorized => Reason::NotAuthorized,
            Self::QuotaExceeded => Reason::QuotaExceeded,
            Self::Unacceptable => Reason::ImplementationSpecificError,
        }
    }

    const ALL: [Self; 5] =
        [Self::NotStored, Self::Dropped, Self::NotAuthorized, Self::QuotaExceeded, Self::Unacceptable];
}

impl Outcome {
    /// Never 0, which means that the answer is still open.
    fn to_byte(self) -> u8 {
        match self {
            Self::Stored => 1,
            Self::Failed(reason) => 2 + reason as u8,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => None,
            1 => Some(Self::Stored),
            byte => FailureReason::ALL.get(usize::from(byte) - 2).map(|reason| Self::Failed(*reason)),
        }
    }
}

/// The answers of one session: a slot per publish in flight, in the order in which they came.
pub(crate) struct Answers {
    /// 0 is open, else an [`Outcome`].
    slots: Box<[AtomicU8]>,
    /// The slot that the session waits for.
    head: AtomicU32,
    bell: Notify,
}

impl Answers {
    /// Room for `slots` publishes in flight.
    pub(crate) fn new(slots: u16) -> Arc<Self> {
        let slots = (0..slots.max(1)).map(|_| AtomicU8::new(0)).collect();
        Arc::new(Self { slots, head: AtomicU32::new(0), bell: Notify::new() })
    }

    /// The slot after `slot`.
    pub(crate) fn after(&self, slot: u32) -> u32 {
        let next = slot + 1;
        if next as usize >= self.slots.len() { 0 } else { next }
    }

    /// Notes an answer, and wakes the session if it waits for this one.
    ///
    /// With one total order of these operations either the session, which moves `head` before it looks into
    /// the slot, sees the answer, or this sees the moved `head`.
    pub(crate) fn settle(&self, slot: u32, outcome: Outcome) {
        if let Some(answer) = self.slots.get(slot as usize) {
            answer.store(outcome.to_byte(), SeqCst);
        }
        if self.head.load(SeqCst) == slot {
            self.ring();
        }
    }

    /// Takes the answer of the head slot if it is there, and moves on. Only the session calls this.
    pub(crate) fn take_head(&self) -> Option<Outcome> {
        let head = self.head.load(SeqCst);
        let slot = self.slots.get(head as usize)?;
        let outcome = Outcome::from_byte(slot.load(SeqCst))?;
        slot.store(0, SeqCst);
        self.head.store(self.after(head), SeqCst);
        Some(outcome)
    }

    /// Wakes the connection, for an answer or for anything else that waits for it.
    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Resolves after [`Self::ring`], at once if it was called since the last time.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

/// The answer slip of one publish. Dropping it counts as [`FailureReason::Dropped`], never as stored.
#[derive(Debug)]
#[must_use = "dropping a receipt fails its publish"]
pub struct Receipt {
    answers: Arc<Answers>,
    slot: u32,
    done: bool,
}

impl Receipt {
    pub(crate) const fn new(answers: Arc<Answers>, slot: u32) -> Self {
        Self { answers, slot, done: false }
    }

    /// Tells the session what became of the publish. Any thread may call this; it never blocks.
    pub fn complete(mut self, outcome: Outcome) {
        self.done = true;
        self.answers.settle(self.slot, outcome);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if !self.done {
            self.answers.settle(self.slot, Outcome::Failed(FailureReason::Dropped));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_out_in_the_order_of_the_publishes() {
        let answers = Answers::new(3);
        let [first, second] = [0, 1].map(|slot| Receipt::new(answers.clone(), slot));
        second.complete(Outcome::Failed(FailureReason::QuotaExceeded));
        assert_eq!(answers.take_head(), None);
        first.complete(Outcome::Stored);
        assert_eq!(answers.take_head(), Some(Outcome::Stored));
        assert_eq!(answers.take_head(), Some(Outcome::Failed(FailureReason::QuotaExceeded)));
        assert_eq!(answers.take_head(), None);
    }

    #[test]
    fn a_dropped_receipt_is_a_failure() {
        let answers = Answers::new(1);
        drop(Receipt::new(answers.clone(), 0));
        assert_eq!(answers.take_head(), Some(Outcome::Failed(FailureReason::Dropped)));
    }

    #[test]
    fn every_failure_survives_its_slot() {
        for reason in FailureReason::ALL {
            let outcome = Outcome::Failed(reason);
            assert_eq!(Outcome::from_byte(outcome.to_byte()), Some(outcome));
        }
    }
}
