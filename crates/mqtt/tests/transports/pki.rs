//! Authorities and certificates of their own for each test, in files.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use fleetwire_mqtt::{ClientCertificates, Settings, TlsSettings};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
        version::{TLS12, TLS13},
    },
};

/// A certificate and its key, as PEM.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Someone who issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn issue(&self, common_name: &str, names: &[&str]) -> Issued {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.subject_alt_names.push(SanType::URI("urn:imei:867035046242895".try_into().unwrap()));
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { certificate, key: key.serialize_pem() }
    }
}

/// A server's files, and the authority behind them.
pub(crate) struct Pki {
    folder: TempDir,
    pub(crate) authority: Authority,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let pki = Self { folder: TempDir::new().unwrap(), authority: Authority::new() };
        pki.place(&pki.authority.issue("first", &["localhost"]));
        fs::write(pki.path("ca.pem"), &pki.authority.pem).unwrap();
        pki
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a certificate where the server looks.
    pub(crate) fn place(&self, issued: &Issued) {
        fs::write(self.path("key.pem"), &issued.key).unwrap();
        fs::write(self.path("certificate.pem"), &issued.certificate).unwrap();
    }

    pub(crate) fn settings(&self, client_certificates: ClientCertificates) -> TlsSettings {
        TlsSettings {
            certificate: self.path("certificate.pem"),
            key: self.path("key.pem"),
            client_ca: Some(self.path("ca.pem")),
            client_certificates,
            reload_every: std::time::Duration::from_millis(20),
        }
    }

    /// Has a server's TLS and WSS listeners use these files.
    pub(crate) fn serve(&self, settings: &mut Settings, client_certificates: ClientCertificates) {
        use fleetwire_mqtt::Transport::{SecureWebSocket, Tcp, Tls, WebSocket};
        super::listen(settings, &[Tcp, Tls, WebSocket, SecureWebSocket]);
        settings.tls = Some(self.settings(client_certificates));
    }

    /// Connects as a client that trusts the authority.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        own: Option<&Issued>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        connect(client(&self.authority.pem, own, &[&TLS12, &TLS13]), address).await
    }
}

/// A client's configuration.
pub(crate) fn client(
    authority: &str,
    own: Option<&Issued>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match own {
        Some(own) => {
            let certificate = CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    })
}

pub(crate) async fn connect(
    config: Arc<ClientConfig>,
    address: SocketAddr,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(config).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// The certificate that the server showed.
pub(crate) fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// An issued certificate in its bare form.
pub(crate) fn der(issued: &Issued) -> Vec<u8> {
    CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap().to_vec()
}
