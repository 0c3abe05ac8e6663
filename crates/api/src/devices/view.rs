//! A device as the API shows it.

use std::collections::BTreeMap;

use fleetwire_model::pb::{self, DeviceStatus};
use fleetwire_registry::Catalogue;
use serde::Serialize;
use utoipa::ToSchema;

use crate::time::rfc3339;

/// A registered device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Device {
    /// IMEI, 15 digits; for models that speak NGP or JSON, the id under which the device connects.
    #[schema(example = "867035046242895")]
    pub(crate) id: String,
    /// Key of its model; `GET /v1/models` lists them.
    #[schema(example = "xirgo-fms500-light-iotm")]
    pub(crate) model: String,
    /// Account (MQTT user name) under which it connects.
    #[schema(example = "bce_device")]
    pub(crate) account: String,
    /// Whether it may come in.
    pub(crate) status: Status,
    /// Name for people; may be empty.
    #[schema(example = "truck 7")]
    pub(crate) name: String,
    /// Group for people; may be empty.
    #[schema(example = "north")]
    pub(crate) group: String,
    /// Free labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// Whether it has a password of its own, so that the account's does not open it.
    pub(crate) own_password: bool,
    /// Whether publishes that were held before its activation are still being released.
    pub(crate) release_pending: bool,
    /// Grows by one with each change, from 1; the ETag.
    #[schema(example = 1, minimum = 0)]
    pub(crate) revision: u64,
    /// When it was first activated, RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-11-25T08:30:00.000Z")]
    pub(crate) created: Option<String>,
    /// When it was last changed, RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-11-25T08:30:00.000Z")]
    pub(crate) updated: Option<String>,
    /// Who changed it last.
    #[schema(example = "token:ops")]
    pub(crate) updated_by: String,
    /// Its new password, in the answer to the request that generated it and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) password: Option<String>,
}

/// Whether a device may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Served.
    Active,
    /// Known, and refused when it connects.
    Disabled,
}

impl Status {
    pub(crate) const fn of(status: DeviceStatus) -> Self {
        match status {
            DeviceStatus::Active => Self::Active,
            DeviceStatus::Disabled | DeviceStatus::Unspecified => Self::Disabled,
        }
    }

    /// The word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

impl std::str::FromStr for Status {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "active" => Ok(Self::Active),
            "disabled" => Ok(Self::Disabled),
            _ => Err("it is active or disabled"),
        }
    }
}

/// Account under which a device connects.
pub(crate) fn account(record: &pb::Device, catalogue: Catalogue) -> &str {
    if record.account.is_empty() {
        catalogue.get(&record.model).map_or("", |model| model.account)
    } else {
        &record.account
    }
}

impl Device {
    pub(crate) fn new(record: pb::Device, catalogue: Catalogue) -> Self {
        Self {
            account: account(&record, catalogue).to_owned(),
            status: Status::of(record.status()),
            own_password: !record.password_hash.is_empty(),
            release_pending: record.release_pending,
            revision: record.revision,
            created: rfc3339(record.created_time.as_ref()),
            updated: rfc3339(record.updated_time.as_ref()),
            id: record.device_id,
            model: record.model,
            name: record.name,
            group: record.group,
            labels: record.labels.into_iter().collect(),
            updated_by: record.updated_by,
            password: None,
        }
    }
}
