//! What can be changed of a device, by whom, and what came of it.

use std::collections::BTreeMap;

use fleetwire_model::DeviceId;
use fleetwire_model::pb::{self, DeviceStatus};

use crate::catalogue::Model;
use crate::password::PasswordHash;

/// Who asks for changes; the audit trail has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// For example "token:ops", "cli:anna", "fleetwire" for what fleetwire does by itself.
    pub actor: String,
    /// The request, as the API's X-Request-Id; empty if there is none.
    pub request_id: String,
    /// Where the request came from, IP:port; empty if not known.
    pub remote_address: String,
}

impl Who {
    /// Somebody who asks directly, not by a request of the API.
    pub fn new(actor: impl Into<String>) -> Self {
        Self { actor: actor.into(), request_id: String::new(), remote_address: String::new() }
    }
}

/// What becomes of a device that is registered already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// The change is refused.
    Fail,
    /// It stays as it is, also where it is disabled.
    Keep,
    /// It is active again, with the model and everything else that is said of it.
    Update,
}

/// What becomes of a device's own password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OwnPassword {
    /// It stays, or there is none.
    #[default]
    Keep,
    /// It is this.
    Set(PasswordHash),
    /// There is none: the account's password serves.
    Remove,
}

/// A device to activate. What is `None` is empty, or stays as it is where the device is registered already.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// Its model.
    pub model: &'static Model,
    /// Name for people.
    pub name: Option<String>,
    /// Group for people and guard rules.
    pub group: Option<String>,
    /// All of its labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Account under which it connects; empty is the model's.
    pub account: Option<String>,
    /// Its own password.
    pub password: OwnPassword,
}

impl Draft {
    /// A device of which nothing is said but its model.
    pub fn new(model: &'static Model) -> Self {
        Self { model, name: None, group: None, labels: None, account: None, password: OwnPassword::Keep }
    }
}

/// What is to be different of a device. What is `None` stays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Patch {
    /// Its model.
    pub model: Option<&'static Model>,
    /// Name for people.
    pub name: Option<String>,
    /// Group for people and guard rules.
    pub group: Option<String>,
    /// All of its labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// Account under which it connects; empty is the model's.
    pub account: Option<String>,
    /// Its own password.
    pub password: OwnPassword,
}

/// One change of one device. With `if_revision` it is refused unless the device has this revision; 0 is that of a
/// device that is not registered.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Registers a device as active.
    Activate {
        /// The device.
        device: DeviceId,
        /// What is said of it.
        draft: Draft,
        /// What becomes of it if it is registered already.
        existing: Existing,
        /// Something of it is held: its publishes go on being held until that is released.
        release_pending: bool,
        /// The revision that it must have.
        if_revision: Option<u64>,
    },
    /// Changes what is said of a device.
    Update {
        /// The device.
        device: DeviceId,
        /// What is to be different.
        patch: Patch,
        /// The revision that it must have.
        if_revision: Option<u64>,
    },
    /// Disables a device, or makes it active again.
    SetStatus {
        /// The device.
        device: DeviceId,
        /// What it is to be; `Unspecified` is as `Disabled`.
        status: DeviceStatus,
        /// Something of it is held, as at an activation. Means nothing for a device that is disabled.
        release_pending: bool,
        /// The revision that it must have.
        if_revision: Option<u64>,
    },
    /// Removes a device: it is as if nobody had ever activated it.
    Remove {
        /// The device.
        device: DeviceId,
        /// The revision that it must have.
        if_revision: Option<u64>,
    },
    /// Nothing of the device is held any more.
    Released {
        /// The device.
        device: DeviceId,
        /// The revision that it must have.
        if_revision: Option<u64>,
    },
}

impl Change {
    /// The device that it changes.
    pub const fn device(&self) -> &DeviceId {
        match self {
            Self::Activate { device, .. }
            | Self::Update { device, .. }
            | Self::SetStatus { device, .. }
            | Self::Remove { device, .. }
            | Self::Released { device, .. } => device,
        }
    }

    /// The revision that the device must have.
    pub const fn if_revision(&self) -> Option<u64> {
        match self {
            Self::Activate { if_revision, .. }
            | Self::Update { if_revision, .. }
            | Self::SetStatus { if_revision, .. }
            | Self::Remove { if_revision, .. }
            | Self::Released { if_revision, .. } => *if_revision,
        }
    }
}

/// What a change has done: durable, and visible in [`Records`](crate::Records).
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// The device is registered now; its record.
    Created(pb::Device),
    /// It was registered before; its record now.
    Changed(pb::Device),
    /// It is already as it should be, and nothing was written; its record.
    Unchanged(pb::Device),
    /// It is not registered any more; its record before.
    Removed(pb::Device),
}

/// Why a change was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no such device.
    #[error("the device is not registered")]
    NotFound,
    /// There is one already.
    #[error("the device is registered already")]
    Exists,
    /// The device has another revision than the one that was named.
    #[error("the device has revision {revision}: somebody changed it; read it again")]
    Conflict {
        /// Its revision; 0 if it is not registered.
        revision: u64,
    },
    /// It cannot be done; says what to do instead.
    #[error("{0}")]
    Invalid(String),
    /// Kafka does not take a record as large as this.
    #[error("the record is larger than Kafka takes: use fewer or shorter labels")]
    TooLarge,
    /// Kafka is away, or does not do what it should. Where it says so the change may have been made.
    #[error("{0}")]
    Unavailable(String),
    /// Others write so much that this one never came to its turn.
    #[error("other processes write to the registry all the time; try again")]
    Contended,
}

impl ChangeError {
    /// The metric label.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::Conflict { .. } => "conflict",
            Self::Invalid(_) => "invalid",
            Self::TooLarge => "too_large",
            Self::Unavailable(_) => "unavailable",
            Self::Contended => "contended",
        }
    }
}
