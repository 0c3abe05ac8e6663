//! One device event on its way: what a protocol fills, and how it is written as the device's part of a `DeviceEvent`.

use fleetwire_model::wire;

use crate::attributes::Attributes;
use crate::position::QualitySet;

/// The device's part of a `DeviceEvent`; the contract documents each field.
#[derive(Debug, Clone)]
pub struct Event {
    /// Time in the record, Unix milliseconds.
    pub device_time_ms: Option<i64>,
    /// The protocol's function number.
    pub function: Option<u32>,
    /// The protocol's event number.
    pub code: Option<u32>,
    /// Text that came with it.
    pub text: String,
    /// Everything else.
    pub attributes: Attributes,
    /// What to know before trusting it.
    pub quality: QualitySet,
}

/// Number of the field of the attributes.
const ATTRIBUTES: u32 = 11;

impl Default for Event {
    fn default() -> Self {
        Self {
            device_time_ms: None,
            function: None,
            code: None,
            text: String::new(),
            attributes: Attributes::new(ATTRIBUTES),
            quality: QualitySet::default(),
        }
    }
}

impl Event {
    /// Forgets everything and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.device_time_ms = None;
        self.function = None;
        self.code = None;
        self.text.clear();
        self.attributes.clear();
        self.quality = QualitySet::default();
    }

    /// Appends the device's part of the event.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if let Some(ms) = self.device_time_ms {
            wire::timestamp(out, 6, ms);
        }
        for (field, number) in [(8, self.function), (9, self.code)] {
            if let Some(number) = number {
                wire::some_number(out, field, number.into());
            }
        }
        wire::text(out, 10, &self.text);
        out.extend_from_slice(self.attributes.as_bytes());
        self.quality.write(out, 14);
    }
}
