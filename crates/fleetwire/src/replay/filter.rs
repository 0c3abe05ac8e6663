//! Which devices a replay is about.

use std::sync::Arc;

use anyhow::Result;
use fleetwire_model::DeviceId;
use fleetwire_model::pb::RawPublish;
use fleetwire_registry::{Catalogue, Devices};
use prost::Message as _;

use crate::process::Usage;

/// Devices by id and by model; everything if neither is given.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    device: Option<String>,
    model: Option<String>,
    devices: Option<Arc<Devices>>,
}

impl Filter {
    /// Checks that there can be such a device and such a model.
    pub(crate) fn new(device: Option<&str>, model: Option<&str>, models: Catalogue) -> Result<Self> {
        if let Some(device) = device {
            device.parse::<DeviceId>().map_err(|err| Usage(format!("--device {device}: {err}")))?;
        }
        if let Some(model) = model.filter(|model| models.get(model).is_none()) {
            let known: Vec<&str> = models.all().iter().map(|model| model.id).collect();
            return Err(Usage(format!("no model is called `{model}`; known are {}", known.join(", "))).into());
        }
        let (device, model) = (device.map(str::to_owned), model.map(str::to_owned));
        Ok(Self { device, model, devices: None })
    }

    /// Everything is wanted.
    pub(crate) fn everything() -> Self {
        Self { device: None, model: None, devices: None }
    }

    /// The same, knowing which model a device has.
    pub(crate) fn by(self, devices: Arc<Devices>) -> Self {
        Self { devices: Some(devices), ..self }
    }

    /// Whether a raw record may hold something that is wanted. Its key is the device, or a client that speaks for
    /// many: then only the outputs tell.
    pub(crate) fn wants_raw(&self, key: &[u8], value: &[u8]) -> bool {
        self.wants(key) || RawPublish::decode(value).is_ok_and(|raw| raw.device_id.is_empty())
    }

    /// Whether something of this device, which is the key of outputs, is wanted.
    pub(crate) fn wants(&self, key: &[u8]) -> bool {
        if self.device.is_none() && self.model.is_none() {
            return true;
        }
        let Ok(id) = std::str::from_utf8(key) else { return false };
        self.device.as_deref().is_none_or(|device| device == id)
            && self.model.as_deref().is_none_or(|model| self.model_of(id) == Some(model))
    }

    fn model_of(&self, device: &str) -> Option<&'static str> {
        let id: DeviceId = device.parse().ok()?;
        self.devices.as_ref()?.get(&id).map(|device| device.model.id)
    }
}
