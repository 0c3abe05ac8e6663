//! The call from gateway to frontend: gRPC service, its settings, who may call.

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
