//! Keeps what is served with up to date with the files.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{task::spawn_blocking, time::interval};
use tokio_rustls::rustls::ServerConfig;
use tracing::{error, info};

use super::{TlsError, TlsSettings, config, files::Files};
use crate::observer::{Event, Observer};

/// The files are not looked at more often.
const SHORTEST: Duration = Duration::from_millis(10);

/// The configuration in use, and what it was made of.
pub(in crate::server) struct Keeper {
    settings: TlsSettings,
    current: RwLock<Arc<ServerConfig>>,
    files: RwLock<Files>,
    observer: Arc<dyn Observer>,
}

impl Keeper {
    /// Reads the files. Blocks.
    pub(in crate::server) fn new(
        settings: TlsSettings,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, TlsError> {
        let files = Files::read(&settings)?;
        let loaded = config::load(&settings, &files)?;
        observer.on(Event::CertificateLoaded { not_after: loaded.not_after });
        Ok(Self { settings, current: RwLock::new(loaded.config), files: RwLock::new(files), observer })
    }

    /// What the next connection is served with.
    pub(in crate::server) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the files now and then, for ever. Their content is compared, so that it does not matter how they
    /// are replaced.
    pub(in crate::server) async fn follow(self: Arc<Self>) {
        let mut tick = interval(self.settings.reload_every.max(SHORTEST));
        // Files that are refused are refused once, not at each look.
        let mut refused = None;
        loop {
            tick.tick().await;
            let keeper = Arc::clone(&self);
            let Ok(seen) = spawn_blocking(move || Files::read(&keeper.settings)).await else {
                continue;
            };
            let outcome = match seen {
                Ok(files) if self.is_served(&files) => {
                    refused = None;
                    continue;
                }
                Ok(files) if refused.as_ref() == Some(&Some(files.clone())) => continue,
                Err(_) if refused == Some(None) => continue,
                Ok(files) => self.take(&files).map_err(|err| (err, Some(files))),
                Err(err) => Err((err, None)),
            };
            if let Err((err, files)) = outcome {
                error!(
                    error = &err as &dyn std::error::Error,
                    "new certificate files are refused; the old ones serve on"
                );
                self.observer.on(Event::CertificateRefused);
                refused = Some(files);
            }
        }
    }

    fn is_served(&self, files: &Files) -> bool {
        *self.files.read().unwrap_or_else(PoisonError::into_inner) == *files
    }

    /// Serves new connections with other files from now on. Connections that are open keep theirs.
    fn take(&self, files: &Files) -> Result<(), TlsError> {
        let loaded = config::load(&self.settings, files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded.config;
        self.files.write().unwrap_or_else(PoisonError::into_inner).clone_from(files);
        info!(not_after = loaded.not_after, "new certificate files are taken");
        self.observer.on(Event::CertificateLoaded { not_after: loaded.not_after });
        Ok(())
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("settings", &self.settings).finish_non_exhaustive()
    }
}
