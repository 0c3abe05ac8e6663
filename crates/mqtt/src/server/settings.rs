//! Bounds and times of a listener.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

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
    /// Downlinks that may wait for one session.
    pub max_inbox: usize,
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
            max_inbox: 16,
            limits: Limits::default(),
        }
    }
}
