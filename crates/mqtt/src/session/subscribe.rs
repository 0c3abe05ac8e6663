//! Subscriptions: granted filter by filter, kept for downlinks.

use bytes::BytesMut;
use bytestring::ByteString;

use super::{End, Session, Step};
use crate::{
    observer::Event,
    packet::{QoS, Reason, SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe},
    topic,
};

/// The one refusal that MQTT 3.x knows.
const FAILURE: u8 = 0x80;
/// MQTT 5: there was no such subscription.
const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;

/// A subscription of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribed {
    /// The filter.
    pub filter: ByteString,
    /// What was granted.
    pub qos: QoS,
    /// The MQTT 5 options, as bits 2 to 5 of the wire.
    pub options: u8,
    /// The MQTT 5 subscription identifier; 0 for none.
    pub identifier: u32,
}

impl Subscribed {
    /// Whether messages of the session itself are left out.
    pub const fn no_local(&self) -> bool {
        self.options & 0x04 != 0
    }

    /// Whether the retain flag is passed on as it was published.
    pub const fn retain_as_published(&self) -> bool {
        self.options & 0x08 != 0
    }

    /// Whether retained messages are wanted, now that it is subscribed; `existed` says that it was before.
    pub const fn wants_retained(&self, existed: bool) -> bool {
        match self.options >> 4 {
            0 => true,
            1 => !existed,
            _ => false,
        }
    }
}

impl Session {
    /// The session's subscriptions.
    pub fn subscriptions(&self) -> &[Subscribed] {
        &self.subscriptions
    }

    /// An answer with a code for each filter must fit; a client that takes less must ask for less at once.
    fn check_answer(&self, filters: usize) -> Result<(), End> {
        let size = 5 + filters;
        if self.level().is_v5() && !self.fits(size) {
            return Err(End::AnswerTooLarge);
        }
        Ok(())
    }

    pub(super) fn subscribe(&mut self, packet: Subscribe, out: &mut BytesMut) -> Result<Step, End> {
        self.check_answer(packet.subscriptions.len())?;
        let identifier = packet.identifier();
        let mut codes = Vec::with_capacity(packet.subscriptions.len());
        let mut granted = Vec::new();
        for asked in packet.subscriptions {
            codes.push(match self.grant_one(&asked, identifier) {
                Ok((subscribed, existed)) => {
                    self.observer.0.on(Event::Subscribed(&self.facts, &asked.filter, subscribed.qos));
                    let qos = subscribed.qos as u8;
                    granted.push((subscribed, existed));
                    qos
                }
                Err(reason) => {
                    self.observer.0.on(Event::SubscriptionRefused(&self.facts));
                    if self.level().is_v5() { reason as u8 } else { FAILURE }
                }
            });
        }
        SubAck { packet_id: packet.packet_id, codes }.encode(out, self.level());
        Ok(if self.grant.listens { Step::Subscribed(granted) } else { Step::Nothing })
    }

    /// Grants one filter; says also whether the session had it before.
    fn grant_one(
        &mut self,
        asked: &Subscription,
        identifier: Option<u32>,
    ) -> Result<(Subscribed, bool), Reason> {
        if identifier.is_some() && !self.grant.listens {
            return Err(Reason::SubscriptionIdentifiersNotSupported);
        }
        if topic::is_shared(&asked.filter) {
            return Err(Reason::SharedSubscriptionsNotSupported);
        }
        if !self.limits.allow_topic(&asked.filter) {
            return Err(Reason::TopicFilterInvalid);
        }
        if !self.grant.allows_subscribe(&asked.filter) {
            return Err(Reason::NotAuthorized);
        }
        let subscribed = Subscribed {
            // A copy, so that a subscription does not keep a whole read buffer alive.
            filter: ByteString::from(asked.filter.to_string()),
            qos: asked.qos.min(self.grant.max_subscribe_qos),
            options: asked.options,
            identifier: identifier.unwrap_or(0),
        };
        if let Some(held) = self.subscriptions.iter_mut().find(|held| held.filter == asked.filter) {
            held.clone_from(&subscribed);
            return Ok((subscribed, true));
        }
        if self.subscriptions.len() >= self.limits.max_subscriptions {
            return Err(Reason::QuotaExceeded);
        }
        self.subscriptions.push(subscribed.clone());
        Ok((subscribed, false))
    }

    pub(super) fn unsubscribe(&mut self, packet: &Unsubscribe, out: &mut BytesMut) -> Result<Step, End> {
        self.check_answer(packet.filters.len())?;
        let mut codes = Vec::with_capacity(packet.filters.len());
        for filter in &packet.filters {
            let before = self.subscriptions.len();
            self.subscriptions.retain(|held| held.filter != *filter);
            if self.subscriptions.len() == before {
                codes.push(NO_SUBSCRIPTION_EXISTED);
            } else {
                codes.push(Reason::Success as u8);
                let left = self.subscriptions.len();
                self.observer.0.on(Event::Unsubscribed(&self.facts, filter, left));
            }
        }
        UnsubAck { packet_id: packet.packet_id, codes }.encode(out, self.level());
        Ok(if self.grant.listens { Step::Subscribed(Vec::new()) } else { Step::Nothing })
    }

    /// The best quality of service that a subscription to `topic` was granted.
    pub(super) fn granted(&self, topic: &str) -> Option<QoS> {
        let matching = self.subscriptions.iter().filter(|held| topic::matches(&held.filter, topic));
        matching.map(|held| held.qos).max()
    }
}
