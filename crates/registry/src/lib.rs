//! Who may come in, as what, and how it speaks: accounts, the model catalogue, and the devices that a
//! person activated.
//!
//! Devices live in a compacted Kafka topic; every service follows it into memory. Nothing registers itself.

pub mod account;
mod account_settings;
pub mod catalogue;
mod device_rule;
pub mod devices;
pub mod follow;
mod metrics;
mod model_settings;
pub mod outputs;
pub mod password;
pub mod read;
pub mod records;
pub mod registrar;
pub mod write;

pub use account::{Account, Accounts};
pub use catalogue::{Catalogue, Model};
pub use device_rule::{CheckDigit, IdError, device_id, has_imei};
pub use devices::{Changed, Changes, Device, Devices, Login, Notice};
pub use metrics::SECTION as METRICS;
pub use model_settings::{CatalogueError, CodecSettings, ModelSettings};
pub use outputs::{Capability, OutputProfile};
pub use password::PasswordHash;
pub use records::{Page, Records};
pub use registrar::{
    Applied, Change, ChangeError, Draft, Existing, OwnPassword, Patch, Registrar, RegistrarNeeds,
    RegistrarTask, Who,
};
