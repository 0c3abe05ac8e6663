//! Why sessions end.

use crate::{
    packet::{PacketError, Reason},
    receipt::FailureReason,
};

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The client said goodbye.
    Disconnected,
    /// The client said goodbye and wants its will published.
    DisconnectedWithWill,
    /// The connection was closed or failed without a goodbye.
    PeerGone,
    /// A packet was malformed.
    Malformed(PacketError),
    /// A second CONNECT.
    SecondConnect,
    /// A packet that has no place at this moment.
    UnexpectedPacket,
    /// An MQTT 5 client sent more unanswered publishes than the Receive Maximum.
    ReceiveMaximum,
    /// More publishes of quality of service 2 wait for their PUBREL than this server remembers.
    TooManyUnreleased,
    /// A topic name that is longer, or has more levels, than this server takes.
    TopicTooLong,
    /// The answer to a packet is larger than the client takes.
    AnswerTooLarge,
    /// A topic alias that is 0, too high or not yet known.
    TopicAlias,
    /// A publish that the grant does not allow, from a client that cannot be told otherwise.
    NotAuthorized,
    /// A publish was not stored, and the client cannot be told otherwise.
    NotStored(FailureReason),
    /// The client was silent for one and a half times its keep-alive, or too long without one.
    KeepAlive,
    /// The client did not read what it was sent.
    WriteTimeout,
    /// A newer connection has the same client id.
    TakenOver,
    /// The server shuts down.
    ShuttingDown,
    /// Someone on this side closed the session.
    Administrative,
}

impl End {
    /// The metric label: a fixed word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::DisconnectedWithWill => "disconnected_with_will",
            Self::PeerGone => "peer_gone",
            Self::Malformed(err) => err.code(),
            Self::SecondConnect => "second_connect",
            Self::UnexpectedPacket => "unexpected_packet",
            Self::ReceiveMaximum => "receive_maximum",
            Self::TooManyUnreleased => "too_many_unreleased",
            Self::TopicTooLong => "topic_too_long",
            Self::AnswerTooLarge => "answer_too_large",
            Self::TopicAlias => "topic_alias",
            Self::NotAuthorized => "not_authorized",
            Self::NotStored(_) => "not_stored",
            Self::KeepAlive => "keep_alive",
            Self::WriteTimeout => "write_timeout",
            Self::TakenOver => "taken_over",
            Self::ShuttingDown => "shutting_down",
            Self::Administrative => "administrative",
        }
    }

    /// What DISCONNECT tells an MQTT 5 client, where it is still there to be told.
    pub const fn reason(self) -> Option<Reason> {
        Some(match self {
            Self::Disconnected | Self::DisconnectedWithWill | Self::PeerGone | Self::WriteTimeout => {
                return None;
            }
            Self::Malformed(err) => err.reason(),
            Self::SecondConnect | Self::UnexpectedPacket => Reason::ProtocolError,
            Self::ReceiveMaximum => Reason::ReceiveMaximumExceeded,
            Self::TooManyUnreleased => Reason::QuotaExceeded,
            Self::TopicTooLong => Reason::TopicNameInvalid,
            Self::AnswerTooLarge => Reason::PacketTooLarge,
            Self::TopicAlias => Reason::TopicAliasInvalid,
            Self::NotAuthorized => Reason::NotAuthorized,
            Self::NotStored(failure) => failure.reason(),
            Self::KeepAlive => Reason::KeepAliveTimeout,
            Self::TakenOver => Reason::SessionTakenOver,
            Self::ShuttingDown => Reason::UseAnotherServer,
            Self::Administrative => Reason::AdministrativeAction,
        })
    }

    /// The reason string that goes with it.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::TakenOver => "a newer connection has this client id",
            Self::ShuttingDown => "server is shutting down, connect again",
            Self::KeepAlive => "no packet for one and a half times the keep-alive",
            _ => self.code(),
        }
    }
}
