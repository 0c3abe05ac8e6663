//! What a frontend may count or follow. The crate itself keeps no metrics.

use std::time::Duration;

use crate::{
    access::{Peer, Refusal},
    ingest::SessionFacts,
    packet::{Connect, PacketError, QoS},
    receipt::{FailureReason, Outcome},
    session::End,
};

/// Is told what happens. Called on connection tasks, so it must be quick and must not block.
pub trait Observer: Send + Sync + 'static {
    /// Something happened. Most implementations care for a few cases only.
    fn on(&self, event: Event<'_>);
}

/// Observes nothing.
impl Observer for () {
    fn on(&self, _: Event<'_>) {}
}

/// Something that happened. Every label in it is a fixed word (`code()`).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A socket was accepted.
    Opened,
    /// An accepted socket is closed, whatever became of it.
    Closed,
    /// A connection is over a limit: it is closed, at once or after [`Event::ToldBusy`].
    TurnedAway(TurnedAway),
    /// A client that was turned away was told to come again later.
    ToldBusy,
    /// A certificate is served with from now on.
    CertificateLoaded {
        /// End of its validity, unix time in seconds.
        not_after: i64,
    },
    /// New certificate files are not usable; the old ones serve on.
    CertificateRefused,
    /// A WebSocket client sent what is no binary message, or too much at once; its connection ends.
    WebSocketBreach,
    /// The listener could not accept, for example because file descriptors are used up.
    AcceptFailed,
    /// A connection ended before its CONNECT was accepted.
    NotAdmitted(NotAdmitted),
    /// A CONNECT that could be read was refused. [`Event::NotAdmitted`] with the same cause comes after it.
    ConnectRefused(&'a Connect, &'a Peer, NotAdmitted),
    /// A client's CONNACK is on its way, so long after its connection was accepted.
    Admitted {
        /// From the accept to the CONNACK.
        took: Duration,
    },
    /// A client was let in.
    Connected(&'a SessionFacts),
    /// A session subscribed, and with what quality of service.
    Subscribed(&'a SessionFacts, &'a str, QoS),
    /// A session was refused a subscription.
    SubscriptionRefused(&'a SessionFacts),
    /// A session gave a subscription up; how many it has left.
    Unsubscribed(&'a SessionFacts, &'a str, usize),
    /// A session that goes on with a new connection is still subscribed. Comes after [`Event::Connected`].
    StillSubscribed(&'a SessionFacts, &'a str, QoS),
    /// A publish was dropped because the grant does not allow its topic.
    PublishRefused(&'a SessionFacts, QoS),
    /// Ingest has answered a publish, and its PUBACK or PUBREC goes out now, if it has one and the outcome allows it.
    PublishAnswered {
        /// The session.
        session: &'a SessionFacts,
        /// Number of the publish in its session.
        sequence: u64,
        /// Its packet id; 0 at quality of service 0.
        packet_id: u16,
        /// Its quality of service.
        qos: QoS,
        /// What became of it.
        outcome: Outcome,
        /// Since its bytes were read.
        took: Duration,
    },
    /// A session's connection ended before a publish of it was answered; comes before [`Event::Disconnected`].
    PublishUnanswered(&'a SessionFacts, QoS),
    /// A publish of quality of service 2 came again before its release; it was not offered again.
    Duplicate(&'a SessionFacts),
    /// A publish was not stored.
    PublishFailed(&'a SessionFacts, FailureReason),
    /// Ingest had no room; the session is not read until it has.
    IngestFull(&'a SessionFacts),
    /// A connection with a session ended.
    Disconnected(&'a SessionFacts, End),
    /// The client went away, and its session is kept for a while.
    Kept(&'a SessionFacts),
    /// The client went away and its session should be kept, but there is no room.
    NotKept(&'a SessionFacts),
    /// A session that was kept is over: its time, its server or its client ended it.
    KeptOver(&'a SessionFacts),
    /// A session goes on with this new connection.
    Resumed(&'a SessionFacts),
    /// A client publishes faster than it may, and is not read for a moment.
    Throttled(&'a SessionFacts),
    /// A session did not get a message that it is subscribed to, because too much waits for it.
    MessageDropped(&'a SessionFacts),
}

impl Event<'_> {
    /// The session that it happened to, if there is one.
    pub const fn facts(&self) -> Option<&SessionFacts> {
        match self {
            Self::Connected(facts)
            | Self::Subscribed(facts, ..)
            | Self::SubscriptionRefused(facts)
            | Self::Unsubscribed(facts, ..)
            | Self::StillSubscribed(facts, ..)
            | Self::PublishRefused(facts, _)
            | Self::PublishAnswered { session: facts, .. }
            | Self::PublishUnanswered(facts, _)
            | Self::Duplicate(facts)
            | Self::PublishFailed(facts, _)
            | Self::IngestFull(facts)
            | Self::Disconnected(facts, _)
            | Self::Kept(facts)
            | Self::NotKept(facts)
            | Self::KeptOver(facts)
            | Self::Resumed(facts)
            | Self::Throttled(facts)
            | Self::MessageDropped(facts) => Some(facts),
            Self::Opened
            | Self::Closed
            | Self::TurnedAway(_)
            | Self::ToldBusy
            | Self::CertificateLoaded { .. }
            | Self::CertificateRefused
            | Self::WebSocketBreach
            | Self::AcceptFailed
            | Self::NotAdmitted(_)
            | Self::ConnectRefused(..)
            | Self::Admitted { .. } => None,
        }
    }
}

/// Which limit a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// As many connections are open as the settings allow.
    Connections,
    /// As many connections of its address are open as the settings allow.
    AddressConnections,
    /// Its address connects too often.
    AddressRate,
    /// Too many handshakes wait, or its own waited too long.
    Handshakes,
}

impl TurnedAway {
    /// Every limit.
    pub const ALL: [Self; 4] =
        [Self::Connections, Self::AddressConnections, Self::AddressRate, Self::Handshakes];

    /// The metric label: a fixed word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::AddressConnections => "address_connections",
            Self::AddressRate => "address_rate",
            Self::Handshakes => "handshakes",
        }
    }
}

/// Why a connection did not get as far as its first MQTT packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeFault {
    /// The other end went away, or the socket failed.
    Gone,
    /// It was not done in time.
    TimedOut,
    /// A trusted proxy sent no PROXY header.
    ProxyMissing,
    /// A trusted proxy sent a PROXY header that is malformed or too long.
    ProxyMalformed,
    /// TLS was not agreed: another protocol, no common version or cipher, a bad record.
    Tls,
    /// The client showed no certificate where one is required.
    NoCertificate,
    /// The client's certificate is not valid here.
    BadCertificate,
    /// No WebSocket upgrade, or a malformed one.
    WebSocket,
    /// A WebSocket upgrade at another path.
    WebSocketPath,
    /// A WebSocket upgrade without the subprotocol `mqtt`.
    WebSocketProtocol,
}

impl HandshakeFault {
    /// The metric label: a fixed word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Gone => "handshake_gone",
            Self::TimedOut => "handshake_timeout",
            Self::ProxyMissing => "proxy_missing",
            Self::ProxyMalformed => "proxy_malformed",
            Self::Tls => "tls",
            Self::NoCertificate => "tls_no_certificate",
            Self::BadCertificate => "tls_bad_certificate",
            Self::WebSocket => "websocket",
            Self::WebSocketPath => "websocket_path",
            Self::WebSocketProtocol => "websocket_protocol",
        }
    }
}

/// Why a connection ended before it became a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The other end went away, or the socket failed.
    Gone,
    /// No whole CONNECT came in time.
    TimedOut,
    /// The server is shutting down.
    ShuttingDown,
    /// What its transport needs was not agreed.
    Handshake(HandshakeFault),
    /// The first packet is no CONNECT.
    NotConnect,
    /// The CONNECT is malformed.
    Malformed(PacketError),
    /// The authenticator said no.
    Refused(Refusal),
    /// The client id is empty.
    EmptyClientId,
    /// The client takes no packet as large as its CONNACK.
    PacketsTooSmall,
    /// The client asks for an extended authentication, which is not served.
    AuthenticationMethod,
    /// The grant does not allow the topic of the will.
    WillNotAllowed,
}

impl NotAdmitted {
    /// The metric label: a fixed word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::TimedOut => "connect_timeout",
            Self::ShuttingDown => "shutting_down",
            Self::Handshake(fault) => fault.code(),
            Self::NotConnect => "not_connect",
            Self::Malformed(err) => err.code(),
            Self::Refused(refusal) => refusal.code(),
            Self::EmptyClientId => "empty_client_id",
            Self::PacketsTooSmall => "packets_too_small",
            Self::AuthenticationMethod => "authentication_method",
            Self::WillNotAllowed => "will_not_allowed",
        }
    }
}
