//! Writing to the registry topic.

use std::time::Duration;

use fleetwire_kafka::{ClientError, ClientSettings, DeliveryError, FlushError, Producer, Record, SendError};
use fleetwire_model::pb::{Device, DeviceStatus};
use fleetwire_model::{DeviceId, TYPE_HEADER, Topic, Topics, time};
use prost::Message as _;
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalogue::Model;
use crate::password::PasswordHash;
use crate::read::{self, ReadError};

/// Why devices could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What is there already could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
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
    /// What becomes of its account and its password.
    pub login: OwnLogin,
}

/// What a device has of its own to come in with. Where nothing is said, what the registry holds stays.
#[derive(Debug, Clone, Default)]
pub struct OwnLogin {
    /// Account under which it connects.
    pub account: Option<String>,
    /// Its password.
    pub password: OwnPassword,
}

/// What becomes of a device's own password.
#[derive(Debug, Clone, Copy, Default)]
pub enum OwnPassword {
    /// It stays, or there is none.
    #[default]
    Keep,
    /// It is this.
    Set(PasswordHash),
    /// There is none: the account's password serves.
    Remove,
}

/// What becomes of devices that are registered already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They stay as they are, also where they are disabled.
    Keep,
    /// They are activated, with the model that is asked for.
    Update,
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
    /// Writes activations, made at `now_ms` (Unix milliseconds), and waits until Kafka has all of them. Returns how
    /// many devices were written. Two writers at once may overwrite each other.
    pub fn activate(
        &self,
        activations: &[Activation],
        existing: Existing,
        now_ms: i64,
    ) -> Result<usize, WriteError> {
        let known = read::all(self.client, self.topics, self.limit)?;
        let wanted = |activation: &&Activation| {
            existing == Existing::Update || !known.contains_key(activation.device.as_str())
        };
        let failure = Arc::new(Mutex::new(None));
        let producer = Producer::new(self.client, {
            let failure = Arc::clone(&failure);
            move |delivery, ()| {
                if let Err(err) = delivery.outcome {
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(err);
                }
            }
        })?;
        let topic = self.topics.name(Topic::Devices);
        let mut written = 0;
        for activation in activations.iter().filter(wanted) {
            let before = known.get(activation.device.as_str());
            let value = self.device(activation, before, now_ms).encode_to_vec();
            let record = Record {
                topic: &topic,
                key: Some(activation.device.as_str().as_bytes()),
                payload: Some(&value),
                timestamp_ms: None,
                headers: &[(TYPE_HEADER, b"fleetwire.v1.Device")],
            };
            send(&producer, record, self.limit)
                .map_err(|source| WriteError::Send { device: activation.device.clone(), source })?;
            written += 1;
        }
        producer.flush(self.limit)?;
        let failure = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(Ok(written), |err| Err(WriteError::Delivery(err)))
    }

    /// The record of an activated device; what a person said of it before is kept.
    fn device(&self, activation: &Activation, before: Option<&Device>, now_ms: i64) -> Device {
        let before = before.cloned().unwrap_or_default();
        let now = Some(time::from_unix_ms(now_ms));
        Device {
            device_id: activation.device.to_string(),
            model: activation.model.id.to_owned(),
            status: DeviceStatus::Active.into(),
            account: activation.login.account.clone().unwrap_or(before.account),
            password_hash: match activation.login.password {
                OwnPassword::Keep => before.password_hash,
                OwnPassword::Set(hash) => hash.to_bytes().into(),
                OwnPassword::Remove => Vec::new().into(),
            },
            name: if activation.name.is_empty() { before.name } else { activation.name.clone() },
            revision: before.revision.saturating_add(1),
            created_time: before.created_time.or(now),
            updated_time: now,
            updated_by: self.by.to_owned(),
            ..before
        }
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
