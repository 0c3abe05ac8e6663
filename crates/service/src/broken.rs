//! Why a part of a process cannot go on, once it cannot: told by whichever thread notices, and the end of the process.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use tokio_util::sync::CancellationToken;
use tracing::error;

/// The reason, shared by all threads of a part; the first one counts.
#[derive(Debug, Clone)]
pub struct Broken {
    part: &'static str,
    reason: Arc<Mutex<Option<String>>>,
    told: CancellationToken,
}

impl Broken {
    /// Nothing is wrong yet with a part, for example "the decoder".
    pub fn new(part: &'static str) -> Self {
        Self { part, reason: Arc::default(), told: CancellationToken::new() }
    }

    /// The part cannot go on.
    pub fn tell(&self, reason: String) {
        error!(reason, "{} cannot go on", self.part);
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.told.cancel();
    }

    /// Whether somebody told so.
    pub fn is_told(&self) -> bool {
        self.told.is_cancelled()
    }

    /// Waits until somebody tells so.
    pub async fn told(&self) {
        self.told.cancelled().await;
    }

    /// The reason as an error.
    pub fn check(&self) -> Result<()> {
        match &*self.reason.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(reason) => bail!("{reason}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_counts() {
        let broken = Broken::new("a test");
        assert!(!broken.is_told() && broken.check().is_ok());
        broken.clone().tell("one".to_owned());
        broken.tell("two".to_owned());
        assert_eq!(broken.check().unwrap_err().to_string(), "one");
        assert!(broken.is_told());
    }
}
