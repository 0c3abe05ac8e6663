//! Why a payload is no payload of its protocol. Each of these sends it to the dead letters.

use fleetwire_model::DeviceId;

use crate::mapping;

/// Why a payload could not be decoded; nothing of it was used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It ends before its frame, or the head of a record, is complete.
    #[error("payload is {len} bytes, at least {needed} needed")]
    Truncated {
        /// Bytes of the payload.
        len: usize,
        /// Bytes that the part which is cut off needs at least.
        needed: usize,
    },
    /// A version of the format that is not known.
    #[error("version of the format is {found}, known is {known}")]
    Version {
        /// Version in the payload.
        found: u8,
        /// Version that is known.
        known: u8,
    },
    /// A record that is longer than the rest of the payload.
    #[error("record of type {record_type} at byte {offset} has {length} bytes, {available} are left")]
    RecordOverrun {
        /// Where the record begins.
        offset: usize,
        /// Its type.
        record_type: u8,
        /// Length that it names.
        length: usize,
        /// Bytes left for it.
        available: usize,
    },
    /// A record of a known type whose length that type cannot have.
    #[error("record of type {record_type} at byte {offset} cannot have {length} bytes")]
    RecordLength {
        /// Where the record begins.
        offset: usize,
        /// Its type.
        record_type: u8,
        /// Length that it names.
        length: usize,
    },
    /// A block that is longer than the rest of the payload.
    #[error("block at byte {offset} has {length} bytes, {available} are left")]
    BlockOverrun {
        /// Where the block begins.
        offset: usize,
        /// Length that it names.
        length: usize,
        /// Bytes left for it.
        available: usize,
    },
    /// A block too short for what every block has.
    #[error("block at byte {offset} cannot have {length} bytes")]
    BlockLength {
        /// Where the block begins.
        offset: usize,
        /// Length that it names.
        length: usize,
    },
    /// The bytes were altered on their way.
    #[error("checksum at byte {offset} is {found:#04x}, the bytes before it sum to {expected:#04x}")]
    Checksum {
        /// Where the checksum is.
        offset: usize,
        /// Checksum in the payload.
        found: u8,
        /// Checksum of the bytes before it.
        expected: u8,
    },
    /// An identity that no device can have.
    #[error("IMEI at byte {offset} is {number}, which has more than 15 digits")]
    Imei {
        /// Where it, or its record, begins.
        offset: usize,
        /// Number that is there.
        number: u64,
    },
    /// A field without which a payload says nothing.
    #[error("{field} is missing")]
    MissingField {
        /// Its name.
        field: String,
    },
    /// A needed field with a value that it cannot have.
    #[error("{field}: {reason}")]
    BadField {
        /// Its name.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// A payload of another device than its topic says.
    #[error("the topic is {topic:?}, the payload says {device}")]
    IdentityMismatch {
        /// MQTT topic.
        topic: String,
        /// Device that the payload names.
        device: DeviceId,
    },
    /// A payload that is no text where JSON is due. Nothing is guessed about it.
    #[error("payload is binary from byte {offset} on, and a mapping reads JSON")]
    UnmappedBinary {
        /// First byte that is no part of a JSON text.
        offset: usize,
    },
    /// A text that is no JSON, or JSON of another shape.
    #[error("payload is not the JSON that is due: {problem} at byte {offset}")]
    Json {
        /// First byte that does not fit.
        offset: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// JSON without records where the mapping looks for them.
    #[error("mapping looks for records at {at:?}, where the payload has {found}")]
    NoRecords {
        /// Pointer to the records; empty for the whole payload.
        at: String,
        /// What is there.
        found: &'static str,
    },
    /// More records than one payload may have.
    #[error("payload has more than {limit} records")]
    TooManyRecords {
        /// The most that it may have.
        limit: usize,
    },
    /// A record that its mapping cannot use.
    #[error("record {record} at byte {offset}: {problem}")]
    Unmapped {
        /// Where the record begins.
        offset: usize,
        /// Its place among the records, from 0.
        record: usize,
        /// Why it cannot be used.
        problem: mapping::Problem,
    },
}

impl DecodeError {
    /// A fixed word for dead letters and metrics, never text from a device.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::Version { .. } => "version",
            Self::RecordOverrun { .. } | Self::RecordLength { .. } => "record_length",
            Self::BlockOverrun { .. } | Self::BlockLength { .. } => "block_length",
            Self::Checksum { .. } => "checksum",
            Self::Imei { .. } => "imei",
            Self::UnmappedBinary { .. } => "unmapped_binary",
            Self::Json { .. } => "json",
            Self::NoRecords { .. } => "no_records",
            Self::TooManyRecords { .. } => "too_many_records",
            Self::Unmapped { problem, .. } => problem.code(),
            Self::MissingField { .. } => "missing_field",
            Self::BadField { .. } => "bad_field",
            Self::IdentityMismatch { .. } => "identity_mismatch",
        }
    }

    /// Every word that [`code`](Self::code) can return.
    pub const CODES: &'static [&'static str] = &[
        "truncated",
        "version",
        "record_length",
        "block_length",
        "checksum",
        "imei",
        "unmapped_binary",
        "json",
        "no_records",
        "too_many_records",
        "record_kind",
        "no_device_id",
        "device_id",
        "no_time",
        "time",
        "missing_field",
        "bad_field",
        "identity_mismatch",
    ];

    /// First byte that made no sense; `None` if no single byte is at fault.
    pub const fn byte_offset(&self) -> Option<usize> {
        match self {
            Self::Truncated { len, .. } => Some(*len),
            Self::Version { .. } => Some(0),
            Self::RecordOverrun { offset, .. }
            | Self::RecordLength { offset, .. }
            | Self::BlockOverrun { offset, .. }
            | Self::BlockLength { offset, .. }
            | Self::Checksum { offset, .. }
            | Self::Imei { offset, .. }
            | Self::UnmappedBinary { offset }
            | Self::Json { offset, .. }
            | Self::Unmapped { offset, .. } => Some(*offset),
            Self::NoRecords { .. }
            | Self::TooManyRecords { .. }
            | Self::MissingField { .. }
            | Self::BadField { .. }
            | Self::IdentityMismatch { .. } => None,
        }
    }
}
