//! What is left of a session when its connection ends, and comes back with the next one.
//!
//! Publishes from the client that are in flight at that moment are settled here: their PUBACKs have nobody to go
//! to, and those of quality of service 2 that are stored are remembered until their PUBREL.

use std::{sync::Arc, time::Duration};

use super::{End, Session, Subscribed, inbound::Inbound, outbound::Outbound};
use crate::{
    ingest::{Publish, SessionFacts},
    packet::{Property, Will},
    receipt::{Answers, Receipt},
};

/// A session without a connection.
#[derive(Debug)]
pub struct Kept {
    pub(super) facts: SessionFacts,
    pub(super) subscriptions: Vec<Subscribed>,
    pub(super) inbound: Inbound,
    pub(super) outbound: Outbound,
    expiry: Duration,
    will: Option<Box<Will>>,
    sequence: u64,
}

impl Kept {
    /// Facts of the connection that ended.
    pub const fn facts(&self) -> &SessionFacts {
        &self.facts
    }

    /// How long the session may wait for its client.
    pub const fn expiry(&self) -> Duration {
        self.expiry
    }

    pub(crate) const fn answers(&self) -> &Arc<Answers> {
        &self.inbound.answers
    }

    /// Notes the answers that are there by now. Nobody is told: the client will send again.
    pub fn settle(&mut self) {
        while let Some((entry, outcome)) = self.inbound.pop() {
            self.inbound.note(entry, outcome);
        }
    }

    /// Whether every publish that could be stored twice is settled: then the session may go on elsewhere.
    pub fn is_settled(&self) -> bool {
        !self.inbound.has_open()
    }

    /// How long the will waits, if there is one.
    pub fn will_delay(&self) -> Option<Duration> {
        self.will.as_deref().map(|will| will_delay(will).min(self.expiry))
    }

    /// The will, to be published now.
    pub fn take_will(&mut self, unix_ms: u64) -> Option<(Publish, Receipt)> {
        let will = *self.will.take()?;
        self.sequence += 1;
        Some((will.into_publish(self.sequence, unix_ms), self.inbound.detached()))
    }

    /// Forgets the will: the client is back in time.
    pub fn drop_will(&mut self) {
        self.will = None;
    }
}

impl Session {
    /// What is left once the connection has ended, in any case with the will; and whether it is to be kept.
    pub fn park(mut self, end: End) -> (Kept, bool) {
        let expiry = if end == End::Administrative { Duration::ZERO } else { self.expiry };
        self.outbound.park();
        let Self { facts, subscriptions, inbound, outbound, will, sequence, .. } = self;
        let kept = Kept { facts, subscriptions, inbound, outbound, expiry, will, sequence };
        (kept, !expiry.is_zero())
    }
}

/// The Will Delay Interval.
fn will_delay(will: &Will) -> Duration {
    let seconds = will.properties.find(|property| match property {
        Property::WillDelay(seconds) => Some(*seconds),
        _ => None,
    });
    Duration::from_secs(seconds.unwrap_or(0).into())
}

impl Will {
    fn into_publish(self, sequence: u64, unix_ms: u64) -> Publish {
        Publish {
            topic: self.topic,
            payload: self.payload,
            sequence,
            received_at_ms: unix_ms,
            packet_id: 0,
            qos: self.qos,
            retain: self.retain,
            dup: false,
            will: true,
            properties: self.properties,
        }
    }
}
