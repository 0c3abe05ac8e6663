//! What others want from a connection's task: downlinks to send, or its end.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::{
    receipt::Answers,
    session::{Downlink, End},
};

/// What became of a downlink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The client acknowledged it.
    Acknowledged,
    /// It was written with quality of service 0: nobody will know more.
    Sent,
    /// The client answered with this MQTT 5 reason code.
    Rejected(u8),
    /// The client has no session here. Nothing was sent.
    NotConnected,
    /// The client has no subscription for the topic. Nothing was sent.
    NotSubscribed,
    /// Too many downlinks wait for this client. Nothing was sent.
    Busy,
    /// Larger than the client takes. Nothing was sent.
    TooLarge,
    /// It was written, and the connection ended without an acknowledgement.
    Unacknowledged,
}

impl DeliveryOutcome {
    /// The metric label: a fixed word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Acknowledged => "acknowledged",
            Self::Sent => "sent",
            Self::Rejected(_) => "rejected",
            Self::NotConnected => "not_connected",
            Self::NotSubscribed => "not_subscribed",
            Self::Busy => "busy",
            Self::TooLarge => "too_large",
            Self::Unacknowledged => "unacknowledged",
        }
    }
}

/// Where the outcome of a downlink goes.
pub(super) type Reply = oneshot::Sender<DeliveryOutcome>;

/// Tells the outcome; the asker may have gone, which is its own affair.
pub(super) fn tell(reply: Reply, outcome: DeliveryOutcome) {
    let _ = reply.send(outcome);
}

/// How a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    /// Once nothing is in flight.
    Drain,
    /// At once.
    Now(End),
}

/// One connection's mailbox. A push rings the same bell as an answered publish.
#[derive(Debug)]
pub(super) struct Mailbox {
    answers: Arc<Answers>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    downlinks: VecDeque<(Downlink, Reply)>,
    closing: Option<Closing>,
    /// The task has gone: nothing may be left here.
    shut: bool,
}

impl Mailbox {
    pub(super) fn new(answers: Arc<Answers>) -> Arc<Self> {
        Arc::new(Self { answers, inner: Mutex::default() })
    }

    /// Queues a downlink, at most `most`.
    pub(super) fn push(&self, downlink: Downlink, reply: Reply, most: usize) {
        let mut inner = self.lock();
        let refusal = if inner.shut || inner.closing.is_some() {
            DeliveryOutcome::NotConnected
        } else if inner.downlinks.len() >= most {
            DeliveryOutcome::Busy
        } else {
            inner.downlinks.push_back((downlink, reply));
            drop(inner);
            return self.answers.ring();
        };
        drop(inner);
        tell(reply, refusal);
    }

    /// Asks the connection to end. An end at once is never taken back.
    pub(super) fn close(&self, closing: Closing) {
        let mut inner = self.lock();
        if !matches!(inner.closing, Some(Closing::Now(_))) {
            inner.closing = Some(closing);
        }
        drop(inner);
        self.answers.ring();
    }

    pub(super) fn closing(&self) -> Option<Closing> {
        self.lock().closing
    }

    pub(super) fn next(&self) -> Option<(Downlink, Reply)> {
        self.lock().downlinks.pop_front()
    }

    /// Takes nothing more, and answers what is left.
    pub(super) fn shut(&self) {
        let mut inner = self.lock();
        inner.shut = true;
        let left = std::mem::take(&mut inner.downlinks);
        drop(inner);
        for (_, reply) in left {
            tell(reply, DeliveryOutcome::NotConnected);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing here can be left half done, so a panic elsewhere does not matter.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
