//! Commands into Kafka, each with its outcome.

use std::time::Duration;

use fleetwire_kafka::{ClientError, ClientSettings, Delivered, DeliveryError, Producer, Record, SendError};
use fleetwire_model::pb;
use fleetwire_model::topic::TYPE_HEADER;
use prost::{Message as _, Name as _};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

type Outcome = Result<Delivered, DeliveryError>;

/// Writes commands.
#[derive(Debug)]
pub(crate) struct Sender {
    producer: Producer<oneshot::Sender<Outcome>>,
    topic: String,
    limit: Duration,
}

/// Why it is not known that a command is in Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendFailure {
    /// Kafka's client did not take it: it is not there.
    #[error(transparent)]
    Refused(#[from] SendError),
    /// Kafka did not acknowledge it: it may be there.
    #[error(transparent)]
    Undelivered(#[from] DeliveryError),
}

impl SendFailure {
    /// The metric label.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Refused(error) => error.code(),
            Self::Undelivered(error) => error.code(),
        }
    }
}

impl Sender {
    pub(crate) fn new(kafka: &ClientSettings, topic: String, limit: Duration) -> Result<Self, ClientError> {
        let mut settings = kafka.clone();
        settings.producer.delivery_timeout = limit;
        // Somebody waits for each one, and they are few.
        settings.producer.linger = Duration::ZERO;
        let producer = Producer::new(&settings, |delivery, waiting: oneshot::Sender<Outcome>| {
            // Whoever asked may be gone.
            let _ = waiting.send(delivery.outcome);
        })?;
        Ok(Self { producer, topic, limit })
    }

    /// Cancelled when the producer cannot go on.
    pub(crate) fn fatal(&self) -> CancellationToken {
        self.producer.fatal()
    }

    /// Writes a command, and waits until Kafka has it.
    pub(crate) async fn send(&self, command: &pb::Command) -> Result<(), SendFailure> {
        let (key, value) = (command.device_id.clone(), command.encode_to_vec());
        self.write(&self.topic, (key, Some(&value), &pb::Command::full_name())).await
    }

    /// Writes a record, and waits until Kafka has it: its key, its value, and the name of its message.
    pub(crate) async fn write(
        &self,
        topic: &str,
        (key, value, kind): (String, Option<&[u8]>, &str),
    ) -> Result<(), SendFailure> {
        let deadline = Instant::now() + self.limit;
        let record = Record {
            topic,
            key: Some(key.as_bytes()),
            payload: value,
            timestamp_ms: None,
            headers: &[(TYPE_HEADER, kind.as_bytes())],
        };
        let (mut opaque, outcome) = oneshot::channel();
        loop {
            match self.producer.send(record, opaque) {
                Ok(()) => break,
                Err((SendError::Full, back)) if Instant::now() < deadline => {
                    opaque = back;
                    self.producer.room(deadline.saturating_duration_since(Instant::now())).await;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
        // librdkafka has the same limit, and a little more until it says so.
        match timeout_at(deadline + Duration::from_secs(2), outcome).await {
            Ok(Ok(outcome)) => Ok(outcome.map(drop)?),
            Ok(Err(_)) => Err(DeliveryError::Ended.into()),
            Err(_) => Err(DeliveryError::TimedOut.into()),
        }
    }
}
