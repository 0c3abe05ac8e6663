//! Event records: time, function, event, and the firmware revision as text. What the pairs of function and
//! event mean is not public; they are passed on as numbers.

use crate::Event;

/// Fills in the event of a record's body; false if it is too short to be one.
pub(super) fn decode(body: &[u8], event: &mut Event) -> bool {
    let Some((time, rest)) = body.split_first_chunk() else { return false };
    let Some((&[function, code], text)) = rest.split_first_chunk() else { return false };
    event.device_time_ms = Some(milliseconds(*time));
    event.function = Some(function.into());
    event.code = Some(code.into());
    event.text.push_str(&String::from_utf8_lossy(text));
    true
}

/// The time at the head of a record, which is seconds since 1970 UTC, as milliseconds.
pub(super) const fn milliseconds(seconds: [u8; 4]) -> i64 {
    u32::from_le_bytes(seconds) as i64 * 1000
}
