//! What devices do now: where they are connected, and what they last reported.
//!
//! Two compacted topics hold it. Frontends write the sessions; the projector here makes the last reported state of each
//! device from its positions. [`States`] is both in memory. Nothing here talks to devices.

mod config;
mod follower;
mod frontends;
mod last;
mod metrics;
mod pack;
mod progress;
mod projector;
mod report;
mod service;
mod view;
mod words;

pub use config::{StateSettings, StateSettingsError};
pub use metrics::SECTION as METRICS;
pub use service::{Dependencies, follow, start};
pub use view::{DeviceView, States};
