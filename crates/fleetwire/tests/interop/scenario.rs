//! The matrix: which client speaks which version of MQTT over which transport.

use std::path::PathBuf;

use fleetwire_model::Imei;
use serde::{Deserialize, Serialize};

use crate::mosquitto;
use crate::support::PASSWORD;

/// How a client reaches the front door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl Transport {
    /// Whether there is TLS below.
    pub(crate) const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    pub(crate) const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WebSocket",
            Self::Wss => "secure WebSocket",
        }
    }
}

/// A transport, and whether the client shows a certificate on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) transport: Transport,
    pub(crate) certificate: bool,
}

impl Way {
    /// Every way, in the order of the table.
    pub(crate) const ALL: [Self; 5] = [
        Self { transport: Transport::Tcp, certificate: false },
        Self { transport: Transport::Tls, certificate: false },
        Self { transport: Transport::Tls, certificate: true },
        Self { transport: Transport::Ws, certificate: false },
        Self { transport: Transport::Wss, certificate: false },
    ];

    pub(crate) fn name(self) -> String {
        let with = if self.certificate { " with a client certificate" } else { "" };
        format!("{}{with}", self.transport.name())
    }
}

/// A version of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Version {
    #[serde(rename = "3.1")]
    V31,
    #[serde(rename = "3.1.1")]
    V311,
    #[serde(rename = "5")]
    V5,
}

impl Version {
    pub(crate) const ALL: [Self; 3] = [Self::V31, Self::V311, Self::V5];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        }
    }

    /// The level in the CONNECT, which the raw record keeps.
    pub(crate) const fn level(self) -> u64 {
        match self {
            Self::V31 => 3,
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }
}

/// A client library or tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    Mosquitto,
    Paho,
    Aiomqtt,
    MqttJs,
    Rumqttc,
}

impl Client {
    pub(crate) const ALL: [Self; 5] =
        [Self::Mosquitto, Self::Paho, Self::Aiomqtt, Self::MqttJs, Self::Rumqttc];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Paho => "paho-mqtt",
            Self::Aiomqtt => "aiomqtt",
            Self::MqttJs => "mqtt.js",
            Self::Rumqttc => "rumqttc",
        }
    }

    /// Why the client itself cannot do this, if it cannot.
    pub(crate) fn cannot(self, transport: Transport, version: Version) -> Option<&'static str> {
        match self {
            Self::Mosquitto if transport.is_websocket() && !mosquitto::has_websocket() => {
                Some("these mosquitto tools have no WebSocket option")
            }
            Self::Rumqttc if version == Version::V31 => Some("rumqttc has no MQTT 3.1"),
            _ => None,
        }
    }
}

/// One client on one transport in one version, as drivers read it. `clients/plan.py` tells what is played.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Scenario {
    #[serde(skip)]
    pub(crate) client: Client,
    pub(crate) id: String,
    pub(crate) client_id: String,
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
    pub(crate) host: &'static str,
    pub(crate) port: u16,
    pub(crate) transport: Transport,
    pub(crate) path: &'static str,
    pub(crate) ca: PathBuf,
    /// Client certificate, whose common name is the client id, and its key.
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) version: Version,
}

impl Scenario {
    pub(crate) const fn way(&self) -> Way {
        Way { transport: self.transport, certificate: self.certificate.is_some() }
    }

    /// A payload that no other scenario has.
    pub(crate) fn payload(&self, what: &str) -> String {
        format!("{} {what}", self.id)
    }

    /// The will that a killed connection leaves.
    pub(crate) fn will(&self) -> String {
        self.payload("will")
    }

    /// The will that must never appear.
    pub(crate) fn unwanted_will(&self) -> String {
        self.payload("will of a clean disconnect")
    }
}

/// Everything that the clients can do, each with a device of its own: on the ways with a client certificate, or on
/// those without.
pub(crate) fn matrix(certificate: bool) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for client in Client::ALL {
        for way in Way::ALL.into_iter().filter(|way| way.certificate == certificate) {
            let can = |version: &Version| client.cannot(way.transport, *version).is_none();
            for version in Version::ALL.into_iter().filter(can) {
                scenarios.push(Scenario {
                    client,
                    id: format!("{}, {}, MQTT {}", client.name(), way.name(), version.name()),
                    client_id: imei(scenarios.len()),
                    user: "bce_device",
                    password: PASSWORD,
                    host: "localhost",
                    port: 0,
                    transport: way.transport,
                    path: "/mqtt",
                    ca: PathBuf::new(),
                    certificate: None,
                    key: None,
                    version,
                });
            }
        }
    }
    scenarios
}

/// A valid IMEI for each number.
fn imei(number: usize) -> String {
    let body = 35_209_900_000_000 + u64::try_from(number).unwrap();
    format!("{body}{}", Imei::check_digit(body))
}
