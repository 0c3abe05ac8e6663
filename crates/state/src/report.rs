//! A position as the projector reads it: the few fields that it needs, in place.

use fleetwire_model::pb::{FixType, Quality};
use fleetwire_model::wire::{Field, Fields, WireError, read_timestamp};

/// Lines of one record that are looked at; devices have a handful.
pub(crate) const MAX_LINES: usize = 32;

/// The fields of a `PositionEvent` that a device's state is made of, without copying them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Report<'a> {
    pub(crate) device_id: &'a str,
    /// When it was so, Unix milliseconds: by the device's clock, or, where that is ahead or silent, when it was received.
    pub(crate) time_ms: i64,
    pub(crate) received_ms: i64,
    /// The `Fix` as it lies in the record.
    pub(crate) fix: Option<&'a [u8]>,
    pub(crate) fix_type: FixType,
    pub(crate) ignition: Option<bool>,
    /// Digital outputs.
    pub(crate) outputs: Vec<(u32, bool)>,
}

/// Why a Kafka value is no `PositionEvent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReportError {
    /// It is no protobuf message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Its device id is no text.
    #[error("its device id is no UTF-8")]
    Text,
}

impl<'a> Report<'a> {
    /// Reads a Kafka value. A field of a type that is not the contract's is passed by, as an unknown one.
    pub(crate) fn read(value: &'a [u8]) -> Result<Self, ReportError> {
        let mut report = Self::default();
        let (mut device_ms, mut received_ms, mut is_ahead) = (None, None, false);
        for field in Fields::new(value) {
            match field? {
                (3, Field::Bytes(text)) => {
                    report.device_id = std::str::from_utf8(text).map_err(|_| ReportError::Text)?;
                }
                (6, Field::Bytes(time)) => device_ms = Some(read_timestamp(time)?),
                (8, Field::Bytes(time)) => received_ms = Some(read_timestamp(time)?),
                (10, Field::Bytes(fix)) => {
                    report.fix = Some(fix);
                    report.fix_type = fix_type(fix)?;
                }
                (11, Field::Varint(on)) => report.ignition = Some(on != 0),
                (14, Field::Bytes(output)) if report.outputs.len() < MAX_LINES => {
                    report.outputs.push(line(output)?);
                }
                (31, Field::Varint(flag)) => is_ahead |= flag == AHEAD,
                (31, Field::Bytes(flags)) => is_ahead |= flags.iter().any(|flag| u64::from(*flag) == AHEAD),
                _ => {}
            }
        }
        report.received_ms = received_ms.unwrap_or(0);
        // A clock that is ahead would make everything that comes after it late, for as long as it was ahead.
        report.time_ms = device_ms.filter(|_| !is_ahead).or(received_ms).unwrap_or(0);
        Ok(report)
    }
}

const AHEAD: u64 = Quality::ClockInFuture as u64;

fn fix_type(fix: &[u8]) -> Result<FixType, WireError> {
    let mut found = FixType::Unspecified;
    for field in Fields::new(fix) {
        if let (1, Field::Varint(number)) = field? {
            // A type that is not known yet is a fix of some kind.
            found =
                i32::try_from(number).ok().and_then(|it| FixType::try_from(it).ok()).unwrap_or(FixType::Fix);
        }
    }
    Ok(found)
}

/// A `DigitalLine`.
fn line(message: &[u8]) -> Result<(u32, bool), WireError> {
    let (mut number, mut is_on) = (0, false);
    for field in Fields::new(message) {
        match field? {
            (1, Field::Varint(found)) => number = u32::try_from(found).unwrap_or(u32::MAX),
            (2, Field::Varint(found)) => is_on = found != 0,
            _ => {}
        }
    }
    Ok((number, is_on))
}

#[cfg(test)]
mod tests {
    use fleetwire_model::pb::{DigitalLine, Fix, PositionEvent};
    use fleetwire_model::time::from_unix_ms;
    use prost::Message as _;

    use super::*;

    fn event() -> PositionEvent {
        PositionEvent {
            device_id: "867035046242895".into(),
            device_time: Some(from_unix_ms(1000)),
            received_time: Some(from_unix_ms(2000)),
            fix: Some(Fix { r#type: FixType::Fix.into(), latitude: 1.5, ..Fix::default() }),
            ignition: Some(false),
            outputs: vec![DigitalLine { number: 1, on: true }, DigitalLine { number: 2, on: false }],
            ..PositionEvent::default()
        }
    }

    #[test]
    fn a_report_is_what_the_message_says() {
        let event = event();
        let value = event.encode_to_vec();
        let report = Report::read(&value).unwrap();
        assert_eq!((report.device_id, report.time_ms, report.received_ms), ("867035046242895", 1000, 2000));
        assert_eq!((report.fix_type, report.ignition), (FixType::Fix, Some(false)));
        assert_eq!(report.outputs, [(1, true), (2, false)]);
        assert_eq!(Fix::decode(report.fix.unwrap()).unwrap(), event.fix.unwrap());
        assert_eq!(Report::read(&[]), Ok(Report::default()));
    }

    #[test]
    fn a_clock_that_is_ahead_or_silent_is_not_believed() {
        let ahead = vec![Quality::NoFix.into(), Quality::ClockInFuture.into()];
        let far = Some(from_unix_ms(i64::from(u32::MAX) * 1000));
        let value = PositionEvent { device_time: far, quality: ahead, ..event() }.encode_to_vec();
        assert_eq!(Report::read(&value).unwrap().time_ms, 2000);
        let value = PositionEvent { device_time: None, ..event() }.encode_to_vec();
        assert_eq!(Report::read(&value).unwrap().time_ms, 2000);
        let old = vec![Quality::ClockTooOld.into()];
        let value = PositionEvent { quality: old, ..event() }.encode_to_vec();
        assert_eq!(Report::read(&value).unwrap().time_ms, 1000);
    }

    #[test]
    fn what_is_no_position_is_told() {
        assert_eq!(Report::read(&[0x1A, 9]), Err(ReportError::Wire(WireError::Truncated)));
        assert_eq!(Report::read(&[0x1A, 1, 0xFF]), Err(ReportError::Text));
    }

    #[test]
    fn lines_are_bounded() {
        let outputs = vec![DigitalLine { number: 1, on: true }; 2 * MAX_LINES];
        let value = PositionEvent { outputs, ..event() }.encode_to_vec();
        assert_eq!(Report::read(&value).unwrap().outputs.len(), MAX_LINES);
    }
}
