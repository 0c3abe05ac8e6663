//! Who may come in, as what, and how it speaks: accounts, the model catalogue, and the devices that a
//! person activated.
//!
//! Devices live in a compacted Kafka topic; every service follows it into memory. Nothing registers itself.

pub mod account;
mod account_settings;
pub mod catalogue;
pub mod devices;
pub mod follow;
mod metrics;
mod model_settings;
pub mod outputs;
pub mod password;
pub mod read;
pub mod write;

pub use account::{Account, Accounts};
pub use catalogue::{Catalogue, Model};
pub use devices::{Changed, Changes, Device, Devices, Login, Notice};
pub use model_settings::{CatalogueError, CodecSettings, ModelSettings};
pub use outputs::{Capability, OutputProfile};
pub use password::PasswordHash;
