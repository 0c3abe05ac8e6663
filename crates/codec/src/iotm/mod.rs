//! IOTM, the payload of Xirgo Global (formerly BCE) devices over MQTT.
//!
//! ```text
//! payload  = version:u8 (= 2)  record*  checksum:u8
//! record   = type:u8  length:u16  body[length]
//! checksum = sum of all bytes before it, modulo 256
//! ```
//!
//! Integers are little-endian. A telemetry record (type 1) is a time and items, and the value type of an
//! item alone says how wide it is; devices send every number in the smallest type that holds it. There is
//! no public specification of the whole: what is known, how well, and what each sensor becomes is listed
//! in `docs/protocols/iotm.md`.

mod attribute;
mod container;
mod event;
mod explain;
mod fix;
mod names;
mod options;
pub mod output;
mod scale;
mod sensors;
mod telemetry;
mod value;
pub mod write;

pub use explain::explain;
pub(crate) use explain::looks_like;
pub use options::{IgnitionRule, NoFixRule, Options};
pub use scale::{Profile, SensorId};
pub use value::{Gps, Value};

pub use crate::{Scale, Target};

use fleetwire_model::pb::Quality;
use fleetwire_model::{DeviceId, Imei};

use crate::{DecodeError, Decoded, Skipped, SkippedKind};
use container::{Container, RawRecord};

/// Record of items at one instant.
pub const TELEMETRY: u8 = 1;
/// Record with the IMEI of the records after it.
pub const IMEI: u8 = 2;
/// Record of one event.
pub const EVENT: u8 = 3;
/// Record with a command to a device.
pub const OUTPUT_CONTROL: u8 = 4;

/// Appends what the payload holds to `out`; an error appends nothing.
pub fn decode(payload: &[u8], options: &Options, out: &mut Decoded) -> Result<(), DecodeError> {
    let container = Container::parse(payload)?;
    let checksum_is_wrong = match container.verify() {
        Ok(()) => false,
        Err(error) if !options.accept_bad_checksum => return Err(error),
        Err(_) => true,
    };
    let mut device = None;
    for record in container.records() {
        let kept = match record.record_type {
            IMEI => {
                device = imei(&record);
                continue;
            }
            TELEMETRY => {
                let position = out.blank_position();
                let read = telemetry::decode(record.body, options, position);
                if checksum_is_wrong {
                    position.quality.insert(Quality::Checksum);
                }
                if read {
                    out.keep_position(device.clone(), record.span());
                }
                read
            }
            EVENT => {
                let event = out.blank_event();
                let read = event::decode(record.body, event);
                if checksum_is_wrong {
                    event.quality.insert(Quality::Checksum);
                }
                if read {
                    out.keep_event(device.clone(), record.span());
                }
                read
            }
            _ => false,
        };
        if !kept {
            out.skipped.push(skipped(&record));
        }
    }
    Ok(())
}

fn imei(record: &RawRecord<'_>) -> Option<DeviceId> {
    let number = u64::from_le_bytes(*record.body.first_chunk()?);
    Imei::from_number(number).ok().map(DeviceId::from)
}

fn skipped(record: &RawRecord<'_>) -> Skipped {
    let kind = match record.record_type {
        OUTPUT_CONTROL => SkippedKind::Command,
        _ => SkippedKind::Unknown,
    };
    Skipped { kind, record_type: record.record_type, span: record.span() }
}
