//! What every process does around its work: settings, secrets, logs, metrics, health, shutdown.
//!
//! Nothing here knows MQTT or Kafka.

pub mod admin;
pub mod broken;
pub mod build;
pub mod clock;
pub mod exit;
pub mod health;
pub mod logs;
pub mod metrics;
pub mod open_files;
pub mod secret;
pub mod settings;
pub mod stages;
