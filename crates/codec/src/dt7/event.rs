//! Event structures: function, event, and four letters that name the firmware; older firmware sends none. What the
//! pairs of function and event mean is not public; they are passed on as numbers.

use crate::Event;

/// Fills in the event of a structure's body, whose two codes the frame has checked to be there.
pub(super) fn decode(body: &[u8], event: &mut Event) {
    if let Some((&[function, code], tag)) = body.split_first_chunk() {
        event.function = Some(function.into());
        event.code = Some(code.into());
        event.text.push_str(&String::from_utf8_lossy(tag));
    }
}
