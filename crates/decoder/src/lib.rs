//! Stateless decoder workers: raw publishes in, position events out.
//!
//! Which protocol a payload is read by is said by the registry, never guessed.

mod at_least_once;
mod broken;
pub mod config;
mod exactly_once;
pub mod interpret;
mod lag;
mod metrics;
mod pending;
mod readiness;
mod repeats;
mod service;
mod worker;

pub use config::DecoderSettings;
pub use service::{Dependencies, start};
