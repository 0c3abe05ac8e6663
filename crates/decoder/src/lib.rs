//! Stateless decoder workers: raw publishes in, position events out.
//!
//! Which protocol a payload is read by is said by the registry, never guessed.

pub mod config;
mod envelope;
mod faults;
pub mod interpret;
mod metrics;
mod pending;
mod raw;
mod service;

pub use config::DecoderSettings;
pub use service::{Dependencies, start};
