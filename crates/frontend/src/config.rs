//! Settings of the frontend.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use crate::canary::CanarySettings;
use crate::logins::LoginSettings;
use crate::presence::PresenceSettings;
use crate::session_settings::SessionSettings;
use crate::strangers::StrangerLimits;
use crate::transports::{Gate, ProxyProtocol, Tls, WebSocket};

/// Settings of the frontend; the sample with every key is `deploy/config/frontend.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FrontendSettings {
    /// Where devices connect.
    pub listen: SocketAddr,
    /// Connections at most; one more is turned away.
    pub max_connections: usize,
    /// Largest MQTT packet that a device may send, bytes.
    pub max_packet_bytes: usize,
    /// How long a new connection may take to send its CONNECT.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Publishes of one session that may wait for Kafka; at the bound the session is not read.
    pub session_window: u16,
    /// Bytes of one session that may wait for Kafka.
    pub session_window_bytes: usize,
    /// What becomes of a device that nobody activated and that has the account's password.
    pub unactivated: Unactivated,
    /// What such devices may do.
    pub unactivated_limits: StrangerLimits,
    /// How many logins may fail before a client waits.
    pub logins: LoginSettings,
    /// How long sessions last, and how much one may do.
    pub sessions: SessionSettings,
    /// Start although an account has the password that is printed in public setup guides.
    pub allow_well_known_passwords: bool,
    /// TLS; without it there is none.
    pub tls: Option<Tls>,
    /// WebSocket.
    pub websocket: WebSocket,
    /// Load balancers that say whom they pass on.
    pub proxy_protocol: ProxyProtocol,
    /// Limits at the door.
    pub gate: Gate,
    /// What it tells of its sessions.
    pub presence: PresenceSettings,
    /// How it looks whether it serves.
    pub canary: CanarySettings,
}

/// What becomes of a device that nobody activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unactivated {
    /// It may connect, and what it publishes is kept apart, in the held topic.
    Hold,
    /// It may not connect.
    Reject,
}

impl Default for FrontendSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 1883)),
            max_connections: 100_000,
            max_packet_bytes: 64 * 1024,
            connect_timeout: Duration::from_secs(10),
            session_window: 64,
            session_window_bytes: 256 * 1024,
            unactivated: Unactivated::Hold,
            unactivated_limits: StrangerLimits::default(),
            logins: LoginSettings::default(),
            sessions: SessionSettings::default(),
            allow_well_known_passwords: false,
            tls: None,
            websocket: WebSocket::default(),
            proxy_protocol: ProxyProtocol::default(),
            gate: Gate::default(),
            presence: PresenceSettings::default(),
            canary: CanarySettings::default(),
        }
    }
}
