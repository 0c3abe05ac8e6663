//! MQTT for telematics: wire format, session state machine and listener.
//!
//! Parts, from the ground up:
//! - [`packet`]: bytes to packets and back, zero-copy and strict.
//! - [`topic`]: names, filters and what they cover.
//! - [`access`], [`ingest`], [`receipt`], [`observer`]: the border to a frontend: who may come in, what becomes
//!   of a publish, and what may be counted.
//! - [`session`]: the state machine of one client, without I/O and clock.
//! - [`server`]: the listener, a task per connection, the map of sessions.

pub mod access;
pub mod ingest;
pub mod observer;
pub mod packet;
pub mod receipt;
pub mod server;
pub mod session;
pub mod topic;

pub use access::{Authenticator, ClientCertificate, Grant, Peer, Refusal, Transport};
pub use ingest::{Ingest, Publish, SessionFacts};
pub use observer::{Event, HandshakeFault, NotAdmitted, Observer, TurnedAway};
pub use receipt::{FailureReason, Outcome, Receipt};
pub use server::{
    Attempt, BindError, ClientCertificates, DeliveryOutcome, Expected, GateSettings, Insider, Listener,
    Message, Parts, ProxySettings, Published, Rate, RetainLimits, Server, Sessions, Settings, TlsError,
    TlsSettings, WebSocketSettings,
};
pub use session::{Downlink, End, Limits};
pub use topic::TopicFilter;
