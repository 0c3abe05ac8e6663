//! MQTT for telematics: wire format, session state machine and listener.
//!
//! Parts, from the ground up:
//! - [`packet`]: bytes to packets and back, zero-copy and strict.
//! - [`topic`]: names, filters and what they cover.

pub mod packet;
pub mod topic;
