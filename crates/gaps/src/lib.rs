//! The gap ledger: which device lost what. It reads positions and notes stretches of time for which records of a
//! device are missing; late records close them again.
//!
//! What is judged is pure: [`Ledger`] gets records and times and tells what changed. [`start`] keeps it in Kafka.

pub mod config;
mod device;
mod evict;
mod flush;
mod followed;
mod interval;
mod ledger;
mod message;
mod metrics;
pub mod read;
mod rules;
mod service;
mod state;
mod wire;
mod worker;

pub use config::{GapsSettings, GapsSettingsError};
pub use interval::learned_interval_s;
pub use ledger::{Change, Kind, Ledger, State};
pub use message::gap_id;
pub use metrics::SECTION as METRICS;
pub use rules::Rules;
pub use service::{Dependencies, start};
