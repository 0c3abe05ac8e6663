//! Event records: time, function, event, and the firmware revision as text. What the pairs of function and
//! event mean is not public; they are passed on as numbers.

use fleetwire_model::pb::DeviceEvent;
use prost_types::Timestamp;

/// The event of a record's body; `None` if it is too short to be one.
pub(super) fn decode(body: &[u8]) -> Option<DeviceEvent> {
    let (time, rest) = body.split_first_chunk()?;
    let (&[function, code], text) = rest.split_first_chunk()?;
    Some(DeviceEvent {
        device_time: Some(seconds(*time)),
        function: Some(function.into()),
        code: Some(code.into()),
        text: String::from_utf8_lossy(text).into_owned(),
        ..DeviceEvent::default()
    })
}

/// The time at the head of a record: seconds since 1970, UTC.
pub(super) const fn seconds(bytes: [u8; 4]) -> Timestamp {
    Timestamp { seconds: u32::from_le_bytes(bytes) as i64, nanos: 0 }
}
