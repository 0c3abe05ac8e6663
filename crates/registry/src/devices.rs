//! The devices that a person activated, in memory, as every service sees them.

use dashmap::DashMap;
use fleetwire_model::DeviceId;
use fleetwire_model::pb::{self, DeviceStatus};
use prost::Message as _;

use crate::catalogue::{Catalogue, Model};

/// What a service needs to know of an activated device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Its model.
    pub model: &'static Model,
    /// Whether it is served.
    pub status: DeviceStatus,
}

impl Device {
    /// Whether its publishes are decoded.
    pub fn is_active(&self) -> bool {
        self.status == DeviceStatus::Active
    }
}

/// Why a registry record cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The key is no device id.
    #[error("the key is no device id: {0}")]
    Key(String),
    /// The value is no `Device`.
    #[error("the value is no Device message: {0}")]
    Value(#[from] prost::DecodeError),
    /// The record names another device than its key.
    #[error("the key is {key}, the record names {record}")]
    Mismatch {
        /// Device of the key.
        key: DeviceId,
        /// Device of the record.
        record: String,
    },
    /// The model is not in the catalogue.
    #[error("device {device}: model `{model}` is not in the catalogue")]
    UnknownModel {
        /// The device.
        device: DeviceId,
        /// The model that it names.
        model: String,
    },
}

/// All devices by id.
#[derive(Debug, Default)]
pub struct Devices(DashMap<DeviceId, Device>);

impl Devices {
    /// The device, if a person registered it.
    pub fn get(&self, id: &DeviceId) -> Option<Device> {
        self.0.get(id).map(|entry| *entry)
    }

    /// How many are registered.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is registered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one record of the registry topic: a `Device`, or a tombstone. A record that cannot be used
    /// leaves an earlier one of the same device in force only if it is not newer: an unusable newer record
    /// removes the device, because serving it under rules that were replaced would be wrong.
    pub fn apply(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), RecordError> {
        let text = String::from_utf8_lossy(key);
        let id: DeviceId = text.parse().map_err(|_| RecordError::Key(text.into_owned()))?;
        match value.map(|value| read(&id, value)) {
            Some(Ok(device)) => {
                self.0.insert(id, device);
                Ok(())
            }
            Some(Err(error)) => {
                self.0.remove(&id);
                Err(error)
            }
            None => {
                self.0.remove(&id);
                Ok(())
            }
        }
    }
}

fn read(key: &DeviceId, value: &[u8]) -> Result<Device, RecordError> {
    let record = pb::Device::decode(value)?;
    if record.device_id != key.as_str() {
        return Err(RecordError::Mismatch { key: key.clone(), record: record.device_id });
    }
    let status = record.status();
    let model = Catalogue
        .get(&record.model)
        .ok_or_else(|| RecordError::UnknownModel { device: key.clone(), model: record.model })?;
    Ok(Device { model, status })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &str, model: &str, status: DeviceStatus) -> Vec<u8> {
        pb::Device {
            device_id: id.into(),
            model: model.into(),
            status: status.into(),
            ..pb::Device::default()
        }
        .encode_to_vec()
    }

    #[test]
    fn the_newest_record_of_a_device_counts_and_a_tombstone_removes_it() {
        let (devices, id) = (Devices::default(), "867035046242895".parse().unwrap());
        let key = b"867035046242895";
        let active = record("867035046242895", "xirgo-lx41", DeviceStatus::Active);
        devices.apply(key, Some(&active)).unwrap();
        assert!(devices.get(&id).unwrap().is_active());
        assert_eq!(devices.get(&id).unwrap().model.id, "xirgo-lx41");
        let disabled = record("867035046242895", "xirgo-lx41", DeviceStatus::Disabled);
        devices.apply(key, Some(&disabled)).unwrap();
        assert!(!devices.get(&id).unwrap().is_active());
        devices.apply(key, None).unwrap();
        assert!(devices.get(&id).is_none() && devices.is_empty());
    }

    #[test]
    fn a_record_that_cannot_be_used_removes_the_device() {
        let (devices, id) = (Devices::default(), "867035046242895".parse().unwrap());
        let key = b"867035046242895";
        let good = record("867035046242895", "xirgo-lx41", DeviceStatus::Active);
        let bad = [
            record("867035046242895", "toaster", DeviceStatus::Active),
            record("111111111111111", "xirgo-lx41", DeviceStatus::Active),
            vec![0xff],
        ];
        for value in bad {
            devices.apply(key, Some(&good)).unwrap();
            assert!(devices.apply(key, Some(&value)).is_err());
            assert!(devices.get(&id).is_none());
        }
        assert!(matches!(devices.apply(b"a/b", None), Err(RecordError::Key(_))));
    }
}
