//! The view: both topics in memory.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use fleetwire_model::pb::{self, DeviceState, FrontendAlive, Session};
use fleetwire_model::{DeviceId, Imei};
use prost::{DecodeError, Message as _};

use crate::frontends::{Frontends, Heard};
use crate::pack::{Packed, PackedSession};
use crate::progress::Progress;
use crate::words::Words;

/// What is known of one device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceView {
    /// Its last session; absent if it never had one.
    pub session: Option<pb::Session>,
    /// Whether the session is connected and its frontend's run is alive.
    pub connected: bool,
    /// What it last reported; absent if nothing was.
    pub state: Option<pb::DeviceState>,
}

/// Where devices are connected, and what they last reported. Read and written from any thread.
#[derive(Debug)]
pub struct States {
    inner: RwLock<Inner>,
    max_devices: usize,
    /// How far the topic of device states has been read.
    pub(crate) progress: Progress,
}

/// Why a record of one of the topics cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
    /// Its key is no device's.
    #[error("its key is no device id")]
    Key,
    /// Its value is not what the topic holds.
    #[error(transparent)]
    Value(#[from] DecodeError),
    /// As many devices as may be are in memory.
    #[error("max_devices is reached")]
    Full,
}

#[derive(Debug, Default)]
struct Inner {
    imeis: HashMap<u64, Box<[u8]>>,
    others: HashMap<DeviceId, Box<[u8]>>,
    frontends: Frontends,
    words: Words,
}

impl States {
    /// An empty view that keeps at most so many devices.
    pub fn new(max_devices: usize) -> Self {
        Self { inner: RwLock::default(), max_devices, progress: Progress::default() }
    }

    /// What is known of a device.
    pub fn get(&self, id: &DeviceId) -> DeviceView {
        let inner = self.read();
        let Some(packed) = inner.packed(id) else { return DeviceView::default() };
        let is_connected = |session: &PackedSession| {
            session.connected && inner.frontends.is_alive(session.frontend, Instant::now())
        };
        DeviceView {
            connected: packed.session.as_ref().is_some_and(is_connected),
            session: packed.session.as_ref().map(|it| it.unpack(id.as_str(), &inner.frontends, &inner.words)),
            state: packed.device_state(id.as_str()),
        }
    }

    /// What a device last reported.
    pub(crate) fn state(&self, id: &DeviceId) -> Option<DeviceState> {
        self.read().packed(id)?.device_state(id.as_str())
    }

    /// Devices that are connected now.
    pub fn connected(&self) -> usize {
        self.read().frontends.connected(Instant::now())
    }

    /// Devices in memory.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether nothing is known of any device.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Frontends that are alive.
    pub(crate) fn frontends(&self) -> usize {
        self.read().frontends.alive(Instant::now())
    }

    /// Takes in a record of the sessions topic.
    pub(crate) fn apply_session(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        heard: Heard,
    ) -> Result<(), RecordError> {
        let key = std::str::from_utf8(key).map_err(|_| RecordError::Key)?;
        if let Some(frontend_id) = key.strip_prefix('@') {
            let word = value.map(FrontendAlive::decode).transpose()?;
            let mut inner = self.write();
            match &word {
                Some(word) => inner.frontends.heard(word, heard),
                None => inner.frontends.forget(frontend_id),
            }
            return Ok(());
        }
        let device = key.parse::<DeviceId>().map_err(|_| RecordError::Key)?;
        let session = value.map(Session::decode).transpose()?;
        self.write().set_session(&device, session.as_ref(), self.max_devices)
    }

    /// Takes in a record of the topic of device states.
    pub(crate) fn apply_state(&self, key: &[u8], value: Option<&[u8]>) -> Result<(), RecordError> {
        let key = std::str::from_utf8(key).map_err(|_| RecordError::Key)?;
        let device = key.parse::<DeviceId>().map_err(|_| RecordError::Key)?;
        let state = value.map(DeviceState::decode).transpose()?;
        let state = state.map(|state| DeviceState { device_id: String::new(), ..state }.encode_to_vec());
        let mut inner = self.write();
        let before = inner.packed(&device);
        let session = before.and_then(|before| before.session);
        inner.put(&device, &Packed { session, state }, self.max_devices)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // A panic elsewhere leaves at worst one device as it was.
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn packed(&self, id: &DeviceId) -> Option<Packed> {
        let bytes = match id.imei() {
            Some(imei) => self.imeis.get(&imei.number()),
            None => self.others.get(id),
        };
        bytes.map(|bytes| Packed::read(bytes))
    }

    fn len(&self) -> usize {
        self.imeis.len() + self.others.len()
    }

    fn set_session(
        &mut self,
        id: &DeviceId,
        session: Option<&Session>,
        max: usize,
    ) -> Result<(), RecordError> {
        let before = self.packed(id);
        let is_new = before.is_none();
        let mut packed = before.unwrap_or_default();
        let newer = |(old, new): (&PackedSession, &Session)| old.epoch > new.epoch;
        if packed.session.as_ref().zip(session).is_some_and(newer) {
            // A late record of an older session.
            return Ok(());
        }
        if is_new && session.is_some() && self.len() >= max {
            return Err(RecordError::Full);
        }
        let old = packed.session.take();
        if let Some(session) = session {
            // First in, then out: a run that has only this session keeps its place.
            let frontend = self.frontends.enter(session);
            let new = PackedSession::pack(session, frontend, &mut self.words);
            if new.connected {
                self.frontends.connect(frontend);
            }
            packed.session = Some(new);
        }
        if let Some(old) = old {
            if old.connected {
                self.frontends.disconnect(old.frontend);
            }
            self.frontends.leave(old.frontend);
        }
        self.put(id, &packed, max)
    }

    fn put(&mut self, id: &DeviceId, packed: &Packed, max: usize) -> Result<(), RecordError> {
        let imei = id.imei().map(Imei::number);
        if packed.session.is_none() && packed.state.is_none() {
            match imei {
                Some(imei) => self.imeis.remove(&imei),
                None => self.others.remove(id),
            };
            return Ok(());
        }
        let is_known =
            imei.map_or_else(|| self.others.contains_key(id), |imei| self.imeis.contains_key(&imei));
        if !is_known && self.len() >= max {
            return Err(RecordError::Full);
        }
        let bytes = packed.write();
        match imei {
            Some(imei) => self.imeis.insert(imei, bytes),
            None => self.others.insert(id.clone(), bytes),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests;
