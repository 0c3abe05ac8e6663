//! From PEM text to what rustls serves with.

use std::{io, path::PathBuf, sync::Arc};

use tokio_rustls::rustls::{
    self, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use x509_parser::parse_x509_certificate;

use super::{ClientCertificates, TlsSettings, files::Files};

/// Why certificate files are not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not the PEM that is needed.
    #[error("{path} holds no {what} in PEM form")]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// What is wrong.
        source: pem::Error,
    },
    /// The certificate file holds no certificate.
    #[error("{path} holds no certificate in PEM form")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key do not fit, or rustls cannot use them.
    #[error("the key {key} does not fit the certificate {certificate}, or one of them is of an unknown kind")]
    Unfit {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The authorities for client certificates are not usable.
    #[error("{path} holds no usable authority for client certificates")]
    ClientCa {
        /// The file.
        path: PathBuf,
    },
    /// Client certificates are asked for, and no file says whose.
    #[error("client certificates are asked for without a file of the authorities that they come from")]
    NoClientCa,
}

/// What is served with.
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// End of the certificate's validity, unix time in seconds.
    pub(super) not_after: i64,
}

/// Makes a configuration of the files' content, with session tickets of its own: no ticket of an older
/// configuration, whose clients may have been judged by other authorities, is taken.
pub(super) fn load(settings: &TlsSettings, files: &Files) -> Result<Loaded, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&files.certificate, &settings.certificate)?;
    let Some((_, leaf)) = chain.first().and_then(|leaf| parse_x509_certificate(leaf).ok()) else {
        return Err(TlsError::NoCertificate { path: settings.certificate.clone() });
    };
    let not_after = leaf.validity().not_after.timestamp();
    let key = PrivateKeyDer::from_pem_slice(&files.key).map_err(|source| TlsError::NotPem {
        path: settings.key.clone(),
        what: "private key",
        source,
    })?;
    let unfit = |source| TlsError::Unfit {
        certificate: settings.certificate.clone(),
        key: settings.key.clone(),
        source,
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(unfit)?;
    let builder = match verifier(settings, files, &provider)? {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain.clone(), key).map_err(unfit)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ring::Ticketer::new().map_err(unfit)?;
    config.send_tls13_tickets = 1;
    Ok(Loaded { config: Arc::new(config), not_after })
}

fn certificates(pem: &[u8], path: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|source| TlsError::NotPem {
        path: path.to_owned(),
        what: "certificate",
        source,
    })
}

fn verifier(
    settings: &TlsSettings,
    files: &Files,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    if settings.client_certificates == ClientCertificates::Off {
        return Ok(None);
    }
    let (Some(path), Some(pem)) = (&settings.client_ca, &files.client_ca) else {
        return Err(TlsError::NoClientCa);
    };
    let unusable = || TlsError::ClientCa { path: path.clone() };
    let mut roots = RootCertStore::empty();
    for authority in certificates(pem, path)? {
        roots.add(authority).map_err(|_| unusable())?;
    }
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    if settings.client_certificates == ClientCertificates::Optional {
        builder = builder.allow_unauthenticated();
    }
    Ok(Some(builder.build().map_err(|_| unusable())?))
}
