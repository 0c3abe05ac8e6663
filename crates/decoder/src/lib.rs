//! Stateless decoder workers: raw publishes in, position events out.
//!
//! Which protocol a payload is read by is said by the registry, never guessed.

pub mod config;
pub mod interpret;

pub use config::DecoderSettings;
