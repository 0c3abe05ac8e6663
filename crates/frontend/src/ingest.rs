//! Publishes into Kafka: one record each, payload untouched, answered when Kafka has it.

use std::time::Duration;

use fleetwire_kafka::{Delivery, DeliveryError, Producer, Record, SendError};
use fleetwire_model::pb::{Qos, RawPublish, UserProperty};
use fleetwire_model::{TYPE_HEADER, Topic, Topics, time};
use fleetwire_mqtt::packet::QoS;
use fleetwire_mqtt::{FailureReason, Ingest, Outcome, Publish, Receipt, SessionFacts};
use fleetwire_registry::Device;
use prost::Message as _;

use crate::directory::Directory;
use crate::identity::Identity;
use crate::metrics::IngestMetrics;

/// How long a session without room waits before it tries again by itself.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Who this frontend is, for the records that it writes.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Name of the replica.
    pub frontend_id: String,
    /// Name of the deployment; may be empty.
    pub region: String,
}

/// Writes raw publishes to Kafka.
#[derive(Debug)]
pub struct KafkaIngest {
    producer: Producer<Receipt>,
    directory: Directory,
    origin: Origin,
    raw: String,
    held: String,
    metrics: IngestMetrics,
}

impl KafkaIngest {
    /// Ingest over a producer whose deliveries go to [`settle`].
    pub fn new(
        producer: Producer<Receipt>,
        directory: Directory,
        origin: Origin,
        topics: &Topics,
        metrics: IngestMetrics,
    ) -> Self {
        let (raw, held) = (topics.name(Topic::Raw), topics.name(Topic::Held));
        Self { producer, directory, origin, raw, held, metrics }
    }

    /// The producer, to flush at the end.
    pub fn producer(&self) -> &Producer<Receipt> {
        &self.producer
    }
}

/// Answers a publish when Kafka has answered. Runs on the producer's thread.
pub fn settle(delivery: &Delivery<'_>, receipt: Receipt, metrics: &IngestMetrics) {
    let outcome = match &delivery.outcome {
        Ok(_) => Outcome::Stored,
        Err(err) => {
            metrics.failed(err.code());
            Outcome::Failed(reason(*err))
        }
    };
    receipt.complete(outcome);
}

/// What a device is told of Kafka's refusal.
const fn reason(error: DeliveryError) -> FailureReason {
    match error {
        DeliveryError::TooLarge => FailureReason::Unacceptable,
        _ => FailureReason::NotStored,
    }
}

/// Where a publish comes from, as its record says it.
struct Source<'a> {
    key: &'a str,
    client_id: &'a str,
    /// Empty if the session speaks for many.
    device: &'a str,
    /// None for a device that nobody activated: what it publishes is held.
    model: Option<&'a str>,
}

impl Ingest for KafkaIngest {
    fn offer(
        &self,
        session: &SessionFacts,
        publish: Publish,
        receipt: Receipt,
    ) -> Result<(), (Publish, Receipt)> {
        let source = match session.identity::<Identity>() {
            Some(Identity::Device { device }) => {
                let model = self.directory.get(device).filter(Device::is_active).map(|found| found.model.id);
                Source { key: device.as_str(), client_id: &session.client_id, device: device.as_str(), model }
            }
            // Which devices these are, and whether a person activated them, the decoder learns from the payload.
            Some(Identity::Relay { client_id }) => {
                Source { key: client_id, client_id, device: "", model: Some("") }
            }
            Some(Identity::Subscriber { .. }) => {
                receipt.complete(Outcome::Failed(FailureReason::NotAuthorized));
                return Ok(());
            }
            // Every grant of our authenticator carries one.
            None => {
                receipt.complete(Outcome::Failed(FailureReason::NotStored));
                return Ok(());
            }
        };
        let topic = if source.model.is_some() { &self.raw } else { &self.held };
        let value = self.record(session, &source, &publish).encode_to_vec();
        let received_ms = i64::try_from(publish.received_at_ms).unwrap_or(i64::MAX);
        let record = Record {
            topic,
            key: Some(source.key.as_bytes()),
            payload: Some(&value),
            timestamp_ms: Some(received_ms),
            headers: &[(TYPE_HEADER, b"fleetwire.v1.RawPublish")],
        };
        match self.producer.send(record, receipt) {
            Ok(()) => {
                self.metrics.taken(publish.qos, source.model.is_some(), publish.payload.len());
                Ok(())
            }
            Err((SendError::Full, receipt)) => Err((publish, receipt)),
            Err((err, receipt)) => {
                self.metrics.failed(err.code());
                receipt.complete(Outcome::Failed(FailureReason::NotStored));
                Ok(())
            }
        }
    }

    async fn room(&self) {
        // The session offers again either way, so it does not matter how the wait ended.
        let _room = self.producer.room(TRY_AGAIN).await;
    }
}

impl KafkaIngest {
    fn record(&self, session: &SessionFacts, source: &Source<'_>, publish: &Publish) -> RawPublish {
        let user_property =
            |(name, value): (&str, &str)| UserProperty { name: name.to_owned(), value: value.to_owned() };
        RawPublish {
            payload: publish.payload.clone(),
            topic: publish.topic.to_string(),
            client_id: source.client_id.to_owned(),
            account: session.account.to_string(),
            device_id: source.device.to_owned(),
            qos: match publish.qos {
                QoS::AtMostOnce => Qos::AtMostOnce,
                QoS::AtLeastOnce => Qos::AtLeastOnce,
                QoS::ExactlyOnce => Qos::ExactlyOnce,
            }
            .into(),
            retain: publish.retain,
            dup: publish.dup,
            packet_id: (publish.packet_id != 0).then(|| publish.packet_id.into()),
            received_time: Some(time::from_unix_ms(
                i64::try_from(publish.received_at_ms).unwrap_or(i64::MAX),
            )),
            frontend_id: self.origin.frontend_id.clone(),
            session_id: session.session_id.to_string(),
            session_sequence: publish.sequence,
            remote_address: session.peer.to_string(),
            mqtt_version: u32::from(session.level as u8),
            content_type: publish.content_type().unwrap_or_default().to_owned(),
            user_properties: publish.user_properties().map(user_property).collect(),
            will: publish.will,
            region: self.origin.region.clone(),
            model: source.model.unwrap_or_default().to_owned(),
        }
    }
}
