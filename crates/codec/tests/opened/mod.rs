//! What a decoder found, with every record opened as a message: for tests that look at fields.

use std::ops::Range;

use fleetwire_codec::{Body, Codec, DecodeError, Input, Skipped};
use fleetwire_model::DeviceId;

/// What one payload held.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Decoded {
    pub(crate) records: Vec<Record>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) rejected: Vec<DecodeError>,
}

/// One record that became an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record {
    pub(crate) device_id: Option<DeviceId>,
    pub(crate) span: Range<usize>,
    pub(crate) body: Body,
}

/// Opens every record.
pub(crate) fn open(decoded: &fleetwire_codec::Decoded) -> Decoded {
    let records = decoded.records.iter().map(|record| Record {
        device_id: record.device_id.clone(),
        span: record.span.clone(),
        body: decoded.open(record).unwrap(),
    });
    let (skipped, rejected) = (decoded.skipped.clone(), decoded.rejected.clone());
    Decoded { records: records.collect(), skipped, rejected }
}

/// Decodes a payload and opens what it held.
pub(crate) fn decode(codec: &Codec, input: Input<'_>) -> Result<Decoded, DecodeError> {
    let mut out = fleetwire_codec::Decoded::default();
    codec.decode(input, &mut out).map(|()| open(&out))
}
