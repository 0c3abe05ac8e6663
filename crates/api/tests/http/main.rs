//! The API over HTTP, as a client sees it, on a real Kafka.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "what schemathesis did, and where an API to try by hand is")]

mod access;
mod client;
mod commands;
mod contract;
mod devices;
mod document;
mod examples;
mod server;
mod trace;
mod transfer;
mod views;
