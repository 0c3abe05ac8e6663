//! Device protocols: the bytes of one payload to records, and back.
//!
//! Pure: no I/O, no clock, and no allocation that the size of the input does not bound. No bytes make it
//! panic. What a session, a registry or a broker knows (identity, times of reception, ids of events) is
//! the caller's to add; what the device said is complete when [`Protocol::decode`] returns.

mod decoded;
mod error;
pub mod iotm;
mod options;
mod protocol;
mod scale;

pub use decoded::{Body, Decoded, Record, Skipped, SkippedKind};
pub use error::DecodeError;
pub use options::{IgnitionRule, NoFixRule, Options};
pub use protocol::{Protocol, UnknownProtocol};
pub use scale::{Profile, Scale, SensorId, Target};
