//! Bounds and times of a server.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytestring::ByteString;

use super::{GateSettings, Insider, Listener, ProxySettings, RetainLimits, TlsSettings, WebSocketSettings};
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
    /// The process's own connection.
    pub insider: Insider,
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
            listeners: Vec::new(),
            tls: None,
            websocket: WebSocketSettings::default(),
            proxy: ProxySettings::default(),
            gate: GateSettings::default(),
            insider: Insider::default(),
            max_connections: 100_000,
            handshake_timeout: Duration::from_secs(10),
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
