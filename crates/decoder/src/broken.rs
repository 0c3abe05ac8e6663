//! Why the decoder cannot go on, once it cannot: told by any thread, and the end of the process.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;
use tracing::error;

/// The first reason counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Broken {
    reason: Arc<Mutex<Option<String>>>,
    told: CancellationToken,
}

impl Broken {
    /// The decoder cannot go on.
    pub(crate) fn tell(&self, reason: String) {
        error!(reason, "the decoder cannot go on");
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.told.cancel();
    }

    /// Whether somebody told so.
    pub(crate) fn is_told(&self) -> bool {
        self.told.is_cancelled()
    }

    /// Waits until somebody tells so.
    pub(crate) async fn told(&self) {
        self.told.cancelled().await;
    }

    /// The reason as an error.
    pub(crate) fn check(&self) -> Result<()> {
        match &*self.reason.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(reason) => bail!("{reason}"),
            None => Ok(()),
        }
    }
}
