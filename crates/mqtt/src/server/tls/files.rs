//! Reads certificate files: small, whole, and comparable.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use super::{TlsError, TlsSettings};

/// No certificate file is larger.
const MAX_FILE: u64 = 1024 * 1024;

/// What the files hold.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) client_ca: Option<Vec<u8>>,
}

impl Files {
    /// Reads all of them. Blocks.
    pub(super) fn read(settings: &TlsSettings) -> Result<Self, TlsError> {
        Ok(Self {
            certificate: read(&settings.certificate)?,
            key: read(&settings.key)?,
            client_ca: settings.client_ca.as_deref().map(read).transpose()?,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut content));
    read.map_err(unreadable)?;
    if content.len() as u64 > MAX_FILE {
        return Err(unreadable(io::ErrorKind::FileTooLarge.into()));
    }
    Ok(content)
}
