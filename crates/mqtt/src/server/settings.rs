//! Bounds and times of a listener.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytestring::ByteString;

use super::RetainLimits;
use crate::session::Limits;

/// Bounds and times of a listener. The defaults suit trackers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Connections that may be open; one more is closed at once.
    pub max_connections: usize,
    /// How long a connection may take to send its whole CONNECT.
    pub connect_timeout: Duration,
    /// Largest CONNECT, fixed header included: what a stranger may make this server hold.
    pub max_connect_size: usize,
    /// How long a client may take to read what it was sent.
    pub write_timeout: Duration,
    /// How long publishes in flight may take to be answered when the server stops.
    pub drain_grace: Duration,
    /// What clients are told to use instead of this server when it shuts down.
    pub server_reference: Option<ByteString>,
    /// Downlinks that may wait for one session.
    pub max_inbox: usize,
    /// Sessions that may be kept for clients that are away; one more ends with its connection.
    pub max_away_sessions: usize,
    /// Bounds of what is retained for sessions that listen.
    pub retained: RetainLimits,
    /// Bounds of each session.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 1883)),
            max_connections: 100_000,
            connect_timeout: Duration::from_secs(10),
            max_connect_size: 8 * 1024,
            write_timeout: Duration::from_secs(20),
            drain_grace: Duration::from_secs(20),
            server_reference: None,
            max_inbox: 16,
            max_away_sessions: 100_000,
            retained: RetainLimits::default(),
            limits: Limits::default(),
        }
    }
}
