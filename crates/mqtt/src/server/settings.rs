//! Bounds and times of a server.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use super::{GateSettings, Listener, ProxySettings, TlsSettings, WebSocketSettings};
use crate::session::Limits;

/// Listeners, bounds and times of a server. The defaults suit trackers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address of the one listener, of plain TCP, that there is when `listeners` is empty.
    pub listen: SocketAddr,
    /// Where clients connect. All listeners feed the same sessions.
    pub listeners: Vec<Listener>,
    /// The certificate of the listeners that need one.
    pub tls: Option<TlsSettings>,
    /// How WebSocket connections are taken.
    pub websocket: WebSocketSettings,
    /// Which proxies are trusted.
    pub proxy: ProxySettings,
    /// Limits at the door.
    pub gate: GateSettings,
    /// Connections that may be open; one more is turned away.
    pub max_connections: usize,
    /// How long a connection may take for everything before its first MQTT packet: PROXY header, TLS, WebSocket. The
    /// time begins anew when a connection that had to wait gets its turn.
    pub handshake_timeout: Duration,
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
            listeners: Vec::new(),
            tls: None,
            websocket: WebSocketSettings::default(),
            proxy: ProxySettings::default(),
            gate: GateSettings::default(),
            max_connections: 100_000,
            handshake_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            max_connect_size: 8 * 1024,
            write_timeout: Duration::from_secs(20),
            drain_grace: Duration::from_secs(20),
            max_inbox: 16,
            limits: Limits::default(),
        }
    }
}
