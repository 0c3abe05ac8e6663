//! The model catalogue: how each model connects and which protocol it speaks.

use fleetwire_codec::Protocol;

/// A device model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Key of the catalogue, for example "xirgo-fms500-light-iotm".
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// Account under which it connects.
    pub account: &'static str,
    /// Protocol of its payloads.
    pub protocol: Protocol,
}

/// The models that the platform's setup pages list. All of them speak IOTM; the names are the vendor's.
const BUILT_IN: &[Model] = &[
    iotm("xirgo-fms500-light-iotm", "Xirgo Global (BCE) FMS500 Light IOTM"),
    iotm("xirgo-fms500-light-plus-iotm", "Xirgo Global (BCE) FMS500 Light+ IOTM"),
    iotm("xirgo-fms500-stcan-iotm", "Xirgo Global (BCE) FMS500 StCAN MQTT"),
    iotm("xirgo-lx41", "Xirgo Global LX41"),
    iotm("xirgo-lx42", "Xirgo Global LX42"),
    iotm("xirgo-xg37", "Xirgo Global XG37"),
    iotm("xirgo-xg40", "Xirgo Global XG40"),
    iotm("xirgo-gx47", "Xirgo Global GX47"),
];

const fn iotm(id: &'static str, name: &'static str) -> Model {
    Model { id, name, account: "bce_device", protocol: Protocol::Iotm }
}

/// All models.
#[derive(Debug, Clone, Copy, Default)]
pub struct Catalogue;

impl Catalogue {
    /// The model of devices that no person gave one, in simulations and demonstrations.
    pub const DEFAULT: &'static str = "xirgo-fms500-light-iotm";

    /// The model with this key.
    pub fn get(self, id: &str) -> Option<&'static Model> {
        BUILT_IN.iter().find(|model| model.id == id)
    }

    /// Every model.
    pub fn all(self) -> &'static [Model] {
        BUILT_IN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_is_found_by_its_key_and_keys_are_unique() {
        for model in Catalogue.all() {
            assert_eq!(Catalogue.get(model.id), Some(model));
        }
        assert!(Catalogue.get(Catalogue::DEFAULT).is_some());
        assert!(Catalogue.get("toaster").is_none());
    }
}
