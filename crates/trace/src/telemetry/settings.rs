//! Settings of the export, section `[telemetry]`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the collector may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// `[telemetry]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySettings {
    /// URL of the OpenTelemetry collector's gRPC port; empty exports nothing.
    pub otlp_endpoint: String,
    /// Certificates of the authorities that an `https` collector's is checked against, PEM.
    pub otlp_ca: Option<PathBuf>,
    /// Part of the publishes whose spans are exported beside those of followed devices, 0 to 1.
    pub sample_ratio: f64,
    /// Spans that may wait for the collector; further ones are dropped and counted.
    pub max_queue: NonZeroUsize,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        let max_queue = NonZeroUsize::MIN.saturating_add(4095);
        Self { otlp_endpoint: String::new(), otlp_ca: None, sample_ratio: 0.0, max_queue }
    }
}

/// Why the settings are not usable.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Out of range.
    #[error("telemetry.sample_ratio must be 0 to 1")]
    Ratio,
    /// More than a process should keep.
    #[error("telemetry.max_queue must be 1 to 1000000")]
    Queue,
    /// No URL, or no usable one.
    #[error("telemetry.otlp_endpoint must be a URL such as http://localhost:4317, not `{0}`")]
    Endpoint(String),
    /// TLS without an authority.
    #[error("telemetry.otlp_endpoint is https, so telemetry.otlp_ca must name the authorities' certificates")]
    NoAuthority,
    /// A file that cannot be read.
    #[error("telemetry.otlp_ca: {0}")]
    File(#[from] std::io::Error),
    /// Certificates that are not usable.
    #[error("telemetry.otlp_ca: {0}")]
    Tls(#[from] tonic::transport::Error),
}

impl TelemetrySettings {
    /// Finds values that cannot be used. Reads the certificates.
    pub fn check(&self) -> Result<(), TelemetryError> {
        self.endpoint().map(drop)
    }

    /// Where the collector is; none if nothing is exported.
    pub(super) fn endpoint(&self) -> Result<Option<Endpoint>, TelemetryError> {
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return Err(TelemetryError::Ratio);
        }
        if self.max_queue.get() > 1_000_000 {
            return Err(TelemetryError::Queue);
        }
        let url = self.otlp_endpoint.trim();
        if url.is_empty() {
            return Ok(None);
        }
        let wrong = || TelemetryError::Endpoint(url.to_owned());
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|_| wrong())?;
        let scheme = endpoint.uri().scheme_str().unwrap_or_default();
        if endpoint.uri().host().is_none() || !matches!(scheme, "http" | "https") {
            return Err(wrong());
        }
        let endpoint = endpoint.connect_timeout(CONNECT).timeout(ANSWER);
        if url.starts_with("http://") {
            return Ok(Some(endpoint));
        }
        let path = self.otlp_ca.as_ref().ok_or(TelemetryError::NoAuthority)?;
        let authority = Certificate::from_pem(std::fs::read(path)?);
        Ok(Some(endpoint.tls_config(ClientTlsConfig::new().ca_certificate(authority))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_cannot_be_used_are_named() {
        assert!(TelemetrySettings::default().endpoint().unwrap().is_none());
        let told = |change: fn(&mut TelemetrySettings)| {
            let mut settings = TelemetrySettings::default();
            change(&mut settings);
            settings.check().map_err(|err| err.to_string())
        };
        assert_eq!(told(|s| "http://localhost:4317".clone_into(&mut s.otlp_endpoint)), Ok(()));
        for (change, word) in [
            ((|s| s.sample_ratio = 1.1) as fn(&mut TelemetrySettings), "sample_ratio"),
            (|s| s.sample_ratio = f64::NAN, "sample_ratio"),
            (|s| s.max_queue = NonZeroUsize::MAX, "max_queue"),
            (|s| "localhost:4317".clone_into(&mut s.otlp_endpoint), "otlp_endpoint"),
            (|s| "ftp://x".clone_into(&mut s.otlp_endpoint), "otlp_endpoint"),
            (|s| "https://localhost:4317".clone_into(&mut s.otlp_endpoint), "otlp_ca"),
        ] {
            let message = told(change).unwrap_err();
            assert!(message.contains(word), "{message}");
        }
    }
}
