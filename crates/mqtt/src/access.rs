//! Who may come in and what a session may do: the border to accounts and credentials.

use std::{any::Any, fmt, net::SocketAddr, sync::Arc};

use compact_str::CompactString;

use crate::{
    ingest::SessionFacts,
    packet::{Connect, QoS, Reason},
    topic::TopicFilter,
};

/// Who may come in. Answers from memory; must not block.
pub trait Authenticator: Send + Sync + 'static {
    /// Judges a CONNECT whose form is already checked. Its client id may be empty: then the grant must name one.
    fn authenticate(&self, connect: &Connect, peer: &Peer) -> Result<Grant, Refusal>;

    /// Whether a session that was let in a moment ago would still be. Asked once, when the session can be found by
    /// its client id: who closes sessions by [`crate::Sessions`] could not find it before.
    fn still_admits(&self, session: &SessionFacts) -> bool {
        let _ = session;
        true
    }
}

/// The other end of a connection, as far as it is known before its CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its address: of the device, where a trusted proxy names it, else of the socket.
    pub address: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// The certificate that it proved to hold.
    pub certificate: Option<Arc<ClientCertificate>>,
}

impl Peer {
    /// A peer of plain TCP.
    pub const fn tcp(address: SocketAddr) -> Self {
        Self { address, transport: Transport::Tcp, certificate: None }
    }
}

/// What carries the MQTT packets of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Plain TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// WebSocket over TCP.
    WebSocket,
    /// WebSocket over TLS.
    SecureWebSocket,
}

impl Transport {
    /// Every transport.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::WebSocket, Self::SecureWebSocket];

    /// The metric label: a fixed word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::WebSocket => "ws",
            Self::SecureWebSocket => "wss",
        }
    }
}

/// The names in a verified client certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Common name of the subject.
    pub common_name: Option<String>,
    /// DNS names, addresses, URIs and e-mail addresses of the subject alternative name, in order.
    pub alternative_names: Vec<String>,
}

/// Why a client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// User name or password is wrong.
    BadCredentials,
    /// The client id is not one that this account may use.
    BadClientId,
    /// The account may not connect here.
    NotAuthorized,
    /// The client or its address is shut out.
    Banned,
    /// Too many logins failed; later may be better.
    Throttled,
    /// A quota of the account or of its address is used up; later may be better.
    QuotaExceeded,
    /// Too much to do; later may be better.
    ServerBusy,
    /// Something that is needed is away.
    ServerUnavailable,
}

impl Refusal {
    /// The metric label: a fixed word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BadCredentials => "bad_credentials",
            Self::BadClientId => "bad_client_id",
            Self::NotAuthorized => "not_authorized",
            Self::Banned => "banned",
            Self::Throttled => "throttled",
            Self::QuotaExceeded => "quota_exceeded",
            Self::ServerBusy => "server_busy",
            Self::ServerUnavailable => "server_unavailable",
        }
    }

    /// The CONNACK return code of MQTT 3.1 and 3.1.1.
    pub const fn return_code(self) -> u8 {
        match self {
            Self::BadClientId => 2,
            Self::Throttled | Self::QuotaExceeded | Self::ServerBusy | Self::ServerUnavailable => 3,
            Self::BadCredentials => 4,
            Self::NotAuthorized | Self::Banned => 5,
        }
    }

    /// The CONNACK reason code of MQTT 5.
    pub const fn reason(self) -> Reason {
        match self {
            Self::BadCredentials => Reason::BadUserNameOrPassword,
            Self::BadClientId => Reason::ClientIdentifierNotValid,
            Self::NotAuthorized => Reason::NotAuthorized,
            Self::Banned => Reason::Banned,
            Self::Throttled => Reason::ConnectionRateExceeded,
            Self::QuotaExceeded => Reason::QuotaExceeded,
            Self::ServerBusy => Reason::ServerBusy,
            Self::ServerUnavailable => Reason::ServerUnavailable,
        }
    }
}

/// What a session may do. Nothing is allowed that is not listed.
#[derive(Clone)]
pub struct Grant {
    /// The session's client id where it is not the CONNECT's: assigned, or taken from a certificate.
    pub client_id: Option<CompactString>,
    /// Filters that a published topic must match one of, the client id already filled in.
    pub publish: Arc<[TopicFilter]>,
    /// Filters that a subscription must lie within one of, the client id already filled in.
    pub subscribe: Arc<[TopicFilter]>,
    /// Seconds of keep-alive that an MQTT 5 client is told to use instead of its own. 3.x clients cannot be told.
    pub server_keep_alive: Option<u16>,
    /// The best quality of service that a subscription is granted.
    pub max_subscribe_qos: QoS,
    /// Publishes a second that are read in the long run; `None` for any number. A faster client is not read for a
    /// while.
    pub publish_rate: Option<u32>,
    /// Messages that are kept for the session while it is away; 0 for devices, whose commands wait elsewhere.
    pub max_queued: usize,
    /// Whether the session also gets what others publish: [`crate::Sessions::publish`].
    pub listens: bool,
    /// Whatever ingest wants to know of the session; read back by [`crate::SessionFacts::identity`].
    pub identity: Arc<dyn Any + Send + Sync>,
}

impl Grant {
    /// A grant that allows nothing.
    pub fn new(identity: Arc<dyn Any + Send + Sync>) -> Self {
        Self {
            client_id: None,
            publish: Arc::new([]),
            subscribe: Arc::new([]),
            server_keep_alive: None,
            max_subscribe_qos: QoS::AtLeastOnce,
            publish_rate: None,
            max_queued: 0,
            listens: false,
            identity,
        }
    }

    /// Whether a topic may be published to.
    pub fn allows_publish(&self, topic: &str) -> bool {
        self.publish.iter().any(|filter| filter.matches(topic))
    }

    /// Whether a filter may be subscribed to.
    pub fn allows_subscribe(&self, filter: &str) -> bool {
        self.subscribe.iter().any(|granted| granted.covers(filter))
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("publish", &self.publish)
            .field("subscribe", &self.subscribe)
            .finish_non_exhaustive()
    }
}
