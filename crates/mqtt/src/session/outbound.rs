//! Publishes to the client: quality of service 0 and 1, in a bounded window.

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use super::{Limits, Session};
use crate::{
    packet::{Connect, Properties, Property, PublishPacket, QoS},
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
}

/// What became of an attempt to send a [`Downlink`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Written with quality of service 0; there will be no answer.
    Unacknowledged,
    /// Written with this packet id; [`super::Step::Answered`] will name it.
    AwaitsAnswer(u16),
    /// The client has no subscription for the topic.
    NotSubscribed,
    /// The packet is larger than the client takes.
    TooLarge,
}

/// Downlinks that wait for their PUBACK.
#[derive(Debug)]
pub(super) struct Outbound {
    waiting: Vec<u16>,
    last_id: u16,
    window: u16,
    max_packet_size: usize,
}

impl Outbound {
    pub(super) fn new(limits: &Limits, connect: &Connect) -> Self {
        let receive_maximum = connect.properties.find(|property| match property {
            Property::ReceiveMaximum(count) => Some(*count),
            _ => None,
        });
        let max_packet_size = connect.properties.find(|property| match property {
            Property::MaximumPacketSize(size) => Some(*size as usize),
            _ => None,
        });
        Self {
            waiting: Vec::new(),
            last_id: 0,
            window: limits.max_outbound.min(receive_maximum.unwrap_or(u16::MAX)).max(1),
            max_packet_size: limits.max_packet_size.min(max_packet_size.unwrap_or(usize::MAX)),
        }
    }

    /// Notes a PUBACK; says whether anything waited for it.
    pub(super) fn answered(&mut self, packet_id: u16) -> bool {
        let at = self.waiting.iter().position(|waiting| *waiting == packet_id);
        at.map(|at| self.waiting.swap_remove(at)).is_some()
    }

    /// The next packet id that is not in use. The window is far smaller than the range of ids.
    fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.waiting.contains(&self.last_id) {
                return self.last_id;
            }
        }
    }
}

impl Session {
    /// Whether another downlink may be sent.
    pub fn wants_downlink(&self) -> bool {
        self.outbound.waiting.len() < usize::from(self.outbound.window)
    }

    /// Whether an answer packet of this size may be sent to the client.
    pub(super) const fn fits(&self, size: usize) -> bool {
        size <= self.outbound.max_packet_size
    }

    /// Sends a downlink, if the client is subscribed to its topic. Call this only while
    /// [`Self::wants_downlink`].
    pub fn deliver(&mut self, downlink: &Downlink, out: &mut BytesMut) -> Sent {
        let Downlink { topic, payload, qos } = downlink;
        let (Some(granted), Ok(())) = (self.granted(topic), topic::check_name(topic)) else {
            return Sent::NotSubscribed;
        };
        let mut packet = PublishPacket {
            topic: topic.clone(),
            payload: payload.clone(),
            qos: granted.min(*qos).min(QoS::AtLeastOnce),
            dup: false,
            retain: false,
            packet_id: 0,
            properties: Properties::default(),
        };
        if !self.fits(packet.size(self.facts.level)) || topic.len() > usize::from(u16::MAX) {
            return Sent::TooLarge;
        }
        if packet.qos == QoS::AtMostOnce {
            packet.encode(out, self.facts.level);
            return Sent::Unacknowledged;
        }
        packet.packet_id = self.outbound.next_id();
        packet.encode(out, self.facts.level);
        self.outbound.waiting.push(packet.packet_id);
        Sent::AwaitsAnswer(packet.packet_id)
    }
}
