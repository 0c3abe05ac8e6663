//! DT7, the older binary format of BCE devices, as the payload of one MQTT message.
//!
//! ```text
//! payload   = imei:u64  block+  checksum:u8
//! block     = length:u16  service:u8  key:u8  data[length - 2]
//! data      = structure*                       (services 0xA5 and 0xA0)
//! structure = length:u8  word:u32  body[length - 4]
//! word      = data type (low 4 bits), count of 2-second ticks since 2008-01-01 UTC (upper 28 bits)
//! checksum  = sum of all bytes before it, modulo 256
//! ```
//!
//! Integers are little-endian. A structure of type 7 is masks and the fields that their bits name, whose widths
//! are known by bit; one of type 6 is an event. What is known, how well, and what each field becomes is listed in
//! `docs/protocols/dt7.md`. Here is no TCP: no preamble, no search for the end of a packet in a stream, and no
//! confirmation of service 0xA5, which over MQTT the PUBACK stands for.

mod answer;
mod event;
mod explain;
mod field;
mod fix;
mod frame;
mod group;
mod mask;
mod options;
mod record;
mod time;

pub use explain::explain;
pub(crate) use explain::fits;
pub use options::{Adc, InputNumber, NoFixRule, Options, Profile, Reading};

use fleetwire_model::DeviceId;
use fleetwire_model::pb::Quality;

use crate::{DecodeError, Decoded, Input, Skipped, SkippedKind};
use frame::{Block, Packet, Structure};

/// Service of a block with stored records, which over TCP asks for a confirmation.
pub const STORED: u8 = 0xA5;
/// Service of a block with records that a timer sent.
pub const TIMED: u8 = 0xA0;
/// Service of a server's confirmation.
pub const CONFIRM: u8 = 0x19;
/// Service of a command to a device.
pub const OUTPUT_CONTROL: u8 = 0x41;
/// Service of the answer to a command.
pub const ANSWER: u8 = 0xC1;
/// Data type of an event.
pub const EVENT: u8 = 6;
/// Data type of masks and fields.
pub const FIELDS: u8 = 7;

/// Appends what the payload holds to `out`; an error appends nothing.
pub fn decode(input: Input<'_>, options: &Options, out: &mut Decoded) -> Result<(), DecodeError> {
    let packet = Packet::parse(input.payload)?;
    let checksum_is_wrong = match packet.verify() {
        Ok(()) => false,
        Err(error) if !options.accept_bad_checksum => return Err(error),
        Err(_) => true,
    };
    let mut message =
        Message { input, options, checksum_is_wrong, device: DeviceId::from(packet.imei()), out };
    for block in packet.blocks() {
        match block.service {
            STORED | TIMED => {
                for structure in block.structures() {
                    message.structure(&structure);
                }
            }
            ANSWER => message.answer(&block),
            CONFIRM | OUTPUT_CONTROL => message.skip(SkippedKind::Command, &block),
            _ => message.skip(SkippedKind::Unknown, &block),
        }
    }
    Ok(())
}

/// What all records of one payload share.
struct Message<'a, 'o> {
    input: Input<'a>,
    options: &'a Options,
    checksum_is_wrong: bool,
    device: DeviceId,
    out: &'o mut Decoded,
}

impl Message<'_, '_> {
    fn structure(&mut self, structure: &Structure<'_>) {
        let time = time::unix_ms(structure.ticks(), self.input.received_ms);
        match structure.data_type() {
            FIELDS => {
                let position = self.out.blank_position();
                position.device_time_ms = Some(time);
                if self.checksum_is_wrong {
                    position.quality.insert(Quality::Checksum);
                }
                record::decode(structure.body, self.options, position);
                self.out.keep_position(Some(self.device.clone()), structure.span());
            }
            EVENT => {
                let event = self.out.blank_event();
                event.device_time_ms = Some(time);
                if self.checksum_is_wrong {
                    event.quality.insert(Quality::Checksum);
                }
                event::decode(structure.body, event);
                self.out.keep_event(Some(self.device.clone()), structure.span());
            }
            record_type => {
                let kind = SkippedKind::Unknown;
                self.out.skipped.push(Skipped { kind, record_type, span: structure.span() });
            }
        }
    }

    fn answer(&mut self, block: &Block<'_>) {
        let event = self.out.blank_event();
        if !answer::decode(block, event) {
            return self.skip(SkippedKind::Answer, block);
        }
        if self.checksum_is_wrong {
            event.quality.insert(Quality::Checksum);
        }
        self.out.keep_event(Some(self.device.clone()), block.span());
    }

    fn skip(&mut self, kind: SkippedKind, block: &Block<'_>) {
        self.out.skipped.push(Skipped { kind, record_type: block.service, span: block.span() });
    }
}
