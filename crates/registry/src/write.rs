//! Activating many devices at once, for commands.

use std::time::Duration;

use fleetwire_kafka::ClientSettings;
use fleetwire_model::{DeviceId, Topics};

use crate::catalogue::Model;
use crate::registrar::{Applied, Change, ChangeError, Draft, Once, OnceError, Who};
pub use crate::registrar::{Existing, OwnPassword};

/// Why devices could not be activated.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Nothing was changed.
    #[error(transparent)]
    Once(#[from] OnceError),
    /// One of them was not activated; others may be.
    #[error("device {device} was not activated: {source}")]
    Device {
        /// Which.
        device: DeviceId,
        /// Why.
        source: ChangeError,
    },
}

/// A device to activate.
#[derive(Debug, Clone)]
pub struct Activation {
    /// Its id.
    pub device: DeviceId,
    /// Its model.
    pub model: &'static Model,
    /// Name for people; what is there stays where it is empty.
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

/// Activates devices of one deployment.
#[derive(Debug)]
pub struct Writer<'a> {
    /// How Kafka is reached.
    pub client: &'a ClientSettings,
    /// Names of the topics.
    pub topics: &'a Topics,
    /// Who asks for it, for example "cli:anna".
    pub by: &'a str,
    /// How long Kafka may do nothing.
    pub limit: Duration,
}

impl Writer<'_> {
    /// Activates devices, and waits until Kafka has all of them. Returns how many were written. Blocks.
    pub fn activate(&self, activations: &[Activation], existing: Existing) -> Result<usize, WriteError> {
        let change = |activation: &Activation| Change::Activate {
            device: activation.device.clone(),
            draft: Draft {
                name: Some(activation.name.clone()).filter(|name| !name.is_empty()),
                account: activation.login.account.clone(),
                password: activation.login.password,
                ..Draft::new(activation.model)
            },
            existing,
            release_pending: false,
            if_revision: None,
        };
        let changes: Vec<_> = activations.iter().map(change).collect();
        let once = Once { client: self.client, topics: self.topics, limit: self.limit };
        let mut written = 0;
        for (outcome, change) in once.apply(&changes, &Who::new(self.by))?.into_iter().zip(&changes) {
            match outcome {
                Ok(Applied::Unchanged(_)) => {}
                Ok(_) => written += 1,
                Err(source) => return Err(WriteError::Device { device: change.device().clone(), source }),
            }
        }
        Ok(written)
    }
}
