//! Answers to output control: which output, and which command of the server. They become events, so that a sender
//! of commands sees them; they hold no time.

use fleetwire_model::pb::Quality;

use super::frame::Block;
use crate::{Attribute, Event};

/// Attribute with the output that the command named.
pub(super) const OUTPUT_ID: &str = "output_id";
/// Attribute with the number that the command had.
pub(super) const UNIQUE_ID: &str = "unique_id";

/// Fills in the event of an answer; false if it is too short to be one. Bytes after it are kept.
pub(super) fn decode(block: &Block<'_>, event: &mut Event) -> bool {
    let Some((&unique_id, rest)) = block.data.split_first() else { return false };
    event.attributes.put(OUTPUT_ID, Attribute::Uint(block.key.into()));
    event.attributes.put(UNIQUE_ID, Attribute::Uint(unique_id.into()));
    if !rest.is_empty() {
        event.quality.insert(Quality::PartialRecord);
        event.attributes.put("undecoded", Attribute::Bytes(rest));
    }
    true
}
