//! Who may come in and what a session may do: the border to accounts and credentials.

use std::{any::Any, fmt, net::SocketAddr, sync::Arc};

use crate::{
    packet::{Connect, Reason},
    topic::TopicFilter,
};

/// Who may come in. Answers from memory; must not block.
pub trait Authenticator: Send + Sync + 'static {
    /// Judges a CONNECT whose form is already checked; the client id is not empty.
    fn authenticate(&self, connect: &Connect, peer: SocketAddr) -> Result<Grant, Refusal>;
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
            Self::ServerBusy => "server_busy",
            Self::ServerUnavailable => "server_unavailable",
        }
    }

    /// The CONNACK return code of MQTT 3.1 and 3.1.1.
    pub const fn return_code(self) -> u8 {
        match self {
            Self::BadClientId => 2,
            Self::ServerBusy | Self::ServerUnavailable => 3,
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
            Self::ServerBusy => Reason::ServerBusy,
            Self::ServerUnavailable => Reason::ServerUnavailable,
        }
    }
}

/// What a session may do. Nothing is allowed that is not listed.
#[derive(Clone)]
pub struct Grant {
    /// Filters that a published topic must match one of, the client id already filled in.
    pub publish: Arc<[TopicFilter]>,
    /// Filters that a subscription must lie within one of, the client id already filled in.
    pub subscribe: Arc<[TopicFilter]>,
    /// Seconds of keep-alive that an MQTT 5 client is told to use instead of its own. 3.x clients cannot be told.
    pub server_keep_alive: Option<u16>,
    /// Whatever ingest wants to know of the session; read back by [`crate::SessionFacts::identity`].
    pub identity: Arc<dyn Any + Send + Sync>,
}

impl Grant {
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
