//! Command gateway: every command gets to its device, or it is known why not.
//!
//! [`machine`] decides what happens to the commands of one device. Everything else here brings it events and carries out
//! what follows: the worker reads commands as a member of a group and writes what is decided in Kafka transactions, a
//! follower reads sessions and positions beside it, attempts call frontends.

mod attempts;
mod config;
mod follower;
mod guards;
mod intake;
mod json;
mod letter;
mod load;
pub mod machine;
mod metrics;
pub mod order;
mod service;
mod shelf;
mod spans;
mod worker;

pub use config::{CommandGatewaySettings, CommandGatewaySettingsError};
pub use guards::{GuardSettings, RateSettings};
pub use metrics::SECTION as METRICS;
pub use service::{Dependencies, Isolation, start};
