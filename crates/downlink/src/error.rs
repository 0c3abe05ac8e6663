//! What can go wrong with settings, with a server, and with a call.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tokio_rustls::rustls;
use tonic::{Code, ConnectError, Status};

/// Why settings or secrets are not usable.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Nothing would keep others than gateways out.
    #[error(
        "whoever reaches {0} could send commands to devices: set FLEETWIRE_DOWNLINK_TOKEN, or \
         FLEETWIRE_DOWNLINK_TOKEN_FILE to the file that holds it, or `client_ca` in [downlink.tls], or listen on \
         loopback; where no commands are sent, set `enabled = false` in [downlink]"
    )]
    Open(SocketAddr),
    /// A bound that lets nothing through.
    #[error("{0} must not be 0")]
    Zero(&'static str),
    /// A certificate and its key belong together.
    #[error("a client certificate needs `certificate` and `key`, both")]
    HalfIdentity,
    /// A token that could be guessed, or that no header can carry.
    #[error("{0} must have 16 to 512 printable ASCII characters without spaces")]
    Token(String),
    /// A secret cannot be read.
    #[error(transparent)]
    Unreadable(Box<dyn Error + Send + Sync>),
    /// A file cannot be read.
    #[error("{file} cannot be read")]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Certificates or keys are not usable.
    #[error("the certificates for commands are not usable")]
    Certificates(#[source] tonic::transport::Error),
}

/// Why gateways cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The address is not to be had.
    #[error("[downlink] listen {address} cannot be used")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The server ended.
    #[error("gateways are not served any more")]
    Ended(#[source] tonic::transport::Error),
}

/// Why a call has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No connection could be made: surely nothing was sent to the device.
    #[error("the frontend cannot be reached: {0}")]
    Unreachable(String),
    /// The call began and has no answer: something may have been sent to the device.
    #[error("the frontend did not answer: {0}")]
    Unknown(String),
    /// The frontend lets this gateway do nothing, or not this: nothing was sent to the device. Trying again does not
    /// help before somebody has changed something.
    #[error("the frontend refuses the call: {0}")]
    Refused(String),
}

impl CallError {
    /// The metric label: a fixed word.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Unknown(_) => "unknown",
            Self::Refused(_) => "refused",
        }
    }

    /// What a failed call means.
    pub(crate) fn of_call(status: &Status) -> Self {
        if let Some(refusal) = tls_refusal(status) {
            return Self::Refused(refusal);
        }
        if causes(status).any(<dyn Error>::is::<ConnectError>) {
            return Self::Unreachable(words(status));
        }
        // Words of the frontend have no cause on this side. With these it says so before it does anything.
        let is_answer = status.source().is_none();
        let refuses = matches!(
            status.code(),
            Code::Unauthenticated
                | Code::PermissionDenied
                | Code::InvalidArgument
                | Code::OutOfRange
                | Code::Unimplemented
        );
        if is_answer && refuses {
            Self::Refused(status.message().to_owned())
        } else {
            Self::Unknown(format!("{}: {}", status.code(), words(status)))
        }
    }

    /// What it means that no connection could be made.
    pub(crate) fn of_connect(error: &tonic::transport::Error) -> Self {
        tls_refusal(error).map_or_else(|| Self::Unreachable(words(error)), Self::Refused)
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The whole chain of causes.
fn words(error: &(dyn Error + 'static)) -> String {
    let all: Vec<String> = causes(error).map(ToString::to_string).collect();
    all.join(": ")
}

/// What TLS says, in its handshake only, to a client whose certificate it does not accept.
const REFUSALS: [&str; 9] = [
    "BadCertificate",
    "UnsupportedCertificate",
    "CertificateRevoked",
    "CertificateExpired",
    "CertificateUnknown",
    "CertificateRequired",
    "UnknownCA",
    "AccessDenied",
    // A signature of the certificate's or of the handshake is wrong.
    "DecryptError",
];

/// Why one end does not accept the other's certificate. With TLS 1.3 a client learns that only after its first call,
/// which the frontend has not read then. HTTP/2 leaves only the words of the error.
fn tls_refusal(error: &(dyn Error + 'static)) -> Option<String> {
    let is_by_frontend = |words: &str| {
        let alert = words.strip_prefix("received fatal alert: ");
        alert.is_some_and(|alert| REFUSALS.contains(&alert))
    };
    let is_by_gateway = |error: &(dyn Error + Send + Sync + 'static)| {
        let error = error.downcast_ref::<rustls::Error>();
        matches!(error, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
    };
    causes(error).filter_map(|error| error.downcast_ref::<io::Error>()).find_map(|error| {
        let words = error.to_string();
        let refused = is_by_frontend(&words) || error.get_ref().is_some_and(is_by_gateway);
        refused.then_some(words)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn caused_by(error: impl Error + Send + Sync + 'static) -> Status {
        let mut status = Status::unavailable("x");
        status.set_source(Arc::new(error));
        status
    }

    #[test]
    fn only_what_surely_was_not_sent_is_unreachable() {
        let no_connection = ConnectError(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert!(matches!(CallError::of_call(&caused_by(no_connection)), CallError::Unreachable(_)));
        let broken = io::Error::from(io::ErrorKind::ConnectionReset);
        assert!(matches!(CallError::of_call(&caused_by(broken)), CallError::Unknown(_)));
        for status in [Status::unavailable("x"), Status::cancelled("x"), Status::internal("x")] {
            assert!(matches!(CallError::of_call(&status), CallError::Unknown(_)), "{status}");
        }
    }

    #[test]
    fn a_token_or_certificate_that_is_not_taken_is_a_refusal() {
        assert!(matches!(CallError::of_call(&Status::unauthenticated("x")), CallError::Refused(_)));
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
        let alert = io::Error::new(io::ErrorKind::InvalidData, alert);
        assert!(matches!(CallError::of_call(&caused_by(alert)), CallError::Refused(_)));
        // After the handshake an alert may also end a connection on which something was read.
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::InternalError);
        let alert = io::Error::new(io::ErrorKind::InvalidData, alert);
        assert!(matches!(CallError::of_call(&caused_by(alert)), CallError::Unknown(_)));
    }
}
