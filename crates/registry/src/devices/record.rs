//! A record of the registry as the view reads it: the few fields that it keeps, in place.

use fleetwire_model::pb::DeviceStatus;
use fleetwire_model::wire::{Field, Fields, WireError};

/// Why a registry record cannot be used. Names no device: log lines have a field for that.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The key is no device id.
    #[error("the key is no device id")]
    Key,
    /// The value is no protobuf message.
    #[error("the value is no Device message: {0}")]
    Value(#[from] WireError),
    /// A text that is none.
    #[error("the value is no Device message: field {0} is no UTF-8")]
    Text(u32),
    /// A field of another type than the contract's.
    #[error("the value is no Device message: field {0} has another type")]
    Type(u32),
    /// The record names another device than its key.
    #[error("the record names another device than its key")]
    Mismatch,
    /// The model is not in the catalogue.
    #[error("model `{0}` is not in the catalogue")]
    UnknownModel(String),
    /// The password is hashed in a way that is not known here.
    #[error("the password hash is of an unknown form; no password opens the device")]
    Password,
}

/// The fields of a `Device` that decide who is served and how, without copying them. The others are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordView<'a> {
    pub(super) device_id: &'a str,
    pub(super) model: &'a str,
    /// Empty for the model's.
    pub(super) account: &'a str,
    pub(super) status: DeviceStatus,
    /// Empty if there is none.
    pub(super) password_hash: &'a [u8],
    pub(super) release_pending: bool,
}

impl<'a> RecordView<'a> {
    /// Reads a Kafka value. As protobuf says, of several values of a field the last one counts.
    pub(super) fn read(value: &'a [u8]) -> Result<Self, RecordError> {
        let mut view = Self {
            device_id: "",
            model: "",
            account: "",
            status: DeviceStatus::Unspecified,
            password_hash: &[],
            release_pending: false,
        };
        for field in Fields::new(value) {
            let (number, value) = field?;
            match (number, value) {
                (1, Field::Bytes(raw)) => view.device_id = text(number, raw)?,
                (2, Field::Bytes(raw)) => view.model = text(number, raw)?,
                (3, Field::Bytes(raw)) => view.account = text(number, raw)?,
                (4, Field::Varint(raw)) => view.status = status(raw),
                (8, Field::Bytes(raw)) => view.password_hash = raw,
                (13, Field::Varint(raw)) => view.release_pending = raw != 0,
                (1..=4 | 8 | 13, _) => return Err(RecordError::Type(number)),
                _ => {}
            }
        }
        Ok(view)
    }
}

/// A status that is not known here is none.
fn status(raw: u64) -> DeviceStatus {
    #[expect(clippy::cast_possible_truncation, reason = "so are enums read: the low 32 bits")]
    let low = raw as i32;
    DeviceStatus::try_from(low).unwrap_or(DeviceStatus::Unspecified)
}

fn text(field: u32, raw: &[u8]) -> Result<&str, RecordError> {
    std::str::from_utf8(raw).map_err(|_| RecordError::Text(field))
}
