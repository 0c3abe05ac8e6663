//! Types generated from `proto/fleetwire/v1`, the contract with downstream consumers.
#![allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated from .proto files, which document every field"
)]

include!(concat!(env!("OUT_DIR"), "/fleetwire.v1.rs"));

/// The contract itself, as an encoded `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/contract.binpb"));
