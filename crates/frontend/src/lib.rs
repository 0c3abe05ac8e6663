//! MQTT front door.
pub mod fabric;
