//! Subscriptions: granted filter by filter, kept for downlinks.

use bytes::BytesMut;
use bytestring::ByteString;

use super::Session;
use crate::{
    observer::Event,
    packet::{QoS, Reason, SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe},
    topic,
};

/// The one refusal that MQTT 3.x knows.
const FAILURE: u8 = 0x80;
/// MQTT 5: there was no such subscription.
const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;

impl Session {
    pub(super) fn subscribe(&mut self, packet: Subscribe, out: &mut BytesMut) {
        let has_identifier = packet.identifier().is_some();
        let mut codes = Vec::with_capacity(packet.subscriptions.len());
        for subscription in packet.subscriptions {
            codes.push(match self.grant_one(&subscription, has_identifier) {
                Ok(qos) => {
                    self.observer.0.on(Event::Subscribed(&self.facts, &subscription.filter));
                    qos as u8
                }
                Err(reason) => {
                    self.observer.0.on(Event::SubscriptionRefused(&self.facts));
                    if self.level().is_v5() { reason as u8 } else { FAILURE }
                }
            });
        }
        SubAck { packet_id: packet.packet_id, codes }.encode(out, self.level());
    }

    fn grant_one(&mut self, asked: &Subscription, has_identifier: bool) -> Result<QoS, Reason> {
        if has_identifier {
            return Err(Reason::SubscriptionIdentifiersNotSupported);
        }
        if topic::is_shared(&asked.filter) {
            return Err(Reason::SharedSubscriptionsNotSupported);
        }
        if !self.grant.allows_subscribe(&asked.filter) {
            return Err(Reason::NotAuthorized);
        }
        let qos = asked.qos.min(self.grant.max_subscribe_qos).min(QoS::AtLeastOnce);
        if let Some(held) = self.subscriptions.iter_mut().find(|(filter, _)| *filter == asked.filter) {
            held.1 = qos;
            return Ok(qos);
        }
        if self.subscriptions.len() >= self.limits.max_subscriptions {
            return Err(Reason::QuotaExceeded);
        }
        self.subscriptions.push((ByteString::from(asked.filter.to_string()), qos));
        Ok(qos)
    }

    pub(super) fn unsubscribe(&mut self, packet: &Unsubscribe, out: &mut BytesMut) {
        let mut codes = Vec::with_capacity(packet.filters.len());
        for filter in &packet.filters {
            let before = self.subscriptions.len();
            self.subscriptions.retain(|(held, _)| held != filter);
            if self.subscriptions.len() == before {
                codes.push(NO_SUBSCRIPTION_EXISTED);
            } else {
                codes.push(Reason::Success as u8);
                self.observer.0.on(Event::Unsubscribed(&self.facts, filter));
            }
        }
        UnsubAck { packet_id: packet.packet_id, codes }.encode(out, self.level());
    }

    /// The best quality of service that a subscription to `topic` was granted.
    pub(super) fn granted(&self, topic: &str) -> Option<QoS> {
        let matching = self.subscriptions.iter().filter(|(filter, _)| topic::matches(filter, topic));
        matching.map(|(_, qos)| *qos).max()
    }
}
