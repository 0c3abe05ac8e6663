//! Stateless decoder workers: raw publishes in, position events out.
//!
//! Which protocol a payload is read by is said by the registry, never guessed.

pub mod config;
pub mod interpret;
mod metrics;
mod pending;
mod service;

pub use config::DecoderSettings;
pub use service::{Dependencies, start};
