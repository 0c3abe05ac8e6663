//! Settings of both ends of the call. The token is in neither: it comes from the environment.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

use crate::error::SettingsError;
use crate::token::Tokens;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Settings of a frontend's end: `[downlink]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DownlinkServerSettings {
    /// Whether gateways are served. Without, no command reaches a device of this frontend.
    pub enabled: bool,
    /// Where gateways connect.
    pub listen: SocketAddr,
    /// Where gateways reach this frontend, HOST or HOST:PORT; empty takes this machine's address and the port of
    /// `listen`.
    pub advertise: String,
    /// Calls that may wait for a device; one more is told BUSY.
    pub max_in_flight: usize,
    /// Connections at most; one more is closed.
    pub max_connections: usize,
    /// TLS; without it there is none.
    pub tls: Option<ServerTls>,
}

impl Default for DownlinkServerSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: SocketAddr::from(([0, 0, 0, 0], 9465)),
            advertise: String::new(),
            max_in_flight: 4096,
            max_connections: 256,
            tls: None,
        }
    }
}

/// TLS of a frontend's end: `[downlink.tls]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// PEM file of the certificate and its chain.
    pub certificate: PathBuf,
    /// PEM file of the private key.
    pub key: PathBuf,
    /// PEM file of the authorities that a gateway's certificate must come from; without it none is asked for.
    pub client_ca: Option<PathBuf>,
}

/// Settings of a gateway's end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DownlinkClientSettings {
    /// How long a connection may take to be made, TLS included.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// After how long without a call a connection is closed.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// Connections at most; for one more the one is closed that was used longest ago.
    pub max_connections: usize,
    /// TLS; without it there is none.
    pub tls: Option<ClientTls>,
}

impl Default for DownlinkClientSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_mins(5),
            max_connections: 256,
            tls: None,
        }
    }
}

/// TLS of a gateway's end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTls {
    /// PEM file of the authorities that the frontends' certificates must come from.
    pub ca: PathBuf,
    /// PEM file of the gateway's own certificate, where frontends ask for one.
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
    /// Name in the frontends' certificates; not given: the host of the address.
    pub server_name: Option<String>,
}

impl DownlinkServerSettings {
    /// Whether the values are usable. Reads no file, and asks for no token.
    pub fn check_values(&self) -> Result<(), SettingsError> {
        if self.max_in_flight == 0 || self.max_connections == 0 {
            return Err(SettingsError::Zero("[downlink] max_in_flight and max_connections"));
        }
        Ok(())
    }

    /// Whether the values are usable, and whether nobody but a gateway may call. Reads no file.
    pub fn check(&self, tokens: &Tokens) -> Result<(), SettingsError> {
        self.check_values()?;
        if !self.enabled {
            return Ok(());
        }
        let asks_for_certificate = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        if self.listen.ip().is_loopback() || asks_for_certificate || !tokens.is_empty() {
            Ok(())
        } else {
            Err(SettingsError::Open(self.listen))
        }
    }

    /// Where gateways reach a frontend that listens at `bound`, HOST:PORT.
    pub(crate) fn advertised(&self, bound: SocketAddr) -> String {
        let port = bound.port();
        match &*self.advertise {
            "" => SocketAddr::new(own_ip(bound.ip()), port).to_string(),
            host if has_port(host) => host.to_owned(),
            host => format!("{host}:{port}"),
        }
    }
}

/// Whether a host is followed by a port. An IPv6 address must be in brackets.
fn has_port(host: &str) -> bool {
    let port =
        host.rsplit_once(':').map(|(before, port)| (before.ends_with(']') || !before.contains(':'), port));
    port.is_some_and(|(is_whole, port)| is_whole && port.parse::<u16>().is_ok())
}

/// The address itself, or for all of a machine's the one that it speaks to others from.
fn own_ip(bound: IpAddr) -> IpAddr {
    if !bound.is_unspecified() {
        return bound;
    }
    // Connecting a datagram socket sends nothing: the kernel only looks which way it would go.
    let way = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    way.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

impl ServerTls {
    pub(crate) fn config(&self) -> Result<ServerTlsConfig, SettingsError> {
        let identity = Identity::from_pem(read(&self.certificate)?, read(&self.key)?);
        let config = ServerTlsConfig::new().identity(identity).timeout(HANDSHAKE);
        Ok(match &self.client_ca {
            Some(authorities) => config.client_ca_root(Certificate::from_pem(read(authorities)?)),
            None => config,
        })
    }
}

impl DownlinkClientSettings {
    /// Whether the values are usable. Reads no file.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.connect_timeout.is_zero() || self.idle_timeout.is_zero() || self.max_connections == 0 {
            return Err(SettingsError::Zero("downlink connect_timeout, idle_timeout and max_connections"));
        }
        match &self.tls {
            Some(tls) if tls.certificate.is_some() != tls.key.is_some() => Err(SettingsError::HalfIdentity),
            _ => Ok(()),
        }
    }
}

impl ClientTls {
    pub(crate) fn config(&self) -> Result<ClientTlsConfig, SettingsError> {
        let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(&self.ca)?));
        if let (Some(certificate), Some(key)) = (&self.certificate, &self.key) {
            config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        Ok(match &self.server_name {
            Some(name) => config.domain_name(name.clone()),
            None => config,
        })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, SettingsError> {
    std::fs::read(file).map_err(|source| SettingsError::File { file: file.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> DownlinkServerSettings {
        toml::from_str(text).unwrap()
    }

    fn with_token() -> Tokens {
        Tokens::load(|name| -> Result<_, std::io::Error> {
            Ok((name == "FLEETWIRE_DOWNLINK_TOKEN").then(|| "a-token-of-20-bytes!".into()))
        })
        .unwrap()
    }

    #[test]
    fn who_could_be_called_by_anybody_is_refused_with_what_to_do() {
        let message = settings("").check(&Tokens::default()).unwrap_err().to_string();
        assert!(
            message.contains("FLEETWIRE_DOWNLINK_TOKEN") && message.contains("0.0.0.0:9465"),
            "{message}"
        );
        let tls = "[tls]\ncertificate = \"c\"\nkey = \"k\"\n";
        assert!(settings(tls).check(&Tokens::default()).is_err(), "TLS alone lets everybody in");
        settings("").check(&with_token()).unwrap();
        for fine in ["enabled = false", "listen = \"127.0.0.1:9465\"", "listen = \"[::1]:0\""] {
            settings(fine).check(&Tokens::default()).unwrap();
        }
        settings(&format!("{tls}client_ca = \"a\"")).check(&Tokens::default()).unwrap();
        assert!(settings("max_in_flight = 0").check(&with_token()).is_err());
    }

    #[test]
    fn the_address_that_is_told_has_the_port_that_was_bound() {
        let bound: SocketAddr = "127.0.0.1:4321".parse().unwrap();
        assert_eq!(settings("").advertised(bound), "127.0.0.1:4321");
        for (advertise, told) in [
            ("frontend-0.frontends", "frontend-0.frontends:4321"),
            ("frontend-0:9000", "frontend-0:9000"),
            ("10.0.0.7", "10.0.0.7:4321"),
            ("[fd00::7]", "[fd00::7]:4321"),
            ("[fd00::7]:9000", "[fd00::7]:9000"),
        ] {
            assert_eq!(settings(&format!("advertise = \"{advertise}\"")).advertised(bound), told);
        }
        let all = settings("").advertised("0.0.0.0:4321".parse().unwrap());
        assert!(all.ends_with(":4321") && !all.starts_with("0.0.0.0"), "{all}");
    }

    #[test]
    fn a_certificate_without_its_key_is_told() {
        let settings: DownlinkClientSettings =
            toml::from_str("[tls]\nca = \"ca\"\ncertificate = \"c\"").unwrap();
        assert!(matches!(settings.check(), Err(SettingsError::HalfIdentity)));
        DownlinkClientSettings::default().check().unwrap();
    }
}
