//! Where a deployment is reached from outside: what people type into devices, and what is in every record.

use anyhow::Result;
use clap::Args;
use fleetwire_api::Public;
use serde::Deserialize;

use crate::config::{Process, set};
use crate::process::Usage;

/// Settings of the section `[public]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PublicSettings {
    /// MQTT host name of the deployment, or its address; empty if it is reached from nowhere else.
    pub(crate) host: String,
    /// Port of plain MQTT.
    pub(crate) port: Option<u16>,
    /// Port of MQTT over TLS, where there is one.
    pub(crate) tls_port: Option<u16>,
}

/// The port of MQTT.
const MQTT: u16 = 1883;

impl PublicSettings {
    /// Whether the host is one that a person can type into a device.
    pub(crate) fn check(&self) -> Result<()> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
        let is_address = self.host.parse::<std::net::IpAddr>().is_ok();
        let is_host = self.host.bytes().all(fits) && (is_address || !self.host.contains(':'));
        if is_host && self.host.len() <= 253 {
            return Ok(());
        }
        let what = "a host name or an address, without scheme and port; ports are in `port` and `tls_port`";
        Err(Usage(format!("host in [public] is {what}, not `{}`", self.host)).into())
    }

    /// For the API. Where no port is named, it is that of a frontend of this process, or that of MQTT.
    pub(crate) fn of(&self, process: &Process, frontend: Option<u16>) -> Public {
        Public {
            region: process.region.clone(),
            host: self.host.clone(),
            port: self.port.or(frontend).unwrap_or(MQTT),
            tls_port: self.tls_port,
        }
    }
}

/// Flags that go before the section.
#[derive(Debug, Clone, Args)]
pub(crate) struct PublicFlags {
    /// Host name under which devices reach this deployment; in every event, and in what `device setup` tells
    #[arg(long, value_name = "HOST", env = "FLEETWIRE_PUBLIC_HOST")]
    public_host: Option<String>,
}

impl PublicFlags {
    /// Puts the flag, if it was given, over the file's value.
    pub(crate) fn apply(&self, settings: &mut PublicSettings) {
        set(&mut settings.host, self.public_host.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_host_is_a_name_or_an_address_and_nothing_more() {
        let of = |host: &str| PublicSettings { host: host.to_owned(), ..PublicSettings::default() }.check();
        for host in ["", "mqtt.eu.example.com", "192.0.2.7", "2001:db8::7"] {
            assert!(of(host).is_ok(), "{host}");
        }
        for host in ["mqtt://example.com", "example.com:1883", "two words"] {
            assert!(of(host).unwrap_err().to_string().contains("[public]"), "{host}");
        }
    }

    #[test]
    fn the_port_is_the_one_that_is_named_or_the_frontends() {
        let settings = PublicSettings::default();
        assert_eq!(settings.of(&Process::default(), None).port, 1883);
        assert_eq!(settings.of(&Process::default(), Some(2883)).port, 2883);
        let named = PublicSettings { port: Some(11883), ..settings };
        assert_eq!(named.of(&Process::default(), Some(2883)).port, 11883);
    }
}
