//! Both ends of the call on real sockets, with a service that does what a test says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod frontend;
mod outcomes;
mod pki;
mod tls;
