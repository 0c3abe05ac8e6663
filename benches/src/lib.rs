//! What the benches and the loss checker share: processes under test, and MQTT clients of their own.

pub mod commands;
pub mod decode;
pub mod load;
pub mod loss;
pub mod registry;
pub mod scale;
pub mod service;
pub mod site;
pub mod wire;
