//! Publish and subscribe among sessions: who listens to what others publish, and what is retained for them.
//!
//! For a few sessions with wide rights, such as operators' tools: matching costs a pass over their subscriptions.
//! Devices never listen, and never publish here by themselves.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use bytes::Bytes;
use bytestring::ByteString;
use compact_str::CompactString;

use super::{mailbox::Mailbox, retained::Retained};
use crate::{
    packet::{Properties, Property, QoS},
    session::{Downlink, Subscribed},
    topic,
};

/// A message for all sessions that listen to its topic.
#[derive(Clone)]
pub struct Message {
    /// Topic name, well-formed.
    pub topic: ByteString,
    /// Payload.
    pub payload: Bytes,
    /// Quality of service of the publish; a subscription may grant less.
    pub qos: QoS,
    /// Whether it is to be retained.
    pub retain: bool,
    /// MQTT 5 properties that are passed on, without the message's expiry.
    pub properties: Properties,
    /// When it is of no use any more.
    pub expires: Option<Instant>,
    /// Client id of the session that published it.
    pub from: CompactString,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("topic", &self.topic).field("qos", &self.qos).finish_non_exhaustive()
    }
}

/// What became of a [`Message`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    /// Sessions that get it.
    pub taken: usize,
    /// Sessions that are subscribed and do not get it, because too much waits for them.
    pub dropped: usize,
    /// It was to be retained, and there is no room.
    pub not_retained: bool,
}

/// Bounds of what is retained.
#[derive(Debug, Clone, Copy)]
pub struct RetainLimits {
    /// Messages.
    pub messages: usize,
    /// Bytes of their topics and payloads.
    pub bytes: usize,
}

impl Default for RetainLimits {
    fn default() -> Self {
        Self { messages: 10_000, bytes: 16 * 1024 * 1024 }
    }
}

/// A session that listens. It stays the same when the session goes on with another connection.
#[derive(Debug)]
pub(super) struct Subscriber {
    client_id: CompactString,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    mailbox: Arc<Mailbox>,
    subscriptions: Vec<Subscribed>,
}

/// The sessions of a server that listen.
#[derive(Debug)]
pub(super) struct Hub {
    subscribers: RwLock<Vec<Arc<Subscriber>>>,
    /// Listeners with a subscription, as good as known without a lock.
    listening: AtomicUsize,
    retained: Mutex<Retained>,
}

impl Hub {
    pub(super) fn new(limits: RetainLimits) -> Self {
        Self {
            subscribers: RwLock::default(),
            listening: AtomicUsize::new(0),
            retained: Mutex::new(Retained::new(limits)),
        }
    }

    /// Whether anybody listens to anything.
    pub(super) fn is_listened_to(&self) -> bool {
        self.listening.load(Relaxed) > 0
    }

    pub(super) fn enter(&self, client_id: &str, mailbox: &Arc<Mailbox>) -> Arc<Subscriber> {
        let inner = Inner { mailbox: mailbox.clone(), subscriptions: Vec::new() };
        let subscriber = Arc::new(Subscriber { client_id: client_id.into(), inner: inner.into() });
        self.subscribers.write().unwrap_or_else(PoisonError::into_inner).push(subscriber.clone());
        subscriber
    }

    pub(super) fn leave(&self, subscriber: &Arc<Subscriber>) {
        self.subscribe(subscriber, &[]);
        let mut subscribers = self.subscribers.write().unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|entered| !Arc::ptr_eq(entered, subscriber));
    }

    /// Sets what a subscriber is subscribed to.
    pub(super) fn subscribe(&self, subscriber: &Subscriber, subscriptions: &[Subscribed]) {
        let mut inner = subscriber.lock();
        match (inner.subscriptions.is_empty(), subscriptions.is_empty()) {
            (true, false) => self.listening.fetch_add(1, Relaxed),
            (false, true) => self.listening.fetch_sub(1, Relaxed),
            _ => 0,
        };
        inner.subscriptions = subscriptions.to_vec();
    }

    /// Sends the retained messages that a new subscription means; says how many were dropped for lack of room.
    pub(super) fn send_retained(&self, to: &Mailbox, subscribed: &Subscribed, now: Instant) -> usize {
        let matching = lock(&self.retained).matching(&subscribed.filter, now);
        let offers = matching.into_iter().map(|message| {
            to.offer(downlink(&message, subscribed.qos, true, [subscribed.identifier].into_iter()))
        });
        offers.filter(|taken| !taken).count()
    }

    /// Hands a message to everyone who listens to its topic, and retains it if it asks for that.
    pub(super) fn publish(&self, message: &Message, now: Instant) -> Published {
        let mut published = Published::default();
        if message.retain {
            published.not_retained = !lock(&self.retained).set(message, now);
        }
        for subscriber in self.subscribers.read().unwrap_or_else(PoisonError::into_inner).iter() {
            match subscriber.offer(message) {
                Some(true) => published.taken += 1,
                Some(false) => published.dropped += 1,
                None => {}
            }
        }
        published
    }
}

impl Subscriber {
    /// Goes on with another connection's mailbox, which gets what waits in the old one.
    pub(super) fn move_to(&self, mailbox: &Arc<Mailbox>) {
        let mut inner = self.lock();
        let old = std::mem::replace(&mut inner.mailbox, mailbox.clone());
        old.move_to(mailbox);
    }

    /// `None` if it is not subscribed; else whether there was room.
    fn offer(&self, message: &Message) -> Option<bool> {
        let inner = self.lock();
        let own = message.from == self.client_id;
        let matching = inner.subscriptions.iter().filter(|subscribed| {
            !(own && subscribed.no_local()) && topic::matches(&subscribed.filter, &message.topic)
        });
        let (mut qos, mut retain, mut identifiers) = (None, false, Vec::new());
        for subscribed in matching {
            qos = qos.max(Some(subscribed.qos));
            retain |= message.retain && subscribed.retain_as_published();
            identifiers.push(subscribed.identifier);
        }
        Some(inner.mailbox.offer(downlink(message, qos?, retain, identifiers.into_iter())))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here can be left half done, so a panic elsewhere does not matter.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn downlink(
    message: &Message,
    granted: QoS,
    retain: bool,
    identifiers: impl Iterator<Item = u32>,
) -> Downlink {
    let identifiers = identifiers.filter(|id| *id > 0).map(Property::SubscriptionIdentifier);
    let properties: Vec<_> = message.properties.iter().cloned().chain(identifiers).collect();
    Downlink {
        topic: message.topic.clone(),
        payload: message.payload.clone(),
        qos: message.qos.min(granted),
        retain,
        properties: properties.into(),
        expires: message.expires,
        command: false,
    }
}
