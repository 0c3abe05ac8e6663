//! The registry as the frontend reads it: devices, and whether they are all known yet.

use std::sync::Arc;

use fleetwire_model::DeviceId;
use fleetwire_registry::{Changes, Device, Devices, Login};
use tokio::sync::watch;

/// The registry's devices with the state of the first catch-up. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Directory {
    devices: Arc<Devices>,
    caught_up: watch::Receiver<bool>,
}

impl Directory {
    /// A directory over the registry's view.
    pub fn new(devices: Arc<Devices>, caught_up: watch::Receiver<bool>) -> Self {
        Self { devices, caught_up }
    }

    /// The device, if a person registered it.
    pub fn get(&self, device: &DeviceId) -> Option<Device> {
        self.devices.get(device)
    }

    /// What decides whether the device may come in, if a person registered it.
    pub fn login(&self, device: &DeviceId) -> Option<Login> {
        self.devices.login(device)
    }

    /// The devices that change from now on, at most `capacity` of them waiting.
    pub fn watch(&self, capacity: usize) -> Changes {
        self.devices.watch(capacity)
    }

    /// Whether the first catch-up is done: before it, an activated device may look unknown.
    pub fn is_caught_up(&self) -> bool {
        *self.caught_up.borrow()
    }
}
