//! Why the ledger cannot go on, once it cannot; told by whichever thread notices.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;
use tracing::error;

/// The reason, shared by all threads of the ledger.
#[derive(Debug, Clone, Default)]
pub(crate) struct Broken {
    reason: Arc<Mutex<Option<String>>>,
    told: CancellationToken,
}

impl Broken {
    /// Tells a reason; the first one counts.
    pub(crate) fn tell(&self, reason: String) {
        error!(reason, "the gap ledger cannot go on");
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.told.cancel();
    }

    /// Waits for a reason.
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
