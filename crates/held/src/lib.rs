//! Devices that nobody activated: who is knocking, and the release of what is held for them.
//!
//! A [`keeper`] reads the held topic as a member of a group. What comes of a device that is not active becomes its
//! [`Knock`](fleetwire_model::pb::Knock); once the device is active, everything that is held of it goes to the raw
//! topic, in its order and once, and what is still held after that follows. [`Knocks`] is the view of it for people.

pub mod config;
pub mod keeper;
mod knock;
mod knocks;
mod load;
mod metrics;
mod page;
mod release;
mod released;
mod service;
mod steps;
mod view;

pub use config::{HeldSettings, HeldSettingsError};
pub use knocks::Knocks;
pub use metrics::SECTION as METRICS;
pub use service::{Dependencies, Isolation, follow, start};
