//! The matrix: which client speaks which version of MQTT over which transport.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleetwire_model::Imei;
use serde::Serialize;

use crate::mosquitto;
use crate::support::PASSWORD;

/// How a client reaches the front door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl Transport {
    pub(crate) const ALL: [Self; 4] = [Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// Whether there is TLS below.
    pub(crate) const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    pub(crate) const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WebSocket",
            Self::Wss => "secure WebSocket",
        }
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
    pub(crate) version: Version,
}

impl Scenario {
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

/// Everything that the clients can do at the ports of a front door, each with a device of its own.
pub(crate) fn matrix(ports: &BTreeMap<Transport, u16>, ca: &Path) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for client in Client::ALL {
        for (&transport, &port) in ports {
            let versions =
                Version::ALL.into_iter().filter(|&version| client.cannot(transport, version).is_none());
            for version in versions {
                scenarios.push(Scenario {
                    client,
                    id: format!("{}/{}/{}", client.name(), transport.name(), version.name()),
                    client_id: imei(scenarios.len()),
                    user: "bce_device",
                    password: PASSWORD,
                    host: "localhost",
                    port,
                    transport,
                    path: "/mqtt",
                    ca: ca.to_owned(),
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
