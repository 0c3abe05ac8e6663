//! What both standards ask alike, for one protocol level.

mod bytes;
mod delivery;
mod flows;
mod handshake;
mod listening;
mod sessions;
mod subscriptions;
mod websocket;

pub use bytes::*;
pub use delivery::*;
pub use flows::*;
pub use handshake::*;
pub use listening::*;
pub use sessions::*;
pub use subscriptions::*;
pub use websocket::*;
