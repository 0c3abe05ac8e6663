//! A session whose client is away: waits for the client's next connection, for its will's time, or for its end.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::{Instant, sleep_until, timeout},
};

use super::{
    Core,
    hub::Subscriber,
    mailbox::{Claim, Closing, Inherited, Mailbox},
    sessions::Place,
};
use crate::{
    access::Authenticator,
    ingest::{Ingest, Publish, SessionFacts},
    observer::Event,
    receipt::{FailureReason, Receipt},
    session::Kept,
};

/// How long a new connection waits for the session of the one before it.
const CLAIM_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a claimed session waits for publishes in flight that could be stored twice otherwise.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long ingest may take to find room for a will.
const WILL_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks an older connection for its session; `None` if it has none that is kept.
pub(super) async fn claim(older: &Mailbox, to: &Arc<Mailbox>) -> Option<Inherited> {
    let (heir, inherited) = oneshot::channel();
    older.claim(Claim { to: to.clone(), heir });
    timeout(CLAIM_TIMEOUT, inherited).await.ok()?.ok()
}

/// A session without a connection, with everything that it holds in this server.
pub(super) struct Parked<'a, A, I> {
    core: &'a Core<A, I>,
    kept: Box<Kept>,
    mailbox: Arc<Mailbox>,
    subscriber: Option<Arc<Subscriber>>,
    /// Whether the session may wait; without, it is over at once.
    place: Option<(Place, OwnedSemaphorePermit)>,
    since: Instant,
    claimed: Option<Instant>,
}

/// How the wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The client's next connection waits for it.
    Claimed,
    /// It is over.
    Over,
}

impl<'a, A: Authenticator, I: Ingest> Parked<'a, A, I> {
    /// Parks a session, if it is to be kept and there is room.
    pub(super) fn new(
        core: &'a Core<A, I>,
        (kept, keep): (Kept, bool),
        mailbox: Arc<Mailbox>,
        subscriber: Option<Arc<Subscriber>>,
        place: Place,
    ) -> Self {
        let permit = if keep && !core.stop.is_cancelled() { core.sessions.keep() } else { None };
        if keep {
            let facts = kept.facts();
            core.parts.observer.on(if permit.is_some() { Event::Kept(facts) } else { Event::NotKept(facts) });
        }
        let place = permit.map(|permit| (place, permit));
        if place.is_some() {
            mailbox.go_away();
        }
        Self { core, kept: kept.into(), mailbox, subscriber, place, since: Instant::now(), claimed: None }
    }

    /// Waits until the session is inherited or over, and leaves nothing behind.
    pub(super) async fn wait(mut self) {
        let left = match self.fate().await {
            Fate::Claimed => self.hand_over(),
            Fate::Over => Some(self),
        };
        if let Some(parked) = left {
            parked.over().await;
        }
    }

    async fn over(self) {
        let Self { core, mut kept, mailbox, subscriber, place, .. } = self;
        if let Some(subscriber) = &subscriber {
            core.sessions.hub.leave(subscriber);
        }
        if place.is_some() {
            core.parts.observer.on(Event::KeptOver(kept.facts()));
        }
        mailbox.shut();
        drop(place);
        if let Some((publish, receipt)) = kept.take_will((core.parts.unix_ms)()) {
            publish_will(core, kept.facts(), publish, receipt).await;
        }
    }

    /// Gives the session to the connection that claimed it; the session comes back if that is gone already.
    fn hand_over(self) -> Option<Self> {
        let Some(claim) = self.mailbox.take_claim() else {
            return Some(self);
        };
        let Claim { to, heir } = *claim;
        let Self { core, mut kept, mailbox, subscriber, place, since, claimed } = self;
        if let Some(subscriber) = &subscriber {
            subscriber.move_to(&to);
        }
        // The client is back in time.
        kept.drop_will();
        let Err(back) = heir.send(Inherited { kept, subscriber }) else {
            mailbox.shut();
            return None;
        };
        Some(Self { core, kept: back.kept, mailbox, subscriber: back.subscriber, place, since, claimed })
    }

    async fn fate(&mut self) -> Fate {
        if self.place.is_none() {
            return Fate::Over;
        }
        // A will without delay does not wait for anyone.
        self.publish_due_will().await;
        loop {
            self.kept.settle();
            let now = Instant::now();
            match self.mailbox.closing() {
                Some(Closing::Claimed) => {
                    let since = *self.claimed.get_or_insert(now);
                    if self.kept.is_settled() || now >= since + SETTLE_TIMEOUT {
                        return Fate::Claimed;
                    }
                }
                Some(Closing::Now(_) | Closing::Drain) => return Fate::Over,
                None if now >= self.since + self.kept.expiry() => return Fate::Over,
                None => self.publish_due_will().await,
            }
            let due = self.due();
            tokio::select! {
                () = self.kept.answers().rung() => {}
                () = sleep_until(due) => {}
            }
        }
    }

    /// When time itself changes something.
    fn due(&self) -> Instant {
        if let Some(since) = self.claimed {
            return since + SETTLE_TIMEOUT;
        }
        let will = self.kept.will_delay().map(|delay| self.since + delay);
        let over = self.since + self.kept.expiry();
        will.map_or(over, |will| will.min(over))
    }

    async fn publish_due_will(&mut self) {
        let due = self.kept.will_delay().is_some_and(|delay| Instant::now() >= self.since + delay);
        if due && let Some((publish, receipt)) = self.kept.take_will((self.core.parts.unix_ms)()) {
            publish_will(self.core, self.kept.facts(), publish, receipt).await;
        }
    }
}

/// Finds room for a will. Its receipt answers nobody: a will that is not stored is only counted.
async fn publish_will<A: Authenticator, I: Ingest>(
    core: &Core<A, I>,
    facts: &SessionFacts,
    publish: Publish,
    receipt: Receipt,
) {
    let place = async {
        let mut next = Some((publish, receipt));
        while let Some((publish, receipt)) = next.take() {
            next = core.parts.ingest.offer(facts, publish, receipt).err();
            if next.is_some() {
                core.parts.ingest.room().await;
            }
        }
    };
    if timeout(WILL_TIMEOUT, place).await.is_err() {
        core.parts.observer.on(Event::PublishFailed(facts, FailureReason::NotStored));
    }
}
