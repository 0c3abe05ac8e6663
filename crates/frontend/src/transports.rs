//! The sections of `[frontend]` about how devices come in: TLS, WebSocket, proxies, and the limits at the door.
//!
//! A section that is not there is off. What is asked for is checked before anything is bound.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use fleetwire_mqtt::{
    ClientCertificates, GateSettings, Listener, ProxySettings, Rate, TlsSettings, Transport,
    WebSocketSettings,
};
use serde::Deserialize;

use crate::config::FrontendSettings;

/// A setting that cannot be used, with what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(&'static str);

/// TLS: `[frontend.tls]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Where devices connect with TLS; not given: only `tls_listen` of `[frontend.websocket]` uses the certificate.
    pub listen: Option<SocketAddr>,
    /// PEM file of the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
    /// PEM file of the authorities of client certificates.
    pub client_ca: Option<PathBuf>,
    /// Whether devices must show a certificate.
    #[serde(default)]
    pub client_certificates: Ask,
    /// How often the files are looked at.
    #[serde(with = "humantime_serde", default = "half_a_minute")]
    pub reload_every: Duration,
}

/// Whether devices must show a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// None is asked for.
    #[default]
    Off,
    /// One that is shown must be valid.
    Optional,
    /// Without a valid one no device comes in.
    Required,
}

const fn half_a_minute() -> Duration {
    Duration::from_secs(30)
}

/// WebSocket: `[frontend.websocket]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebSocket {
    /// Where clients connect with WebSocket.
    pub listen: Option<SocketAddr>,
    /// Where clients connect with WebSocket over TLS; the certificate is that of `[frontend.tls]`.
    pub tls_listen: Option<SocketAddr>,
    /// The path of the upgrade.
    pub path: String,
}

impl Default for WebSocket {
    fn default() -> Self {
        Self { listen: None, tls_listen: None, path: "/mqtt".to_owned() }
    }
}

/// Load balancers that say whom they pass on: `[frontend.proxy_protocol]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyProtocol {
    /// Networks whose connections begin with a PROXY header.
    pub from: Vec<ipnet::IpNet>,
}

/// Limits at the door: `[frontend.gate]`. 0 takes a limit away.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// Connections that are taken a second; more wait in the kernel.
    pub accept_rate: u32,
    /// How long the accept rate takes to grow to its full value after a start.
    #[serde(with = "humantime_serde")]
    pub slow_start: Duration,
    /// How long a connection may take for PROXY header, TLS and WebSocket together.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
    /// Handshakes at once.
    pub handshakes: usize,
    /// Connections that may wait for their handshake.
    pub waiting_handshakes: usize,
    /// Plain connections over a limit that are held for a while and told "server busy".
    pub waiting_rooms: usize,
    /// How long they are held at most.
    #[serde(with = "humantime_serde")]
    pub busy_delay: Duration,
    /// Connections of one address.
    pub connections_per_address: usize,
    /// Connects of one address a second, and at once after a rest.
    pub connect_rate_per_address: u32,
    /// Connects of one address at once after a rest.
    pub connect_burst_per_address: u32,
    /// Publishes of one address a second.
    pub publish_rate_per_address: u32,
    /// Publishes of one address at once after a rest.
    pub publish_burst_per_address: u32,
    /// Leading bits that make IPv4 addresses one address.
    pub ipv4_prefix: u8,
    /// Leading bits that make IPv6 addresses one address.
    pub ipv6_prefix: u8,
}

impl Default for Gate {
    fn default() -> Self {
        let gate = GateSettings::default();
        Self {
            accept_rate: gate.accept_rate.map_or(0, NonZeroU32::get),
            slow_start: gate.slow_start,
            handshake_timeout: Duration::from_secs(10),
            handshakes: gate.handshakes,
            waiting_handshakes: gate.waiting_handshakes,
            waiting_rooms: gate.waiting_rooms,
            busy_delay: gate.busy_delay,
            connections_per_address: 0,
            connect_rate_per_address: 0,
            connect_burst_per_address: 100,
            publish_rate_per_address: 0,
            publish_burst_per_address: 1000,
            ipv4_prefix: gate.ipv4_prefix,
            ipv6_prefix: gate.ipv6_prefix,
        }
    }
}

/// Whether the sections fit together. The files that they name are read only when a frontend starts.
pub fn check(settings: &FrontendSettings) -> Result<(), TransportError> {
    let FrontendSettings { tls, websocket, gate, unactivated_limits, max_packet_bytes, canary, .. } =
        settings;
    unactivated_limits.check(*max_packet_bytes).map_err(|err| TransportError(err.text()))?;
    canary.check().map_err(TransportError)?;
    if let Some(tls) = tls {
        if tls.listen.is_none() && websocket.tls_listen.is_none() {
            return Err(TransportError(
                "[frontend.tls] has a certificate and nobody to show it to: set `listen`, for example \"0.0.0.0:8883\"",
            ));
        }
        if tls.client_certificates != Ask::Off && tls.client_ca.is_none() {
            return Err(TransportError(
                "[frontend.tls] asks for client certificates: set `client_ca` to the file of the authorities they come from",
            ));
        }
        if tls.client_certificates == Ask::Off && tls.client_ca.is_some() {
            return Err(TransportError(
                "[frontend.tls] has a `client_ca` that nothing is checked with: set `client_certificates` to \"optional\" or \"required\"",
            ));
        }
        if tls.reload_every < Duration::from_secs(1) {
            return Err(TransportError("[frontend.tls] `reload_every` must be at least \"1s\""));
        }
    } else if websocket.tls_listen.is_some() {
        return Err(TransportError(
            "[frontend.websocket] `tls_listen` needs a certificate: set `certificate` and `key` in [frontend.tls]",
        ));
    }
    if !websocket.path.starts_with('/') {
        return Err(TransportError("[frontend.websocket] `path` must begin with \"/\""));
    }
    if gate.ipv4_prefix > 32 || gate.ipv6_prefix > 128 {
        return Err(TransportError(
            "[frontend.gate] `ipv4_prefix` must be at most 32 and `ipv6_prefix` at most 128",
        ));
    }
    if gate.handshakes == 0 || gate.handshake_timeout.is_zero() {
        return Err(TransportError(
            "[frontend.gate] `handshakes` and `handshake_timeout` must not be 0: nobody would come in",
        ));
    }
    Ok(())
}

/// Every listener that is asked for; plain TCP first.
pub(crate) fn listeners(settings: &FrontendSettings) -> Vec<Listener> {
    let tls = settings.tls.as_ref().and_then(|tls| tls.listen);
    let all = [
        (Transport::Tcp, Some(settings.listen)),
        (Transport::Tls, tls),
        (Transport::WebSocket, settings.websocket.listen),
        (Transport::SecureWebSocket, settings.websocket.tls_listen),
    ];
    let asked = |(transport, address): (_, Option<_>)| address.map(|address| Listener { transport, address });
    all.into_iter().filter_map(asked).collect()
}

impl Tls {
    pub(crate) fn settings(&self) -> TlsSettings {
        TlsSettings {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            client_ca: self.client_ca.clone(),
            client_certificates: match self.client_certificates {
                Ask::Off => ClientCertificates::Off,
                Ask::Optional => ClientCertificates::Optional,
                Ask::Required => ClientCertificates::Required,
            },
            reload_every: self.reload_every,
        }
    }
}

impl WebSocket {
    /// A message may hold the largest packet.
    pub(crate) fn settings(&self, max_packet_bytes: usize) -> WebSocketSettings {
        WebSocketSettings { path: self.path.clone(), max_message_size: max_packet_bytes.max(64 * 1024) }
    }
}

impl ProxyProtocol {
    pub(crate) fn settings(&self) -> ProxySettings {
        ProxySettings { from: self.from.clone() }
    }
}

impl Gate {
    pub(crate) fn settings(&self) -> GateSettings {
        GateSettings {
            accept_rate: NonZeroU32::new(self.accept_rate),
            slow_start: self.slow_start,
            handshakes: self.handshakes,
            waiting_handshakes: self.waiting_handshakes,
            waiting_rooms: self.waiting_rooms,
            busy_delay: self.busy_delay,
            connections_per_address: NonZeroUsize::new(self.connections_per_address),
            connect_rate_per_address: rate(self.connect_rate_per_address, self.connect_burst_per_address),
            publish_rate_per_address: rate(self.publish_rate_per_address, self.publish_burst_per_address),
            ipv4_prefix: self.ipv4_prefix,
            ipv6_prefix: self.ipv6_prefix,
        }
    }
}

fn rate(per_second: u32, burst: u32) -> Option<Rate> {
    let per_second = NonZeroU32::new(per_second)?;
    Some(Rate { per_second, burst: NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: impl FnOnce(&mut FrontendSettings)) -> FrontendSettings {
        let mut settings = FrontendSettings::default();
        change(&mut settings);
        settings
    }

    fn tls() -> Tls {
        Tls {
            listen: Some(([0, 0, 0, 0], 8883).into()),
            certificate: "tls.crt".into(),
            key: "tls.key".into(),
            client_ca: None,
            client_certificates: Ask::Off,
            reload_every: half_a_minute(),
        }
    }

    #[test]
    fn the_defaults_listen_on_plain_tcp_alone() {
        let settings = settings(|_| {});
        check(&settings).unwrap();
        let transports: Vec<_> = listeners(&settings).iter().map(|listener| listener.transport).collect();
        assert_eq!(transports, [Transport::Tcp]);
        assert_eq!(settings.gate.settings(), GateSettings::default());
    }

    #[test]
    fn every_listener_that_is_asked_for_is_there() {
        let address = Some(([0, 0, 0, 0], 0).into());
        let settings = settings(|settings| {
            settings.tls = Some(tls());
            settings.websocket = WebSocket { listen: address, tls_listen: address, ..WebSocket::default() };
        });
        check(&settings).unwrap();
        let transports: Vec<_> = listeners(&settings).iter().map(|listener| listener.transport).collect();
        assert_eq!(transports, Transport::ALL);
    }

    #[test]
    fn what_does_not_fit_together_is_told_with_what_to_do() {
        let wrong: [(&str, FrontendSettings); 7] = [
            ("`listen`", settings(|s| s.tls = Some(Tls { listen: None, ..tls() }))),
            ("`client_ca`", settings(|s| s.tls = Some(Tls { client_certificates: Ask::Required, ..tls() }))),
            (
                "`client_certificates`",
                settings(|s| s.tls = Some(Tls { client_ca: Some("ca.pem".into()), ..tls() })),
            ),
            ("`reload_every`", settings(|s| s.tls = Some(Tls { reload_every: Duration::ZERO, ..tls() }))),
            ("`certificate`", settings(|s| s.websocket.tls_listen = Some(([0, 0, 0, 0], 0).into()))),
            ("`path`", settings(|s| s.websocket.path = "mqtt".into())),
            ("`ipv6_prefix`", settings(|s| s.gate.ipv6_prefix = 129)),
        ];
        for (named, settings) in wrong {
            let message = check(&settings).unwrap_err().to_string();
            assert!(message.contains(named), "{message}");
        }
    }
}
