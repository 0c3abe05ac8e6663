//! The MQTT front door: authenticates devices, keeps them to their topics, forwards each publish untouched to
//! Kafka, and acknowledges it only when Kafka has it.
//!
//! Payloads are never looked into here; that is the decoder's work.

pub mod auth;
mod canary;
pub mod config;
pub mod directory;
mod dispatch;
pub mod downlink;
pub mod fabric;
mod handover;
pub mod identity;
pub mod ingest;
pub mod logins;
pub mod metrics;
mod mirror;
mod presence;
mod proofs;
pub mod record;
pub mod revoked;
pub mod service;
mod session_metrics;
pub mod session_settings;
mod steps;
pub mod strangers;
mod trail;
pub mod transports;

pub use canary::CanarySettings;
pub use config::FrontendSettings;
pub use metrics::SECTION as METRICS;
pub use presence::PresenceSettings;
pub use service::{Dependencies, Frontend, start};
