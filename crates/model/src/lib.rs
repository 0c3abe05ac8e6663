//! The words that every part of fleetwire shares: contract types, device ids, topics, event ids.
//!
//! No I/O, no clock, no Kafka: times and ids are made by callers.

pub mod device_id;
pub mod event_id;
pub mod pb;
pub mod time;
pub mod topic;
pub mod wire;

pub use device_id::{DeviceId, Imei};
pub use topic::{RELEASED_HEADER, TYPE_HEADER, Topic, Topics};
