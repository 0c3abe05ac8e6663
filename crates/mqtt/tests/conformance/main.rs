//! The normative statements of MQTT 3.1.1 and MQTT 5.0, byte by byte against a running server.
//!
//! A test is named by the first statement that it holds; `docs/mqtt-conformance.md` lists every statement of both
//! standards and what stands behind it, and [`table`] keeps that list honest. All bytes are built and taken apart
//! by [`wire`], never by the crate's own codec, so that a fault there cannot hide itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]
#![allow(clippy::indexing_slicing, reason = "a test may panic")]
#![allow(unreachable_pub, reason = "a crate of its own, whose modules share")]

#[path = "../support/mod.rs"]
mod support;

mod both;
mod desk;
mod table;
mod v311;
mod v5;
mod wire;
