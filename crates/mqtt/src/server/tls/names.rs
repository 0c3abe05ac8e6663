//! The names in a client certificate, which rustls has verified by then.

use std::net::{Ipv4Addr, Ipv6Addr};

use x509_parser::{extensions::GeneralName, parse_x509_certificate};

use crate::access::ClientCertificate;

/// More names than this are not looked at.
const MAX_NAMES: usize = 32;

/// Reads the subject's common name and its alternative names; `None` if that fails.
pub(super) fn read(certificate: &[u8]) -> Option<ClientCertificate> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let common_name = certificate.subject().iter_common_name().next();
    let common_name = common_name.and_then(|name| name.as_str().ok()).map(str::to_owned);
    let alternative = certificate.subject_alternative_name().ok()?;
    let names = alternative.iter().flat_map(|names| &names.value.general_names);
    let alternative_names = names.filter_map(text).take(MAX_NAMES).collect();
    Some(ClientCertificate { common_name, alternative_names })
}

fn text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::URI(text) | GeneralName::RFC822Name(text) => {
            Some((*text).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
            let v6 = || <[u8; 16]>::try_from(*bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
            v4.or_else(|_| v6()).ok()
        }
        _ => None,
    }
}
