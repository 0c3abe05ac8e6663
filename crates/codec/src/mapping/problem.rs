//! Why one record of a payload cannot be used.

/// Why a mapping cannot use a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A record is an object.
    #[error("it is {0} and no object")]
    Kind(&'static str),
    /// None of the pointers to the device id leads to a value.
    #[error("no device id is at any of the pointers of `device`")]
    NoDeviceId,
    /// A device id that no device can have.
    #[error("the device id {value}: {reason}")]
    DeviceId {
        /// The value as it is written, shortened.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// None of the pointers to the time leads to a value.
    #[error("no time is at any of the pointers of `time`")]
    NoTime,
    /// A time that is none in the format of the mapping.
    #[error("the time {value}: {reason}")]
    Time {
        /// The value as it is written, shortened.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Problem {
    /// A fixed word for dead letters and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Kind(_) => "record_kind",
            Self::NoDeviceId => "no_device_id",
            Self::DeviceId { .. } => "device_id",
            Self::NoTime => "no_time",
            Self::Time { .. } => "time",
        }
    }
}

/// Longest value that a problem quotes, characters.
const QUOTED: usize = 40;

/// A value short enough to be part of a message.
pub(super) fn quote(raw: &str) -> String {
    let mut short: String = raw.chars().take(QUOTED).collect();
    if short.len() < raw.len() {
        short.push_str("...");
    }
    short
}
