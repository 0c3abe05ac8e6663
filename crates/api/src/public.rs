//! What a person types into a device, or into the cloud of its vendor: where the deployment is reached.

/// Where the deployment is reached from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Public {
    /// Region of the deployment, for example "eu"; empty if it has none.
    pub region: String,
    /// Public MQTT host name; empty if none is configured.
    pub host: String,
    /// Port of plain MQTT.
    pub port: u16,
    /// Port of MQTT over TLS, if it is served.
    pub tls_port: Option<u16>,
}

impl Default for Public {
    fn default() -> Self {
        Self { region: String::new(), host: String::new(), port: 1883, tls_port: None }
    }
}
