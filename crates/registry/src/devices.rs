//! The devices that a person activated, in memory, as every service sees them.

use compact_str::CompactString;
use dashmap::DashMap;
use fleetwire_model::DeviceId;
use fleetwire_model::pb::{self, DeviceStatus};
use prost::Message as _;

use crate::catalogue::{Catalogue, Model};
use crate::password::PasswordHash;

/// What a service needs to know of an activated device.
#[derive(Debug, Clone, Copy)]
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

/// What decides whether a device may come in.
#[derive(Debug, Clone)]
pub struct Login {
    /// The device.
    pub device: Device,
    /// Account under which it connects, where it is not its model's.
    account: Option<CompactString>,
    /// Password of its own; the account's does not open it then.
    pub password: Option<PasswordHash>,
}

impl Login {
    /// Account under which the device connects.
    pub fn account(&self) -> &str {
        self.account.as_deref().unwrap_or(self.device.model.account)
    }
}

/// Why a registry record cannot be used. Names no device: log lines have a field for that.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The key is no device id.
    #[error("the key is no device id")]
    Key,
    /// The value is no `Device`.
    #[error("the value is no Device message: {0}")]
    Value(#[from] prost::DecodeError),
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

/// All devices by id.
#[derive(Debug)]
pub struct Devices {
    entries: DashMap<DeviceId, Entry>,
    catalogue: Catalogue,
}

/// None yet, of the models that are built in.
impl Default for Devices {
    fn default() -> Self {
        Self::new(Catalogue::built_in())
    }
}

/// Most devices are nothing but their model and their status.
#[derive(Debug)]
struct Entry {
    device: Device,
    own: Option<Box<Own>>,
}

#[derive(Debug)]
struct Own {
    account: Option<CompactString>,
    password: Option<PasswordHash>,
}

impl Devices {
    /// None yet, of the models of a catalogue.
    pub fn new(catalogue: Catalogue) -> Self {
        Self { entries: DashMap::new(), catalogue }
    }

    /// The models that devices may be of.
    pub const fn catalogue(&self) -> Catalogue {
        self.catalogue
    }

    /// The device, if a person registered it.
    pub fn get(&self, id: &DeviceId) -> Option<Device> {
        self.entries.get(id).map(|entry| entry.device)
    }

    /// What decides whether the device may come in, if a person registered it.
    pub fn login(&self, id: &DeviceId) -> Option<Login> {
        let entry = self.entries.get(id)?;
        let own = entry.own.as_ref();
        Some(Login {
            device: entry.device,
            account: own.and_then(|own| own.account.clone()),
            password: own.and_then(|own| own.password),
        })
    }

    /// How many are registered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is registered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes one record of the registry topic: a `Device`, or a tombstone. A record that cannot be used
    /// leaves an earlier one of the same device in force only if it is not newer: an unusable newer record
    /// removes the device, because serving it under rules that were replaced would be wrong. One whose password
    /// cannot be read stays, and no password opens it.
    pub fn apply(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), RecordError> {
        let text = String::from_utf8_lossy(key);
        let id: DeviceId = text.parse().map_err(|_| RecordError::Key)?;
        let Some(value) = value else {
            self.entries.remove(&id);
            return Ok(());
        };
        let (entry, problem) = match read(&id, value, self.catalogue) {
            Ok(read) => read,
            Err(error) => {
                self.entries.remove(&id);
                return Err(error);
            }
        };
        self.entries.insert(id, entry);
        problem.map_or(Ok(()), Err)
    }
}

/// The entry of a record, and what is wrong with it although it can be used.
fn read(
    key: &DeviceId,
    value: &[u8],
    catalogue: Catalogue,
) -> Result<(Entry, Option<RecordError>), RecordError> {
    let record = pb::Device::decode(value)?;
    if record.device_id != key.as_str() {
        return Err(RecordError::Mismatch);
    }
    let status = record.status();
    let model = catalogue.get(&record.model).ok_or(RecordError::UnknownModel(record.model))?;
    let (mut password, mut problem) = (None, None);
    if !record.password_hash.is_empty() {
        let read = PasswordHash::from_bytes(&record.password_hash);
        problem = read.is_none().then_some(RecordError::Password);
        password = Some(read.unwrap_or(PasswordHash::NOTHING));
    }
    let account = Some(record.account).filter(|name| !name.is_empty()).map(CompactString::from);
    let own = (account.is_some() || password.is_some()).then(|| Box::new(Own { account, password }));
    Ok((Entry { device: Device { model, status }, own }, problem))
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
    fn a_device_may_have_an_account_and_a_password_of_its_own() {
        let (devices, id) = (Devices::default(), "867035046242895".parse().unwrap());
        let apply = |account: &str, password_hash: Vec<u8>| {
            let record = pb::Device {
                device_id: "867035046242895".into(),
                model: "xirgo-lx41".into(),
                account: account.into(),
                password_hash: password_hash.into(),
                ..pb::Device::default()
            };
            devices.apply(b"867035046242895", Some(&record.encode_to_vec()))
        };
        apply("", Vec::new()).unwrap();
        let login = devices.login(&id).unwrap();
        assert_eq!((login.account(), login.password), ("bce_device", None));
        apply("own", PasswordHash::new(b"sixteen letters!").unwrap().to_bytes()).unwrap();
        let login = devices.login(&id).unwrap();
        assert_eq!(login.account(), "own");
        assert!(login.password.unwrap().accepts(b"sixteen letters!"));

        assert_eq!(apply("", b"plain text".to_vec()), Err(RecordError::Password));
        let locked = devices.login(&id).unwrap().password.unwrap();
        assert!(!locked.accepts(b"plain text") && !locked.accepts(b""));
    }

    #[test]
    fn a_device_without_anything_of_its_own_is_small() {
        assert!(size_of::<DeviceId>() + size_of::<Entry>() <= 48);
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
        assert!(matches!(devices.apply(b"a/b", None), Err(RecordError::Key)));
    }
}
