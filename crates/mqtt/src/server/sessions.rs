//! Who is connected: client id to mailbox, with takeover by the newer connection.

use std::{fmt, sync::Arc};

use compact_str::CompactString;
use dashmap::DashMap;

use super::mailbox::{Closing, DeliveryOutcome, Mailbox, Reply, tell};
use crate::session::{Downlink, End};

/// The sessions of a server. Clones share.
#[derive(Clone)]
pub struct Sessions {
    map: Arc<DashMap<CompactString, Arc<Mailbox>>>,
    max_inbox: usize,
}

impl Sessions {
    pub(super) fn new(max_inbox: usize) -> Self {
        Self { map: Arc::default(), max_inbox }
    }

    /// Connected sessions.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Whether a client has a session here.
    pub fn contains(&self, client_id: &str) -> bool {
        self.map.contains_key(client_id)
    }

    /// Sends a downlink to a client. Never blocks; the outcome comes through `reply`.
    ///
    /// A client that neither acknowledges nor goes away leaves `reply` open: the caller sets its own limit.
    pub fn deliver(&self, client_id: &str, downlink: Downlink, reply: Reply) {
        match self.get(client_id) {
            Some(mailbox) => mailbox.push(downlink, reply, self.max_inbox),
            None => tell(reply, DeliveryOutcome::NotConnected),
        }
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

    /// A clone, so that no shard stays locked.
    fn get(&self, client_id: &str) -> Option<Arc<Mailbox>> {
        self.map.get(client_id).map(|entry| entry.value().clone())
    }

    pub(super) fn close_all(&self, closing: Closing) {
        for entry in self.map.iter() {
            entry.value().close(closing);
        }
    }

    /// Enters a connection; an older one of the same client id is told to end.
    pub(super) fn enter(&self, client_id: &CompactString, mailbox: &Arc<Mailbox>) -> Place {
        let older = self.map.insert(client_id.clone(), mailbox.clone());
        if let Some(older) = older {
            older.close(Closing::Now(End::TakenOver));
        }
        Place { sessions: self.clone(), client_id: client_id.clone(), mailbox: mailbox.clone() }
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
