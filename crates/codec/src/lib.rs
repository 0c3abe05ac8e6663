//! Device protocols: the bytes of one payload to records, and back.
//!
//! Pure: no I/O, no clock, and no allocation that the size of the input does not bound. No bytes make it
//! panic. What a session, a registry or a broker knows (identity, times of reception, ids of events) is
//! the caller's to add; what the device said is complete when [`Codec::decode`] returns.

mod attributes;
mod checksum;
mod codec;
mod decoded;
mod describe;
pub mod dt7;
mod error;
mod event;
mod explain;
pub mod iotm;
mod json;
pub mod mapping;
pub mod ngp;
mod numbered;
mod position;
mod protocol;
mod scale;

pub use attributes::{Attribute, Attributes};
pub use codec::{Codec, Input};
pub use decoded::{Body, Decoded, Kind, Record, Skipped, SkippedKind};
pub use error::DecodeError;
pub use event::Event;
pub use explain::{Explanation, Part};
pub use numbered::{Lines, Numbered};
pub use position::{Position, QualitySet};
pub use protocol::{Protocol, UnknownProtocol};
pub use scale::{Scale, Target};
