//! NGP, the Navixy Generic Protocol: one JSON object per message, on the topic `ngp/<device_id>`.
//!
//! `message_time` and `device_id` are required, everything else is optional, and any member without a meaning of
//! its own is a custom attribute. A member that does not fit its field (another type, out of range) is kept as an
//! attribute, so that no message fails for it and nothing is lost. Versions, fields and event ids are listed in
//! `docs/protocols/ngp.md`.

mod event;
mod explain;
mod fields;
mod json;
mod lists;
mod location;
mod message;
mod options;
mod rest;

pub use explain::explain;
pub use options::{FuelLevelUnit, Options, UnknownVersion};

use crate::{Attribute, DecodeError, Decoded, Input};
use json::Raw;
use message::Message;

/// Appends what the message holds to `out`: a position, and an event beside it where `event_id` tells of more than
/// a point of a track. An error appends nothing.
pub fn decode(input: Input<'_>, options: &Options, out: &mut Decoded) -> Result<(), DecodeError> {
    let mut scratch = std::mem::take(&mut out.scratch);
    let outcome =
        json::object(input.payload, &mut scratch.nodes).and_then(|root| message(root, input, options, out));
    out.scratch = scratch;
    outcome
}

fn message(root: Raw<'_>, input: Input<'_>, options: &Options, out: &mut Decoded) -> Result<(), DecodeError> {
    let position = out.blank_position();
    let message = Message::read(root, options, position);
    let device = message.sender(input.topic, options)?;
    let (time, event) = message.finish(options, position)?;
    let span = 0..input.payload.len();
    out.keep_position(Some(device.clone()), span.clone());
    if let Some(code) = event {
        let event = out.blank_event();
        event.device_time_ms = Some(time);
        event.code = Some(code);
        if let Some(name) = event::name(code) {
            event.attributes.put("event_name", Attribute::Text(name));
        }
        // Not the position's bytes, because of which a reader that drops repeats would drop one of the two.
        out.keep_event(Some(device), 1..span.end);
    }
    Ok(())
}
