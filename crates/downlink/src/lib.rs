//! The call from gateway to frontend: gRPC service, its settings, who may call.
//!
//! The gateway has a [`Client`], a frontend a [`Server`]. What a frontend does with a call is not here.

mod client;
mod deadline;
mod error;
mod incoming;
mod server;
mod settings;
mod switch;
mod token;

pub use client::Client;
pub use deadline::wait_of;
pub use error::{CallError, ServeError, SettingsError};
pub use server::Server;
pub use settings::{ClientTls, DownlinkClientSettings, DownlinkServerSettings, ServerTls};
pub use token::{METRICS, TOKEN_VARIABLE, Tokens, token};

/// Bytes that a request or an answer may have.
pub const MAX_MESSAGE: usize = 256 * 1024;

/// The service of `downlink.proto`.
pub mod rpc {
    #![allow(
        missing_docs,
        missing_debug_implementations,
        unreachable_pub,
        clippy::all,
        clippy::pedantic,
        clippy::allow_attributes_without_reason,
        reason = "generated from downlink.proto, which documents it"
    )]
    include!(concat!(env!("OUT_DIR"), "/fleetwire.v1.rs"));
}
