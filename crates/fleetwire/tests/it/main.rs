//! The real binary, real clients, a real Apache Kafka: what a user sees.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod apache;
mod backup;
mod bad_input;
mod command_cli;
mod command_line;
mod commands;
mod dead_letters;
mod decode;
mod devices;
mod embedded;
mod faults;
mod gaps;
mod health;
mod held;
mod logins;
mod loss;
mod mapping;
mod metrics;
mod monitoring;
mod protocols;
mod raws;
mod replay;
mod scale;
mod subscribers;
mod support;
mod telemetry;
mod trace;
mod workers;
