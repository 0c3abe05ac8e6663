//! What both standards ask alike, for one protocol level.

mod bytes;
mod delivery;
mod flows;
mod handshake;
mod subscriptions;

pub use bytes::*;
pub use delivery::*;
pub use flows::*;
pub use handshake::*;
pub use subscriptions::*;
