//! Publishes from the client: checked against the grant, offered, and answered in order.

use std::time::Instant;

use bytes::BytesMut;
use bytestring::ByteString;

use super::{
    End, Session, Step,
    inbound::{Entry, Kind, Seen},
};
use crate::{
    ingest::Publish,
    observer::Event,
    packet::{Ack, AckKind, PublishPacket, QoS, Reason},
    receipt::{FailureReason, Outcome},
};

impl Session {
    pub(super) fn publish(&mut self, packet: PublishPacket, size: usize, unix_ms: u64) -> Result<Step, End> {
        let topic = self.resolve_alias(&packet)?;
        if packet.qos == QoS::ExactlyOnce {
            match self.inbound.seen(packet.packet_id) {
                Seen::New if self.inbound.too_many_unreleased() => return Err(End::TooManyUnreleased),
                Seen::New => {}
                Seen::InFlight => {
                    self.observer.0.on(Event::Duplicate(&self.facts));
                    return Ok(Step::Nothing);
                }
                Seen::Recorded => {
                    self.observer.0.on(Event::Duplicate(&self.facts));
                    self.check_receive_maximum(packet.qos)?;
                    let answer = (Kind::Repeat, Outcome::Stored);
                    self.inbound.push_answered(answer, packet.qos, packet.packet_id, self.last_packet);
                    return Ok(Step::Nothing);
                }
            }
        }
        self.check_receive_maximum(packet.qos)?;
        if !self.limits.allow_topic(&topic) {
            return Err(End::TopicTooLong);
        }
        if let Some(pace) = &mut self.pace {
            pace.take(self.last_packet);
        }
        if !self.grant.allows_publish(&topic) {
            self.refuse(&packet);
            return Ok(Step::Nothing);
        }
        self.sequence += 1;
        let which = (packet.qos, packet.packet_id);
        let receipt = self.inbound.push(which, self.last_packet, size, self.sequence);
        let publish = Publish {
            topic,
            payload: packet.payload,
            sequence: self.sequence,
            received_at_ms: unix_ms,
            packet_id: packet.packet_id,
            qos: packet.qos,
            retain: packet.retain,
            dup: packet.dup,
            will: false,
            properties: packet.properties,
        };
        Ok(Step::Offer(publish, receipt))
    }

    fn check_receive_maximum(&self, qos: QoS) -> Result<(), End> {
        let bounded = self.level().is_v5() && qos > QoS::AtMostOnce;
        if bounded && self.inbound.at_receive_maximum(&self.limits) {
            return Err(End::ReceiveMaximum);
        }
        Ok(())
    }

    /// Lets the answer wait for its turn, so that it does not overtake those before it.
    ///
    /// Clients before MQTT 5 cannot be told; their connection ends when the turn comes.
    fn refuse(&mut self, packet: &PublishPacket) {
        self.observer.0.on(Event::PublishRefused(&self.facts, packet.qos));
        let outcome = Outcome::Failed(FailureReason::NotAuthorized);
        if !self.level().is_v5() {
            self.inbound.close();
        } else if packet.qos == QoS::AtMostOnce {
            return;
        }
        self.inbound.push_answered((Kind::Refused, outcome), packet.qos, packet.packet_id, self.last_packet);
    }

    /// The topic of a publish, whose alias is set or used as MQTT 5, section 3.3.2.3.4, says.
    fn resolve_alias(&mut self, packet: &PublishPacket) -> Result<ByteString, End> {
        let Some(alias) = packet.topic_alias() else {
            return Ok(packet.topic.clone());
        };
        if alias == 0 || alias > self.limits.max_topic_aliases {
            return Err(End::TopicAlias);
        }
        let at = usize::from(alias) - 1;
        if packet.topic.is_empty() {
            let known = self.aliases.get(at).filter(|topic| !topic.is_empty());
            return known.cloned().ok_or(End::TopicAlias);
        }
        if self.aliases.len() <= at {
            self.aliases.resize_with(at + 1, ByteString::new);
        }
        if let Some(known) = self.aliases.get_mut(at) {
            // A copy, so that an alias does not keep a whole read buffer alive.
            *known = ByteString::from(packet.topic.to_string());
        }
        Ok(packet.topic.clone())
    }

    /// Appends the answers of all publishes at the front of the window whose outcome is known.
    ///
    /// The clock is looked at only if there is one.
    pub fn settle(&mut self, clock: impl FnOnce() -> Instant, out: &mut BytesMut) -> Result<(), End> {
        let mut next = self.inbound.pop();
        if next.is_none() {
            return Ok(());
        }
        let now = clock();
        while let Some((entry, outcome)) = next {
            if entry.kind == Kind::Offered {
                let took = now.saturating_duration_since(entry.since);
                self.observer.0.on(Event::PublishAnswered {
                    session: &self.facts,
                    sequence: entry.sequence,
                    packet_id: entry.packet_id,
                    qos: entry.qos,
                    outcome,
                    took,
                });
            }
            self.answer(entry, outcome, out)?;
            next = self.inbound.pop();
        }
        Ok(())
    }

    fn answer(&mut self, entry: Entry, outcome: Outcome, out: &mut BytesMut) -> Result<(), End> {
        self.inbound.note(entry, outcome);
        let Entry { kind, qos, packet_id, .. } = entry;
        let reason = match outcome {
            Outcome::Stored => Reason::Success,
            Outcome::Failed(failure) => {
                self.note_failure(kind, qos, failure)?;
                failure.reason()
            }
        };
        let kind = match qos {
            QoS::AtMostOnce => return Ok(()),
            QoS::AtLeastOnce => AckKind::PubAck,
            QoS::ExactlyOnce => AckKind::PubRec,
        };
        let mut ack = Ack::new(kind, packet_id, reason);
        if let Outcome::Failed(failure) = outcome
            && self.wants_words
            && self.fits(64)
        {
            ack = ack.because(failure.code());
        }
        ack.encode(out, self.level());
        Ok(())
    }

    fn note_failure(&self, kind: Kind, qos: QoS, failure: FailureReason) -> Result<(), End> {
        if kind == Kind::Refused {
            return if self.level().is_v5() { Ok(()) } else { Err(End::NotAuthorized) };
        }
        self.observer.0.on(Event::PublishFailed(&self.facts, failure));
        let told = self.level().is_v5() || qos == QoS::AtMostOnce;
        if told { Ok(()) } else { Err(End::NotStored(failure)) }
    }

    /// Answers a PUBREL: with PUBCOMP, also for a packet id that is not known.
    pub(super) fn release(&mut self, packet_id: u16, out: &mut BytesMut) -> Result<(), End> {
        let reason = match self.inbound.seen(packet_id) {
            // Released before PUBREC: a PUBCOMP would say that it is stored.
            Seen::InFlight => return Err(End::UnexpectedPacket),
            Seen::Recorded => Reason::Success,
            Seen::New => Reason::PacketIdentifierNotFound,
        };
        self.inbound.forget(packet_id);
        Ack::new(AckKind::PubComp, packet_id, reason).encode(out, self.level());
        Ok(())
    }
}
