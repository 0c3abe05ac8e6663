//! Commands from a gateway to the sessions of devices, with real MQTT clients and a real gRPC client.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod device;
mod house;
mod outcomes;
mod repeats;
mod sessions;
mod stop;
