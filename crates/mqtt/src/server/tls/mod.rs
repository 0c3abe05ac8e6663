//! TLS: certificates from PEM files, taken in again when they change, and the handshake.
//!
//! rustls with the provider `ring`, TLS 1.2 and 1.3. Session tickets are stateless: nothing is kept for a client
//! that is away.

mod config;
mod files;
mod keeper;
mod names;

pub use config::TlsError;
pub(super) use keeper::Keeper;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{self, ServerConfig},
    server::TlsStream,
};

use crate::{access::ClientCertificate, observer::HandshakeFault};

/// The most plaintext, and the most ciphertext, that a connection may hold for a client that does not read.
const BUFFER_LIMIT: usize = 16 * 1024;

/// Where certificates are, and what is asked of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM file of the server's certificate, with its chain below it.
    pub certificate: PathBuf,
    /// PEM file of the certificate's private key.
    pub key: PathBuf,
    /// PEM file of the authorities that client certificates must come from.
    pub client_ca: Option<PathBuf>,
    /// Whether clients must show a certificate.
    pub client_certificates: ClientCertificates,
    /// How often the files are looked at.
    pub reload_every: Duration,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None is asked for.
    #[default]
    Off,
    /// A client may come without; one that is shown must be valid.
    Optional,
    /// Without a valid one no client comes in.
    Required,
}

/// Shakes hands, and says what the client proved to be. The caller sets the time limit.
pub(super) async fn accept(
    stream: TcpStream,
    config: Arc<ServerConfig>,
) -> Result<(Box<TlsStream<TcpStream>>, Option<Arc<ClientCertificate>>), HandshakeFault> {
    let limit = |session: &mut rustls::ServerConnection| session.set_buffer_limit(Some(BUFFER_LIMIT));
    let stream = TlsAcceptor::from(config).accept_with(stream, limit).await.map_err(|err| fault(&err))?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certificate = shown.and_then(|certificate| names::read(certificate));
    Ok((Box::new(stream), certificate.map(Arc::new)))
}

fn fault(err: &io::Error) -> HandshakeFault {
    match err.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::NoCertificatesPresented) => HandshakeFault::NoCertificate,
        Some(rustls::Error::InvalidCertificate(_)) => HandshakeFault::BadCertificate,
        Some(_) => HandshakeFault::Tls,
        None => HandshakeFault::Gone,
    }
}
