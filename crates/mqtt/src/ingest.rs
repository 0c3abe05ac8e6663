//! What becomes of a publish: the border to whatever stores it.

use std::{any::Any, fmt, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use bytestring::ByteString;
use compact_str::CompactString;

use crate::{
    access::Transport,
    packet::{Level, Properties, Property, QoS},
    receipt::Receipt,
};

/// What becomes of a publish; answers later through the receipt.
pub trait Ingest: Send + Sync + 'static {
    /// Takes the publish, or gives it back when it has no room. Must not block.
    fn offer(
        &self,
        session: &SessionFacts,
        publish: Publish,
        receipt: Receipt,
    ) -> Result<(), (Publish, Receipt)>;

    /// Resolves when offering again is worth while. Should end by itself after a bounded time.
    fn room(&self) -> impl Future<Output = ()> + Send;
}

/// What stays the same for a whole session.
#[derive(Clone)]
pub struct SessionFacts {
    /// ULID as text; sorts by time.
    pub session_id: CompactString,
    /// Client id, not empty.
    pub client_id: CompactString,
    /// User name of the CONNECT; empty if there was none.
    pub account: CompactString,
    /// Address of the other end.
    pub peer: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// Protocol level.
    pub level: Level,
    /// Unix time of the CONNECT, milliseconds.
    pub connected_at_ms: u64,
    /// What the authenticator put into the grant.
    pub identity: Arc<dyn Any + Send + Sync>,
}

impl SessionFacts {
    /// The identity that the authenticator put into the grant, if it is a `T`.
    pub fn identity<T: Any>(&self) -> Option<&T> {
        self.identity.downcast_ref()
    }
}

impl fmt::Debug for SessionFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFacts")
            .field("session_id", &self.session_id)
            .field("client_id", &self.client_id)
            .field("account", &self.account)
            .field("peer", &self.peer)
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// One publish of a session, allowed by its grant. Its `Debug` does not show the payload.
#[derive(Clone)]
pub struct Publish {
    /// Topic name; a topic alias is already replaced.
    pub topic: ByteString,
    /// Payload as it came, a slice of what was read.
    pub payload: Bytes,
    /// Number of this publish in its session, from 1; a will has the last one.
    pub sequence: u64,
    /// Unix time at which its bytes were read, milliseconds.
    pub received_at_ms: u64,
    /// 0 for quality of service 0 and for wills.
    pub packet_id: u16,
    /// Quality of service.
    pub qos: QoS,
    /// Retain flag; recorded, not obeyed.
    pub retain: bool,
    /// Sent before, says the client.
    pub dup: bool,
    /// Published by the server for a client that went away.
    pub will: bool,
    /// MQTT 5 properties.
    pub properties: Properties,
}

impl Publish {
    /// The MQTT 5 content type.
    pub fn content_type(&self) -> Option<&str> {
        self.properties.find(|property| match property {
            Property::ContentType(text) => Some(&**text),
            _ => None,
        })
    }

    /// The MQTT 5 user properties, in order.
    pub fn user_properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties.iter().filter_map(|property| match property {
            Property::UserProperty(key, value) => Some((&**key, &**value)),
            _ => None,
        })
    }
}

impl fmt::Debug for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("topic", &self.topic)
            .field("sequence", &self.sequence)
            .field("packet_id", &self.packet_id)
            .field("qos", &self.qos)
            .field("dup", &self.dup)
            .field("will", &self.will)
            .field("payload_len", &self.payload.len())
            .finish_non_exhaustive()
    }
}
