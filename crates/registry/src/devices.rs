//! The devices that a person activated, in memory, as every service sees them.
//!
//! Made for many: a device that is an IMEI and has nothing of its own takes 8 bytes in a table. Names, labels and all
//! else that only people read is not kept here.

mod changes;
mod entry;
mod key;
mod record;
mod table;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};

use compact_str::CompactString;
use dashmap::{DashMap, Entry as Place};
use fleetwire_model::DeviceId;
use fleetwire_model::pb::DeviceStatus;

use self::changes::Feed;
use self::entry::{Entry, Own, Packed};
use self::key::Key;
use self::record::RecordView;
use self::table::Table;
use crate::catalogue::{Catalogue, Model};
use crate::password::PasswordHash;

pub use self::changes::{Changes, Notice};
pub use self::record::RecordError;

/// What a service needs to know of an activated device.
#[derive(Debug, Clone, Copy)]
pub struct Device {
    /// Its model.
    pub model: &'static Model,
    /// Whether it is served.
    pub status: DeviceStatus,
    /// Whether publishes of it are still held, which have to be released before newer ones.
    pub release_pending: bool,
}

impl Device {
    /// Whether its publishes are decoded.
    pub fn is_active(&self) -> bool {
        self.status == DeviceStatus::Active
    }

    /// Whether its publishes go to the raw topic: it is active, and nothing of it is held.
    pub fn is_direct(&self) -> bool {
        self.is_active() && !self.release_pending
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

/// What a record changed. Where both are the same, it is the device's own account or password that changed.
#[derive(Debug, Clone, Copy)]
pub struct Changed {
    /// The device before, if it was registered.
    pub before: Option<Device>,
    /// The device now, if it is registered.
    pub after: Option<Device>,
}

/// All devices by id.
#[derive(Debug)]
pub struct Devices {
    imeis: Table,
    others: DashMap<DeviceId, Packed>,
    /// What few devices have. Written while the device's entry is locked, so that the two are always of one record.
    own: DashMap<DeviceId, Own>,
    len: AtomicUsize,
    catalogue: Catalogue,
    feed: Feed,
}

/// None yet, of the models that are built in.
impl Default for Devices {
    fn default() -> Self {
        Self::new(Catalogue::built_in())
    }
}

impl Devices {
    /// None yet, of the models of a catalogue.
    pub fn new(catalogue: Catalogue) -> Self {
        Self {
            imeis: Table::new(),
            others: DashMap::new(),
            own: DashMap::new(),
            len: AtomicUsize::new(0),
            catalogue,
            feed: Feed::default(),
        }
    }

    /// The models that devices may be of.
    pub const fn catalogue(&self) -> Catalogue {
        self.catalogue
    }

    /// The device, if a person registered it.
    pub fn get(&self, id: &DeviceId) -> Option<Device> {
        let packed = match id.imei() {
            Some(imei) => self.imeis.get(imei)?,
            None => *self.others.get(id)?,
        };
        packed.device(self.catalogue)
    }

    /// What decides whether the device may come in, if a person registered it.
    pub fn login(&self, id: &DeviceId) -> Option<Login> {
        // The entry stays locked while what the device has of its own is read.
        match id.imei() {
            Some(imei) => self.imeis.read(imei, |packed| self.login_of(id, packed))?,
            None => self.login_of(id, *self.others.get(id)?),
        }
    }

    fn login_of(&self, id: &DeviceId, packed: Packed) -> Option<Login> {
        let device = packed.device(self.catalogue)?;
        if !packed.has_own() {
            return Some(Login { device, account: None, password: None });
        }
        let own = self.own.get(id)?;
        Some(Login { device, account: own.account.clone(), password: own.password })
    }

    /// How many are registered.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Bytes of the tables, with what is free in them; without account names of more than 24 bytes.
    pub fn table_bytes(&self) -> usize {
        // A table of the standard library's kind fills seven of eight places at most, and has a byte more for each.
        let places = |capacity: usize| capacity * 8 / 7;
        let others = places(self.others.capacity()) * (size_of::<(DeviceId, Packed)>() + 1);
        let own = places(self.own.capacity()) * (size_of::<(DeviceId, Own)>() + 1);
        self.imeis.bytes() + others + own
    }

    /// Whether none is registered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The devices that change from now on, at most `capacity` of them waiting. The first notice is
    /// [`Notice::Everything`], so that nothing from before is missed.
    pub fn watch(&self, capacity: usize) -> Changes {
        self.feed.watch(capacity)
    }

    /// Takes one record of the registry topic: a `Device`, or a tombstone. Says what it changed, if that is anything
    /// that is kept here. A record that cannot be used leaves an earlier one of the same device in force only if it is
    /// not newer: an unusable newer record removes the device, because serving it under rules that were replaced would
    /// be wrong. One whose password cannot be read stays, and no password opens it.
    pub fn apply(&self, key: &[u8], value: Option<&[u8]>) -> Result<Option<Changed>, RecordError> {
        let id = Key::parse(key).ok_or(RecordError::Key)?;
        let (entry, problem) = match value.map(|value| self.read(key, value)) {
            None => (None, None),
            Some(Ok((entry, problem))) => (Some(entry), problem),
            Some(Err(error)) => (None, Some(error)),
        };
        let changed = match &id {
            Key::Imei(imei) => self.imeis.change(*imei, |before| self.replace(before, &id, entry)).flatten(),
            Key::Other(other) => self.change_other(other, |before| self.replace(before, &id, entry)),
        };
        if changed.is_some() {
            self.feed.tell(|| id.to_id());
        }
        problem.map_or(Ok(changed), Err)
    }

    /// The entry of a record, and what is wrong with it although it can be used.
    fn read(&self, key: &[u8], value: &[u8]) -> Result<(Entry, Option<RecordError>), RecordError> {
        let record = RecordView::read(value)?;
        if record.device_id.as_bytes() != key {
            return Err(RecordError::Mismatch);
        }
        Entry::new(&record, self.catalogue)
    }

    /// As [`Table::change`], for a device that is no IMEI.
    fn change_other<T>(
        &self,
        id: &DeviceId,
        change: impl FnOnce(Option<Packed>) -> (Option<Packed>, T),
    ) -> T {
        match self.others.entry(id.clone()) {
            Place::Occupied(mut place) => {
                let (after, outcome) = change(Some(*place.get()));
                match after {
                    Some(packed) => *place.get_mut() = packed,
                    None => {
                        place.remove();
                    }
                }
                outcome
            }
            Place::Vacant(place) => {
                let (after, outcome) = change(None);
                if let Some(packed) = after {
                    place.insert(packed);
                }
                outcome
            }
        }
    }

    /// What takes the place of what was kept of a device, and what that changes. The device's place is locked.
    fn replace(
        &self,
        before: Option<Packed>,
        id: &Key,
        entry: Option<Entry>,
    ) -> (Option<Packed>, Option<Changed>) {
        let (after, own) = entry.map_or((None, None), |entry| (Some(entry.packed), entry.own));
        let own_changed = self.set_own(id, before.is_some_and(Packed::has_own), own);
        match (before, after) {
            (None, Some(_)) => self.len.fetch_add(1, Ordering::Relaxed),
            (Some(_), None) => self.len.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
        let device = |packed: Option<Packed>| packed.and_then(|packed| packed.device(self.catalogue));
        let changed = (before != after || own_changed)
            .then(|| Changed { before: device(before), after: device(after) });
        (after, changed)
    }

    /// Sets what a device has of its own; whether that is another than before.
    fn set_own(&self, id: &Key, had: bool, own: Option<Own>) -> bool {
        match own {
            Some(own) => {
                let id = id.to_id();
                let same = self.own.get(&id).is_some_and(|before| *before == own);
                if !same {
                    self.own.insert(id, own);
                }
                !same
            }
            None if had => self.own.remove(&id.to_id()).is_some(),
            None => false,
        }
    }
}
