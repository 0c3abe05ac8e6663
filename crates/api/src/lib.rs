//! HTTP/JSON for people and programs: models, devices, held devices, state, commands.
//!
//! What it shows comes from views in memory; what it changes goes through the registrar, and commands to Kafka. It keeps nothing of its own.

mod app;
mod auth;
mod body;
mod commands;
mod cursor;
mod devices;
mod edge;
mod held;
mod limits;
mod meta;
mod metrics;
mod models;
mod openapi;
mod problem;
mod public;
mod query;
mod routes;
mod serve;
mod service;
mod settings;
mod setup;
mod stall;
mod state;
mod time;
mod tokens;
mod trace;
mod transfer;

pub use app::Dependencies;
pub use commands::CommandSettings;
pub use metrics::SECTION as METRICS;
pub use openapi::openapi;
pub use public::Public;
pub use service::{Api, start};
pub use settings::{ApiSettings, Scope, TokenSettings};
pub use tokens::{TokenError, Tokens, token_variable};
