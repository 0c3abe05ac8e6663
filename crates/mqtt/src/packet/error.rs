//! What can be wrong with a packet, and the words and codes for it.
//!
//! Only faults of the bytes themselves; faults of a packet that comes at the wrong time are the session's.

use super::reason::Reason;

/// Why bytes are no acceptable MQTT packet. Every case ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The fixed header announces more than this server takes.
    #[error("packet is {size} bytes, at most {limit} are taken")]
    TooLarge {
        /// Whole packet, fixed header included.
        size: usize,
        /// The bound that was passed by the caller.
        limit: usize,
    },
    /// The remaining length, or another variable byte integer, has no end or too many bytes.
    #[error("variable byte integer is malformed")]
    VariableInteger,
    /// The packet ends inside a field.
    #[error("packet ends inside a field")]
    Truncated,
    /// Bytes are left over after the last field.
    #[error("bytes are left over after the last field")]
    Trailing,
    /// A reserved bit has the wrong value.
    #[error("reserved bits have the wrong value")]
    ReservedBits,
    /// A packet type that does not exist in this protocol level.
    #[error("packet type {0} does not exist")]
    PacketType(u8),
    /// A packet type that only a server may send.
    #[error("packet type {0} never comes from a client")]
    ServerOnly(u8),
    /// Quality of service 3.
    #[error("quality of service is out of range")]
    QoS,
    /// A string that is not UTF-8, or holds U+0000.
    #[error("string is not well-formed MQTT text")]
    Text,
    /// A topic name that is empty or holds a wildcard.
    #[error("topic name is empty or holds a wildcard")]
    TopicName,
    /// A topic filter that breaks the wildcard rules.
    #[error("topic filter is malformed")]
    TopicFilter,
    /// Subscription options that no subscription may have.
    #[error("subscription options are forbidden")]
    SubscriptionOptions,
    /// Packet id zero.
    #[error("packet id is zero")]
    PacketId,
    /// A SUBSCRIBE or UNSUBSCRIBE without a filter.
    #[error("no topic filter")]
    NoFilters,
    /// More filters or properties in one packet than this server reads.
    #[error("too many entries in one packet")]
    TooMany,
    /// A property that does not exist or does not belong to this packet.
    #[error("property {0:#04x} does not belong here")]
    Property(u8),
    /// A property that may come once comes twice.
    #[error("property {0:#04x} comes twice")]
    DuplicateProperty(u8),
    /// A property with a value that the specification forbids.
    #[error("property {0:#04x} has a forbidden value")]
    PropertyValue(u8),
    /// A reason code that does not belong to this packet.
    #[error("reason code {0:#04x} does not belong here")]
    ReasonCode(u8),
    /// A CONNECT for another protocol.
    #[error("protocol name is not MQTT")]
    ProtocolName,
    /// A CONNECT with a protocol level that is not served.
    #[error("protocol level {0} is not served")]
    ProtocolLevel(u8),
    /// CONNECT flags that contradict each other.
    #[error("connect flags contradict each other")]
    ConnectFlags,
}

impl PacketError {
    /// The metric label: a fixed word, never text from a peer.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::VariableInteger => "variable_integer",
            Self::Truncated => "truncated",
            Self::Trailing => "trailing",
            Self::ReservedBits => "reserved_bits",
            Self::PacketType(_) => "packet_type",
            Self::ServerOnly(_) => "server_only",
            Self::QoS => "qos",
            Self::Text => "text",
            Self::TopicName => "topic_name",
            Self::TopicFilter => "topic_filter",
            Self::SubscriptionOptions => "subscription_options",
            Self::PacketId => "packet_id",
            Self::NoFilters => "no_filters",
            Self::TooMany => "too_many",
            Self::Property(_) => "property",
            Self::DuplicateProperty(_) => "duplicate_property",
            Self::PropertyValue(_) => "property_value",
            Self::ReasonCode(_) => "reason_code",
            Self::ProtocolName => "protocol_name",
            Self::ProtocolLevel(_) => "protocol_level",
            Self::ConnectFlags => "connect_flags",
        }
    }

    /// What an MQTT 5 peer is told in DISCONNECT (or CONNACK).
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TooLarge { .. } => Reason::PacketTooLarge,
            Self::ServerOnly(_)
            | Self::SubscriptionOptions
            | Self::PacketId
            | Self::NoFilters
            | Self::DuplicateProperty(_)
            | Self::PropertyValue(_) => Reason::ProtocolError,
            Self::TopicName => Reason::TopicNameInvalid,
            Self::TopicFilter => Reason::TopicFilterInvalid,
            Self::TooMany => Reason::QuotaExceeded,
            Self::ProtocolName | Self::ProtocolLevel(_) => Reason::UnsupportedProtocolVersion,
            _ => Reason::MalformedPacket,
        }
    }
}
