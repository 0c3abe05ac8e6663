//! Publishes to the client: their window, their answers, and sending them again in a session that was resumed.

use std::{collections::VecDeque, time::Instant};

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use super::{Limits, Session, Step, admit::max_packet_size};
use crate::{
    packet::{Ack, AckKind, Connect, Level, Properties, Property, PublishPacket, QoS, Reason},
    topic,
};

/// A message for one client.
#[derive(Debug, Clone)]
pub struct Downlink {
    /// Topic name.
    pub topic: ByteString,
    /// Payload.
    pub payload: Bytes,
    /// The most that is wanted; the subscription may grant less.
    pub qos: QoS,
    /// Retain flag.
    pub retain: bool,
    /// MQTT 5 properties, without the message's expiry.
    pub properties: Properties,
    /// When it is not to be sent any more.
    pub expires: Option<Instant>,
    /// Sent only where the client will acknowledge it, with the quality of service that is wanted, and never again in a
    /// later connection of the session.
    pub command: bool,
}

impl Downlink {
    /// A message without properties that does not expire.
    pub fn new(topic: impl Into<ByteString>, payload: impl Into<Bytes>, qos: QoS) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos,
            retain: false,
            properties: Properties::default(),
            expires: None,
            command: false,
        }
    }

    /// A command with quality of service 1, which is not sent after `expires`.
    pub fn command(topic: impl Into<ByteString>, payload: impl Into<Bytes>, expires: Instant) -> Self {
        Self { expires: Some(expires), command: true, ..Self::new(topic, payload, QoS::AtLeastOnce) }
    }
}

/// What became of an attempt to send a [`Downlink`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Written with quality of service 0; there will be no answer.
    Unacknowledged,
    /// Written with this packet id; [`super::Step::Answered`] will name it.
    AwaitsAnswer(u16),
    /// The client has no subscription for the topic, or none that is good for a command.
    NotSubscribed,
    /// The packet is larger than the client takes.
    TooLarge,
    /// Its time is over.
    Expired,
}

/// A publish to the client that is not answered to the end.
#[derive(Debug)]
struct Waiting {
    packet_id: u16,
    awaits: AckKind,
    /// What to send again in a resumed session; not kept for sessions that cannot be resumed with it.
    packet: Option<Box<PublishPacket>>,
}

/// Publishes to the client that wait for an answer.
#[derive(Debug)]
pub(super) struct Outbound {
    waiting: Vec<Waiting>,
    /// Of the session before it was resumed, and not sent again yet.
    again: VecDeque<Waiting>,
    last_id: u16,
    window: u16,
    max_packet_size: usize,
    /// Whether publishes are kept, to be sent again when the session is resumed.
    resends: bool,
}

impl Outbound {
    pub(super) fn new(limits: &Limits, connect: &Connect, resends: bool) -> Self {
        let receive_maximum = connect.properties.find(|property| match property {
            Property::ReceiveMaximum(count) => Some(*count),
            _ => None,
        });
        Self {
            waiting: Vec::new(),
            again: VecDeque::new(),
            last_id: 0,
            window: limits.max_outbound.min(receive_maximum.unwrap_or(u16::MAX)).max(1),
            max_packet_size: limits.max_packet_size.min(max_packet_size(connect)),
            resends,
        }
    }

    /// Takes over what an earlier connection of the session left unanswered.
    pub(super) fn resume(&mut self, earlier: Self) {
        self.last_id = earlier.last_id;
        // Sent before those that were not even sent again.
        self.again = earlier.waiting.into_iter().chain(earlier.again).collect();
    }

    /// Forgets what cannot be sent again.
    pub(super) fn park(&mut self) {
        let resendable = |waiting: &Waiting| waiting.packet.is_some() || waiting.awaits == AckKind::PubComp;
        self.waiting.retain(resendable);
    }

    fn has_room(&self) -> bool {
        self.waiting.len() < usize::from(self.window)
    }

    /// Notes the last answer to a publish; says whether anything waited for it.
    fn finished(&mut self, packet_id: u16, by: AckKind) -> bool {
        let at = self.waiting.iter().position(|w| w.packet_id == packet_id && w.awaits == by);
        // The order stays that of sending, for a session that is resumed.
        at.map(|at| self.waiting.remove(at)).is_some()
    }

    /// The next packet id that is not in use. The window is far smaller than the range of ids.
    fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let in_use = |waiting: &Waiting| waiting.packet_id == self.last_id;
            if !self.waiting.iter().any(in_use) && !self.again.iter().any(in_use) {
                return self.last_id;
            }
        }
    }

    /// Sends again what the window has room for.
    pub(super) fn send_again(&mut self, level: Level, out: &mut BytesMut) {
        while self.has_room()
            && let Some(waiting) = self.again.pop_front()
        {
            match &waiting.packet {
                // A client that takes less than before is treated as if it had been sent (MQTT-3.1.2-25).
                Some(packet) if packet.size(level) > self.max_packet_size => continue,
                Some(packet) => PublishPacket { dup: true, ..(**packet).clone() }.encode(out, level),
                None => Ack::new(AckKind::PubRel, waiting.packet_id, Reason::Success).encode(out, level),
            }
            self.waiting.push(waiting);
        }
    }
}

impl Session {
    /// Whether another downlink may be sent.
    pub fn wants_downlink(&self) -> bool {
        self.outbound.has_room() && self.outbound.again.is_empty()
    }

    /// Whether an answer packet of this size may be sent to the client.
    pub(super) const fn fits(&self, size: usize) -> bool {
        size <= self.outbound.max_packet_size
    }

    /// Sends a downlink, if the client is subscribed to its topic. Call this only while
    /// [`Self::wants_downlink`].
    pub fn deliver(&mut self, downlink: &Downlink, now: Instant, out: &mut BytesMut) -> Sent {
        let level = self.facts.level;
        let (Some(granted), Ok(())) = (self.granted(&downlink.topic), topic::check_name(&downlink.topic))
        else {
            return Sent::NotSubscribed;
        };
        // Without an acknowledgement nobody would know whether the client got the command.
        if downlink.command && granted < downlink.qos {
            return Sent::NotSubscribed;
        }
        let Ok(properties) = properties(downlink, level, now) else {
            return Sent::Expired;
        };
        let mut packet = PublishPacket {
            topic: downlink.topic.clone(),
            payload: downlink.payload.clone(),
            qos: granted.min(downlink.qos),
            dup: false,
            retain: downlink.retain,
            packet_id: 0,
            properties,
        };
        if !self.fits(packet.size(level)) || packet.topic.len() > usize::from(u16::MAX) {
            return Sent::TooLarge;
        }
        let awaits = match packet.qos {
            QoS::AtMostOnce => {
                packet.encode(out, level);
                return Sent::Unacknowledged;
            }
            QoS::AtLeastOnce => AckKind::PubAck,
            QoS::ExactlyOnce => AckKind::PubRec,
        };
        let packet_id = self.outbound.next_id();
        packet.packet_id = packet_id;
        packet.encode(out, level);
        let packet = (self.outbound.resends && !downlink.command).then(|| Box::new(packet));
        self.outbound.waiting.push(Waiting { packet_id, awaits, packet });
        Sent::AwaitsAnswer(packet_id)
    }

    /// Takes PUBACK, PUBREC or PUBCOMP.
    pub(super) fn answered(&mut self, ack: &Ack, out: &mut BytesMut) -> Step {
        if ack.kind == AckKind::PubRec && ack.reason < 0x80 {
            let reason = self.received(ack.packet_id);
            Ack::new(AckKind::PubRel, ack.packet_id, reason).encode(out, self.level());
            return Step::Nothing;
        }
        if !self.outbound.finished(ack.packet_id, ack.kind) {
            return Step::Nothing;
        }
        self.outbound.send_again(self.facts.level, out);
        // An answer to PUBREL says nothing about the publish, which was received.
        let reason = if ack.kind == AckKind::PubComp { 0 } else { ack.reason };
        Step::Answered { packet_id: ack.packet_id, reason }
    }

    /// Notes a PUBREC; the answer is PUBREL in any case, so that a client that is confused gets on.
    fn received(&mut self, packet_id: u16) -> Reason {
        let waiting = self.outbound.waiting.iter_mut().find(|waiting| waiting.packet_id == packet_id);
        match waiting {
            Some(waiting) if waiting.awaits != AckKind::PubAck => {
                waiting.awaits = AckKind::PubComp;
                waiting.packet = None;
                Reason::Success
            }
            _ => Reason::PacketIdentifierNotFound,
        }
    }
}

/// The properties with what is left of the message's time; an error once it is over.
fn properties(downlink: &Downlink, level: Level, now: Instant) -> Result<Properties, ()> {
    let Some(expires) = downlink.expires else {
        return Ok(if level.is_v5() { downlink.properties.clone() } else { Properties::default() });
    };
    let left = expires.checked_duration_since(now).filter(|left| !left.is_zero()).ok_or(())?;
    if !level.is_v5() {
        return Ok(Properties::default());
    }
    let seconds = u32::try_from(left.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
    let all = downlink.properties.iter().cloned().chain([Property::MessageExpiry(seconds)]);
    Ok(all.collect::<Vec<_>>().into())
}
