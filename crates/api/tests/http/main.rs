//! The API over HTTP, as a client sees it, on a real Kafka.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod access;
mod client;
mod contract;
mod devices;
mod document;
mod server;
mod transfer;
mod views;
