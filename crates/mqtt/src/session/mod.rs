//! The session state machine: packets in, packets and publishes out.
//!
//! It owns no socket and no clock: a driver feeds it frames and the time, writes what it appends to `out`, and
//! hands its publishes to ingest. A [`Session`] lives as long as its connection; what outlives it, where the
//! client asks for that, is [`Kept`] and goes into the client's next one.

mod admit;
mod end;
mod inbound;
mod kept;
mod outbound;
mod pace;
mod publish;
mod subscribe;

pub(crate) use admit::busy;
pub use admit::{Admission, Visitor, admit};
pub use end::End;
pub use kept::Kept;
pub use outbound::{Downlink, Sent};
pub use subscribe::Subscribed;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::BytesMut;
use bytestring::ByteString;

use crate::{
    access::Grant,
    ingest::{Publish, SessionFacts},
    observer::Observer,
    packet::{self, Ack, AckKind, Disconnect, Frame, Level, Packet, QoS, Will},
    receipt::{Answers, Receipt},
};
use inbound::Inbound;
use outbound::Outbound;
use pace::Pace;

/// Bounds of one session.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Publishes that are read and not yet answered; the Receive Maximum of MQTT 5.
    pub max_in_flight: u16,
    /// Bytes of those publishes at which reading stops.
    pub max_in_flight_bytes: usize,
    /// Largest packet from a client, fixed header included.
    pub max_packet_size: usize,
    /// Subscriptions that a session may hold.
    pub max_subscriptions: usize,
    /// Topic aliases that an MQTT 5 client may use.
    pub max_topic_aliases: u16,
    /// Downlinks of quality of service 1 and 2 that wait for their answer.
    pub max_outbound: u16,
    /// Longest topic name or filter, bytes.
    pub max_topic_length: usize,
    /// Most levels of a topic name or filter.
    pub max_topic_levels: usize,
    /// How long a session may outlive its connection, where the client asks for it; zero for not at all.
    pub max_session_expiry: Duration,
    /// How long a client without keep-alive may be silent.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_in_flight: 64,
            max_in_flight_bytes: 256 * 1024,
            max_packet_size: 256 * 1024,
            max_subscriptions: 16,
            max_topic_aliases: 16,
            max_outbound: 16,
            max_topic_length: 512,
            max_topic_levels: 16,
            max_session_expiry: Duration::from_hours(1),
            idle_timeout: Duration::from_hours(2),
        }
    }
}

impl Limits {
    fn allow_topic(&self, topic: &str) -> bool {
        topic.len() <= self.max_topic_length
            && topic.split('/').take(self.max_topic_levels + 1).count() <= self.max_topic_levels
    }
}

/// What a packet asks of the driver.
#[derive(Debug)]
pub enum Step {
    /// Nothing; any answer is already in `out`.
    Nothing,
    /// Offer this to ingest before the next packet is read.
    Offer(Publish, Receipt),
    /// The subscriptions of a session that listens have changed. These were granted; the flag says that the
    /// session had it before.
    Subscribed(Vec<(Subscribed, bool)>),
    /// The client answered the downlink with this packet id; a reason from 0x80 is a rejection.
    Answered {
        /// Packet id of the downlink.
        packet_id: u16,
        /// MQTT 5 reason code; 0 in 3.x.
        reason: u8,
    },
}

/// One admitted client, from CONNACK to the end of its connection.
#[derive(Debug)]
pub struct Session {
    facts: SessionFacts,
    grant: Grant,
    limits: Limits,
    observer: Watch,
    /// One and a half times the keep-alive, or the idle timeout without one.
    silence: Duration,
    last_packet: Instant,
    inbound: Inbound,
    outbound: Outbound,
    subscriptions: Vec<Subscribed>,
    /// Topic of each alias, from 1.
    aliases: Vec<ByteString>,
    will: Option<Box<Will>>,
    /// Whether the client may be told reasons in words.
    wants_words: bool,
    /// How long the session may outlive its connection.
    expiry: Duration,
    /// Whether the CONNECT asked for a session that outlives its connection.
    asked_for_expiry: bool,
    pace: Option<Pace>,
    /// Whether an earlier connection's session goes on here.
    resumed: bool,
    sequence: u64,
}

/// An observer that does not get in the way of `Debug`.
#[derive(Clone)]
struct Watch(Arc<dyn Observer>);

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl Session {
    /// What stays the same for the whole session.
    pub const fn facts(&self) -> &SessionFacts {
        &self.facts
    }

    /// Whether an earlier connection's session goes on here: Session Present.
    pub const fn was_resumed(&self) -> bool {
        self.resumed
    }

    /// The bounds of this session.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) const fn answers(&self) -> &Arc<Answers> {
        &self.inbound.answers
    }

    fn level(&self) -> Level {
        self.facts.level
    }

    /// Takes one packet. Answers that can be given at once are appended to `out`.
    ///
    /// Call this only while [`Self::wants_packets`].
    pub fn receive(
        &mut self,
        frame: Frame,
        now: Instant,
        unix_ms: u64,
        out: &mut BytesMut,
    ) -> Result<Step, End> {
        let size = frame.size();
        let packet = Packet::decode(frame, self.level()).map_err(End::Malformed)?;
        self.last_packet = now;
        match packet {
            Packet::Connect(_) => return Err(End::SecondConnect),
            Packet::Publish(packet) => return self.publish(packet, size, unix_ms),
            Packet::Ack(ack) => return self.ack(&ack, out),
            Packet::Subscribe(packet) => return self.subscribe(packet, out),
            Packet::Unsubscribe(packet) => return self.unsubscribe(&packet, out),
            Packet::PingReq => packet::write_pingresp(out),
            Packet::Disconnect(packet) => return Err(self.goodbye(&packet)),
            // No authentication method was agreed, so an AUTH is out of place.
            Packet::Auth(_) => return Err(End::UnexpectedPacket),
        }
        Ok(Step::Nothing)
    }

    fn ack(&mut self, ack: &Ack, out: &mut BytesMut) -> Result<Step, End> {
        if ack.kind == AckKind::PubRel {
            self.release(ack.packet_id, out)?;
            return Ok(Step::Nothing);
        }
        Ok(self.answered(ack, out))
    }

    fn goodbye(&mut self, packet: &Disconnect) -> End {
        if let Some(seconds) = packet.session_expiry() {
            if seconds > 0 && !self.asked_for_expiry {
                return End::UnexpectedPacket;
            }
            self.expiry = self.limits.max_session_expiry.min(Duration::from_secs(seconds.into()));
        }
        if packet.reason == 0 {
            self.will = None;
            return End::Disconnected;
        }
        End::DisconnectedWithWill
    }

    /// Whether the next packet may be read: there is room in the window of publishes in flight.
    pub fn wants_packets(&self) -> bool {
        self.inbound.has_room(&self.limits, self.level())
    }

    /// Until when the next publish is not to be read, because the client publishes faster than it may.
    pub fn pause(&self, now: Instant) -> Option<Instant> {
        self.pace.and_then(|pace| pace.pause(now))
    }

    /// Publishes that are not answered yet.
    pub fn in_flight(&self) -> usize {
        self.inbound.len()
    }

    /// Publishes that were offered to ingest and are not answered, by their quality of service.
    pub fn unanswered(&self) -> impl Iterator<Item = QoS> {
        self.inbound.offered()
    }

    /// Says that the session was not read for a while, on the server's own account.
    pub const fn excuse_silence(&mut self, now: Instant) {
        self.last_packet = now;
    }

    /// When the client will have been silent for too long.
    pub fn deadline(&self) -> Instant {
        self.last_packet + self.silence
    }

    /// Tells an MQTT 5 client why its connection ends, and where to go instead if this server shuts down.
    pub fn say_goodbye(&self, end: End, server_reference: Option<&ByteString>, out: &mut BytesMut) {
        let Some(reason) = end.reason().filter(|_| self.level().is_v5()) else {
            return;
        };
        let words = self.wants_words.then(|| end.words());
        let mut packet = Disconnect::new(reason, words);
        if let Some(server) = server_reference.filter(|_| end == End::ShuttingDown) {
            packet = packet.refer(server);
        }
        if self.fits(packet.size()) {
            packet.encode(out, Level::V5);
        } else {
            Disconnect::new(reason, None).encode(out, Level::V5);
        }
    }
}
