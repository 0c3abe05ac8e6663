//! How sessions end.

use rumqttc::{ConnectReturnCode, ConnectionError, StateError, mqttbytes};

use crate::stats::{Failure, Refusal};

/// How a session ended.
pub(super) enum End {
    /// Nothing more is to be sent.
    Done,
    Refused(Refusal),
    Lost(Failure),
    /// Lost as the settings say.
    Cut,
}

impl From<&ConnectionError> for End {
    fn from(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectionRefused(code) => match code {
                ConnectReturnCode::RefusedProtocolVersion => Self::Refused(Refusal::ProtocolVersion),
                ConnectReturnCode::BadClientId => Self::Refused(Refusal::Identifier),
                ConnectReturnCode::BadUserNamePassword => Self::Refused(Refusal::Credentials),
                ConnectReturnCode::NotAuthorized => Self::Refused(Refusal::NotAuthorized),
                ConnectReturnCode::ServiceUnavailable => Self::Lost(Failure::Unavailable),
                ConnectReturnCode::Success => Self::Lost(Failure::Protocol),
            },
            ConnectionError::NetworkTimeout
            | ConnectionError::FlushTimeout
            | ConnectionError::MqttState(StateError::AwaitPingResp) => Self::Lost(Failure::Timeout),
            ConnectionError::Io(_)
            | ConnectionError::MqttState(
                StateError::Io(_)
                | StateError::ConnectionAborted
                | StateError::Deserialization(mqttbytes::Error::Io(_)),
            ) => Self::Lost(Failure::Network),
            _ => Self::Lost(Failure::Protocol),
        }
    }
}
