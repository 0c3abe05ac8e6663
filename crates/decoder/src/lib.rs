//! Stateless decoder workers: raw publishes in, position events out.
//!
//! Which protocol a payload is read by is said by the registry, never guessed.

mod at_least_once;
pub mod config;
mod envelope;
mod exactly_once;
mod faults;
pub mod interpret;
mod lag;
mod metrics;
mod pending;
mod raw;
mod readiness;
mod repeats;
mod service;
mod trail;
mod worker;

pub use config::DecoderSettings;
pub use metrics::SECTION as METRICS;
pub use service::{Dependencies, start};
