//! The view: both topics in memory.

use fleetwire_model::DeviceId;
use fleetwire_model::pb;

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

/// Where devices are connected, and what they last reported.
#[derive(Debug)]
pub struct States {
    max_devices: usize,
}

impl States {
    /// An empty view that keeps at most so many devices.
    pub fn new(max_devices: usize) -> Self {
        Self { max_devices }
    }

    /// What is known of a device.
    pub fn get(&self, _id: &DeviceId) -> DeviceView {
        let _max = self.max_devices;
        DeviceView::default()
    }

    /// Devices that are connected now.
    pub fn connected(&self) -> usize {
        0
    }
}
