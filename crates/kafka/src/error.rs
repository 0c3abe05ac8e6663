//! What goes wrong with records and clients, with a fixed word for metrics each.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::settings::SettingsError;

/// Why a client could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// librdkafka refused them together, or could not start.
    #[error("the Kafka client cannot be made: {0}")]
    Client(String),
}

impl From<KafkaError> for ClientError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::ClientCreation(reason) => Self::Client(reason),
            other => Self::Client(other.to_string()),
        }
    }
}

/// Why a record was not taken. The caller still has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// As many records or bytes as allowed wait for their outcome; wait for room.
    #[error("too many records wait for Kafka")]
    Full,
    /// Larger than `message.max.bytes`; it will never be taken.
    #[error("the record is larger than Kafka takes")]
    TooLarge,
    /// Kafka is known not to have the topic.
    #[error("Kafka has no such topic")]
    UnknownTopic,
    /// The producer cannot go on; the process must end.
    #[error("the producer has failed for good")]
    Fatal,
    /// Something else, in librdkafka's words.
    #[error("librdkafka refused the record: {0}")]
    Other(RDKafkaErrorCode),
}

impl SendError {
    /// The metric label.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::TooLarge => "too_large",
            Self::UnknownTopic => "unknown_topic",
            Self::Fatal => "fatal",
            Self::Other(_) => "other",
        }
    }
}

impl From<&KafkaError> for SendError {
    fn from(error: &KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Self::Full,
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) => {
                Self::TooLarge
            }
            // A topic name with a NUL byte has no code.
            None
            | Some(
                RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::InvalidTopic,
            ) => Self::UnknownTopic,
            Some(RDKafkaErrorCode::Fatal) => Self::Fatal,
            Some(code) => Self::Other(code),
        }
    }
}

/// Why a record that was taken is not in Kafka, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// No acknowledgement within the delivery timeout. It may be in Kafka nevertheless.
    #[error("no acknowledgement within the delivery timeout")]
    TimedOut,
    /// The broker's limit is smaller than ours.
    #[error("the record is larger than the broker takes")]
    TooLarge,
    /// Kafka has no such topic or partition.
    #[error("Kafka has no such topic")]
    UnknownTopic,
    /// Not allowed, or not authenticated.
    #[error("Kafka does not authorise it")]
    Auth,
    /// Fewer replicas in sync than `min.insync.replicas`.
    #[error("too few replicas are in sync")]
    NotEnoughReplicas,
    /// The producer was dropped first.
    #[error("the producer ended first")]
    Ended,
    /// The producer cannot go on; the process must end.
    #[error("the producer has failed for good")]
    Fatal,
    /// Something else, in librdkafka's words.
    #[error("not delivered: {0}")]
    Other(RDKafkaErrorCode),
}

impl DeliveryError {
    /// The metric label.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::TooLarge => "too_large",
            Self::UnknownTopic => "unknown_topic",
            Self::Auth => "auth",
            Self::NotEnoughReplicas => "not_enough_replicas",
            Self::Ended => "ended",
            Self::Fatal => "fatal",
            Self::Other(_) => "other",
        }
    }
}

impl From<&KafkaError> for DeliveryError {
    fn from(error: &KafkaError) -> Self {
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code().unwrap_or(Code::Unknown) {
            Code::MessageTimedOut | Code::RequestTimedOut | Code::OperationTimedOut => Self::TimedOut,
            Code::MessageSizeTooLarge | Code::InvalidMessageSize | Code::MessageBatchTooLarge => {
                Self::TooLarge
            }
            Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::InvalidTopic => Self::UnknownTopic,
            Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication => Self::Auth,
            Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => Self::NotEnoughReplicas,
            Code::PurgeQueue | Code::PurgeInflight => Self::Ended,
            Code::Fatal | Code::Fenced => Self::Fatal,
            code => Self::Other(code),
        }
    }
}

/// Records without an outcome at the end of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{left} records had no outcome in time")]
pub struct FlushError {
    /// How many.
    pub left: usize,
}

/// A label for errors of consumers: whose they are, not each one's name.
pub(crate) fn consumer_code(error: &KafkaError) -> &'static str {
    use RDKafkaErrorCode as Code;
    match error.rdkafka_error_code().unwrap_or(Code::Unknown) {
        Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve => "unreachable",
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::Authentication => "auth",
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => "unknown_topic",
        Code::PollExceeded => "poll_exceeded",
        Code::OffsetOutOfRange | Code::AutoOffsetReset => "offset_out_of_range",
        _ => "other",
    }
}
