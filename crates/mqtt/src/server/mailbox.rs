//! What others want from a connection's task: downlinks to send, its session, or its end.

use std::{
    any::Any,
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::{attempt::Share, hub::Subscriber};
use crate::{
    packet::QoS,
    receipt::Answers,
    session::{Downlink, End, Kept},
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
    /// The client has no connection here. Nothing was sent.
    NotConnected,
    /// The client has another session than the one that was meant. Nothing was sent.
    OtherSession,
    /// The client has no subscription for the topic, or, for a command, none with which it would answer. Nothing was
    /// sent.
    NotSubscribed,
    /// Too many downlinks wait for this client. Nothing was sent.
    Busy,
    /// Larger than the client takes. Nothing was sent.
    TooLarge,
    /// Its time was over before it could be sent.
    Expired,
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
            Self::OtherSession => "other_session",
            Self::NotSubscribed => "not_subscribed",
            Self::Busy => "busy",
            Self::TooLarge => "too_large",
            Self::Expired => "expired",
            Self::Unacknowledged => "unacknowledged",
        }
    }
}

/// Where the outcome of a downlink goes, if anyone wants to know.
pub(super) type Reply = Option<Asker>;

/// Who wants to know.
#[derive(Debug)]
pub(super) enum Asker {
    /// One, who has given up when the receiver is gone.
    One(oneshot::Sender<DeliveryOutcome>),
    /// Those who share an attempt.
    Attempt(Share),
}

/// Tells the outcome; the asker may have gone, which is its own affair.
pub(super) fn tell(reply: Reply, outcome: DeliveryOutcome) {
    match reply {
        Some(Asker::One(reply)) => drop(reply.send(outcome)),
        Some(Asker::Attempt(share)) => share.0.settle(outcome),
        None => {}
    }
}

/// Whether a downlink may be sent now: whoever asked for it has not given up. An attempt cannot be taken back any more
/// after this.
pub(super) fn may_send(reply: &Reply) -> bool {
    match reply {
        Some(Asker::One(reply)) => !reply.is_closed(),
        Some(Asker::Attempt(share)) => share.0.begin(),
        None => true,
    }
}

/// How a connection is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closing {
    /// Once nothing is in flight.
    Drain,
    /// At once.
    Now(End),
    /// At once, and its session goes on with the newer connection that has claimed it.
    Claimed,
}

/// A newer connection's claim on the session.
#[derive(Debug)]
pub(super) struct Claim {
    /// Mailbox of the newer connection.
    pub(super) to: Arc<Mailbox>,
    /// Where the session is waited for.
    pub(super) heir: oneshot::Sender<Inherited>,
}

/// A session on its way from one connection to the next.
#[derive(Debug)]
pub(super) struct Inherited {
    pub(super) kept: Box<Kept>,
    pub(super) subscriber: Option<Arc<Subscriber>>,
}

/// What the authenticator knows of a session.
pub(super) type Identity = dyn Any + Send + Sync;

/// One connection's mailbox. A push rings the same bell as an answered publish.
#[derive(Debug)]
pub(super) struct Mailbox {
    answers: Arc<Answers>,
    identity: Arc<Identity>,
    /// Downlinks that may wait.
    capacity: usize,
    /// Whether downlinks may wait while the client is away.
    keeps: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    downlinks: VecDeque<(Downlink, Reply)>,
    closing: Option<Closing>,
    claim: Option<Box<Claim>>,
    /// The client has no connection.
    away: bool,
    /// The task has gone: nothing may be left here.
    shut: bool,
}

impl Mailbox {
    pub(super) fn new(
        answers: Arc<Answers>,
        identity: Arc<Identity>,
        capacity: usize,
        keeps: bool,
    ) -> Arc<Self> {
        Arc::new(Self { answers, identity, capacity, keeps, inner: Mutex::default() })
    }

    pub(super) fn identity(&self) -> &Identity {
        &*self.identity
    }

    /// Whether it ends by itself now: it was told to, or its task has gone.
    pub(super) fn is_ending(&self) -> bool {
        let inner = self.lock();
        inner.shut || matches!(inner.closing, Some(Closing::Now(_) | Closing::Claimed))
    }

    /// Queues a downlink, or tells at once why not.
    pub(super) fn push(&self, downlink: Downlink, reply: Reply) {
        let mut inner = self.lock();
        let gone = inner.shut || !self.keeps && (inner.away || inner.closing.is_some());
        let refusal = if gone || inner.away && downlink.qos == QoS::AtMostOnce {
            DeliveryOutcome::NotConnected
        } else if inner.downlinks.len() >= self.capacity {
            DeliveryOutcome::Busy
        } else {
            inner.downlinks.push_back((downlink, reply));
            drop(inner);
            return self.answers.ring();
        };
        drop(inner);
        tell(reply, refusal);
    }

    /// Queues a message for which nobody waits; `false` if it was dropped although the client wants it.
    pub(super) fn offer(&self, downlink: Downlink) -> bool {
        let mut inner = self.lock();
        if inner.shut || inner.away && downlink.qos == QoS::AtMostOnce {
            return true;
        }
        if inner.downlinks.len() >= self.capacity {
            return false;
        }
        inner.downlinks.push_back((downlink, None));
        drop(inner);
        self.answers.ring();
        true
    }

    /// Asks the connection to end. An end at once is never taken back.
    pub(super) fn close(&self, closing: Closing) {
        let mut inner = self.lock();
        if matches!(inner.closing, None | Some(Closing::Drain)) {
            inner.closing = Some(closing);
        }
        drop(inner);
        self.answers.ring();
    }

    /// Asks for the session. If it is not kept, the claim is dropped.
    pub(super) fn claim(&self, claim: Claim) {
        let mut inner = self.lock();
        if !inner.shut && matches!(inner.closing, None | Some(Closing::Drain)) {
            inner.closing = Some(Closing::Claimed);
            inner.claim = Some(Box::new(claim));
        }
        drop(inner);
        self.answers.ring();
    }

    pub(super) fn closing(&self) -> Option<Closing> {
        self.lock().closing
    }

    pub(super) fn take_claim(&self) -> Option<Box<Claim>> {
        self.lock().claim.take()
    }

    pub(super) fn is_away(&self) -> bool {
        let inner = self.lock();
        inner.away || inner.shut
    }

    /// The client has no connection any more, and its session is kept.
    pub(super) fn go_away(&self) {
        let mut inner = self.lock();
        inner.away = true;
        if self.keeps {
            return;
        }
        let left = std::mem::take(&mut inner.downlinks);
        drop(inner);
        refuse(left);
    }

    pub(super) fn next(&self) -> Option<(Downlink, Reply)> {
        self.lock().downlinks.pop_front()
    }

    /// Moves what waits here into the mailbox of the client's next connection, before what waits there.
    pub(super) fn move_to(&self, other: &Self) {
        let mut left = std::mem::take(&mut self.lock().downlinks);
        let mut inner = other.lock();
        left.append(&mut inner.downlinks);
        inner.downlinks = left;
        drop(inner);
        other.answers.ring();
    }

    /// Takes nothing more, and answers what is left.
    pub(super) fn shut(&self) {
        let mut inner = self.lock();
        inner.shut = true;
        let (left, claim) = (std::mem::take(&mut inner.downlinks), inner.claim.take());
        drop((inner, claim));
        refuse(left);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing here can be left half done, so a panic elsewhere does not matter.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refuse(left: VecDeque<(Downlink, Reply)>) {
    for (_, reply) in left {
        tell(reply, DeliveryOutcome::NotConnected);
    }
}
