//! Writing to the registry topic.

use std::time::Duration;

use fleetwire_kafka::{ClientError, ClientSettings, DeliveryError, FlushError, Producer, Record, SendError};
use fleetwire_model::pb::{Device, DeviceStatus};
use fleetwire_model::{DeviceId, Topic, Topics, time};
use prost::Message as _;
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalogue::Model;

/// Why devices could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A record was not taken.
    #[error("device {device} was not written: {source}")]
    Send {
        /// The device.
        device: DeviceId,
        /// Why.
        source: SendError,
    },
    /// Kafka did not take a record.
    #[error("a device was not written: {0}")]
    Delivery(DeliveryError),
    /// Kafka did not answer in time.
    #[error("Kafka did not answer in time: {0}")]
    Unanswered(#[from] FlushError),
}

/// A device to activate.
#[derive(Debug, Clone)]
pub struct Activation {
    /// Its id.
    pub device: DeviceId,
    /// Its model.
    pub model: &'static Model,
    /// Name for people; may be empty.
    pub name: String,
}

/// Writes to the registry topic of one deployment.
#[derive(Debug)]
pub struct Writer<'a> {
    /// How Kafka is reached.
    pub client: &'a ClientSettings,
    /// Names of the topics.
    pub topics: &'a Topics,
    /// Who writes, for example "cli:anna".
    pub by: &'a str,
    /// How long a call may wait for Kafka.
    pub limit: Duration,
}

impl Writer<'_> {
    /// Writes activations, made at `now_ms` (Unix milliseconds), and waits until Kafka has all of them. An earlier
    /// record of a device is replaced.
    pub fn activate(&self, activations: &[Activation], now_ms: i64) -> Result<(), WriteError> {
        let failure = Arc::new(Mutex::new(None));
        let producer = Producer::new(self.client, {
            let failure = Arc::clone(&failure);
            move |delivery, ()| {
                if let Err(err) = delivery.outcome {
                    failure
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_or_insert(err);
                }
            }
        })?;
        let topic = self.topics.name(Topic::Devices);
        for activation in activations {
            let value = Device {
                device_id: activation.device.to_string(),
                model: activation.model.id.to_owned(),
                status: DeviceStatus::Active.into(),
                name: activation.name.clone(),
                revision: 1,
                created_time: Some(time::from_unix_ms(now_ms)),
                updated_time: Some(time::from_unix_ms(now_ms)),
                updated_by: self.by.to_owned(),
                ..Device::default()
            }
            .encode_to_vec();
            let record = Record {
                topic: &topic,
                key: Some(activation.device.as_str().as_bytes()),
                payload: Some(&value),
                ..Record::default()
            };
            send(&producer, record, self.limit).map_err(|source| WriteError::Send {
                device: activation.device.clone(),
                source,
            })?;
        }
        producer.flush(self.limit)?;
        let failure = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(()), |err| Err(WriteError::Delivery(err)))
    }
}

/// Hands a record over; when there is no room, waits for what is in flight.
fn send(producer: &Producer<()>, record: Record<'_>, limit: Duration) -> Result<(), SendError> {
    match producer.send(record, ()) {
        Err((SendError::Full, ())) => {
            // Whether all of it went out does not matter here, only that there is room.
            let _flushed = producer.flush(limit);
            producer.send(record, ()).map_err(|(err, ())| err)
        }
        sent => sent.map_err(|(err, ())| err),
    }
}
