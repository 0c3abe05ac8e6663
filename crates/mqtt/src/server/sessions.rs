//! Who is connected, or away with a session that is kept: client id to mailbox, with takeover by the newer
//! connection.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use compact_str::CompactString;
use dashmap::DashMap;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Instant, sleep},
};

use super::{
    Settings,
    attempt::{Attempt, Share},
    hub::{Hub, Message, Published},
    mailbox::{Asker, Closing, DeliveryOutcome, Mailbox, tell},
};
use crate::session::{Downlink, End};

/// A drain asks this many parts of the sessions to go, one after the other.
const DRAIN_STEPS: u32 = 100;

/// The sessions of a server. Clones share.
#[derive(Clone)]
pub struct Sessions {
    map: Arc<DashMap<CompactString, Arc<Mailbox>>>,
    pub(super) hub: Arc<Hub>,
    /// Places for sessions whose clients are away.
    away: Arc<Semaphore>,
    max_away: usize,
}

impl Sessions {
    pub(super) fn new(settings: &Settings) -> Self {
        let max_away = settings.max_away_sessions.min(Semaphore::MAX_PERMITS);
        Self {
            map: Arc::default(),
            hub: Arc::new(Hub::new(settings.retained)),
            away: Arc::new(Semaphore::new(max_away)),
            max_away,
        }
    }

    /// Connected sessions.
    pub fn len(&self) -> usize {
        self.map.len().saturating_sub(self.away())
    }

    /// Sessions that are kept for clients without a connection.
    pub fn away(&self) -> usize {
        self.max_away - self.away.available_permits()
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a client is connected here.
    pub fn contains(&self, client_id: &str) -> bool {
        self.get(client_id).is_some_and(|mailbox| !mailbox.is_away())
    }

    /// Sends a downlink to a client. Never blocks; the outcome comes through `reply`.
    ///
    /// A client that neither acknowledges nor goes away leaves `reply` open: the caller sets its own limit.
    pub fn deliver(&self, client_id: &str, downlink: Downlink, reply: oneshot::Sender<DeliveryOutcome>) {
        let reply = Some(Asker::One(reply));
        match self.get(client_id) {
            Some(mailbox) => mailbox.push(downlink, reply),
            None => tell(reply, DeliveryOutcome::NotConnected),
        }
    }

    /// Sends a command to a client, if `judge` says so of the identity of the very session that gets it. Never blocks;
    /// the outcome comes through `attempt`, which must be a new one.
    pub fn attempt(
        &self,
        client_id: &str,
        command: Downlink,
        attempt: Arc<Attempt>,
        judge: impl FnOnce(&(dyn Any + Send + Sync)) -> bool,
    ) {
        let reply = Some(Asker::Attempt(Share(attempt)));
        match self.get(client_id) {
            Some(mailbox) if judge(mailbox.identity()) => mailbox.push(command, reply),
            Some(_) => tell(reply, DeliveryOutcome::OtherSession),
            None => tell(reply, DeliveryOutcome::NotConnected),
        }
    }

    /// What `look` sees in the identity of a client that is connected; `None` if it is not.
    pub fn look<R>(&self, client_id: &str, look: impl FnOnce(&(dyn Any + Send + Sync)) -> R) -> Option<R> {
        let mailbox = self.get(client_id).filter(|mailbox| !mailbox.is_away());
        mailbox.map(|mailbox| look(mailbox.identity()))
    }

    /// Whether any session listens to what others publish; if not, [`Self::publish`] only retains.
    pub fn is_listened_to(&self) -> bool {
        self.hub.is_listened_to()
    }

    /// Hands a message to all sessions that listen to its topic. Never blocks.
    pub fn publish(&self, message: &Message) -> Published {
        self.hub.publish(message, std::time::Instant::now())
    }

    /// Closes a client's session, for example because it has a newer one at another frontend; `false` if there
    /// is none.
    pub fn close(&self, client_id: &str, end: End) -> bool {
        let mailbox = self.get(client_id);
        if let Some(mailbox) = &mailbox {
            mailbox.close(Closing::Now(end));
        }
        mailbox.is_some()
    }

    /// Closes a client's session, connected or away, if `judge` says so of its identity; `false` if there is none, or if
    /// it ends anyway.
    pub fn close_if(
        &self,
        client_id: &str,
        end: End,
        judge: impl FnOnce(&(dyn Any + Send + Sync)) -> bool,
    ) -> bool {
        let mailbox = self.get(client_id).filter(|mailbox| !mailbox.is_ending());
        let judged = mailbox.filter(|mailbox| judge(mailbox.identity()));
        if let Some(mailbox) = &judged {
            mailbox.close(Closing::Now(end));
        }
        judged.is_some()
    }

    /// Closes all sessions, connected or away, of whose identities `judge` says so; how many. Looks at every session, and
    /// nobody comes in or leaves meanwhile in the part that it looks at: for what happens seldom.
    pub fn close_where(&self, end: End, mut judge: impl FnMut(&(dyn Any + Send + Sync)) -> bool) -> usize {
        let all = self.map.iter();
        let judged = all.filter(|entry| !entry.is_ending() && judge(entry.identity()));
        judged.map(|entry| entry.close(Closing::Now(end))).count()
    }

    /// A clone, so that no shard stays locked.
    fn get(&self, client_id: &str) -> Option<Arc<Mailbox>> {
        self.map.get(client_id).map(|entry| entry.value().clone())
    }

    pub(super) fn close_all(&self, closing: Closing) {
        for entry in self.map.iter() {
            entry.value().close(closing);
        }
    }

    /// Asks every session to go once nothing of it is in flight, spread over a time, so that not all clients
    /// look for another server in the same moment.
    pub(super) async fn drain(&self, spread: Duration) {
        let all: Vec<Arc<Mailbox>> = self.map.iter().map(|entry| entry.value().clone()).collect();
        let step = all.len().div_ceil(DRAIN_STEPS as usize).max(1);
        let start = Instant::now();
        for (number, part) in (1..).zip(all.chunks(step)) {
            for mailbox in part {
                mailbox.close(Closing::Drain);
            }
            if part.len() == step && step * number as usize != all.len() {
                sleep((start + spread / DRAIN_STEPS * number).saturating_duration_since(Instant::now()))
                    .await;
            }
        }
    }

    /// Enters a connection; an older one of the same client id is handed out, to be ended by the caller.
    pub(super) fn enter(&self, client_id: &str, mailbox: &Arc<Mailbox>) -> (Place, Option<Arc<Mailbox>>) {
        let client_id = CompactString::new(client_id);
        let older = self.map.insert(client_id.clone(), mailbox.clone());
        (Place { sessions: self.clone(), client_id, mailbox: mailbox.clone() }, older)
    }

    /// A place for a session whose client went away; `None` if there are as many as may be.
    pub(super) fn keep(&self) -> Option<OwnedSemaphorePermit> {
        self.away.clone().try_acquire_owned().ok()
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// A connection's entry among the sessions. Dropping it removes just this entry, never that of a newer
/// connection with the same client id.
#[derive(Debug)]
pub(super) struct Place {
    sessions: Sessions,
    client_id: CompactString,
    mailbox: Arc<Mailbox>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sessions.map.remove_if(&self.client_id, |_, entered| Arc::ptr_eq(entered, &self.mailbox));
        self.mailbox.shut();
    }
}
