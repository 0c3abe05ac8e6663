//! Changes made once, by a command that has no service around it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fleetwire_kafka::{ClientSettings, ReaderError, TailReader};
use fleetwire_model::Topics;
use tokio_util::sync::CancellationToken;

use super::change::{Applied, Change, ChangeError, Who};
use super::engine::Engine;
use super::follower::{Progress, follow};
use super::plan::Asked;
use super::rules::Rules;
use super::task::devices;
use crate::records::Records;

/// Reads the registry, makes changes, and ends. Accounts are not checked.
#[derive(Debug, Clone, Copy)]
pub struct Once<'a> {
    /// How Kafka is reached.
    pub client: &'a ClientSettings,
    /// Names of the topics.
    pub topics: &'a Topics,
    /// How long Kafka may do nothing.
    pub limit: Duration,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// The registry cannot be read.
    #[error(transparent)]
    Read(#[from] ReaderError),
    /// It took too long.
    #[error("the device registry was not read within {0:?}")]
    TooSlow(Duration),
}

impl Once<'_> {
    /// Makes changes, as [`Registrar::apply`](super::Registrar::apply) does; blocks.
    pub fn apply(
        &self,
        changes: &[Change],
        who: &Who,
    ) -> Result<Vec<Result<Applied, ChangeError>>, OnceError> {
        let stop = CancellationToken::new();
        let tail = Arc::new(TailReader::new(self.client, &devices(self.topics), self.limit, &stop)?);
        let (records, progress) = (Arc::new(Records::default()), Arc::new(Progress::new(tail.positions()?)));
        let parts = (Arc::clone(&tail), Arc::clone(&records), Arc::clone(&progress));
        let mut engine = Engine::new(self.client, self.topics, Rules::default(), parts);
        thread::scope(|scope| {
            let following = scope.spawn(|| follow(&tail, &records, &progress, (None, &stop)));
            // Also when the other half panics, so that the scope ends.
            let _ends = stop.clone().drop_guard();
            let deadline = Instant::now() + self.limit;
            while !engine.catch_up(self.limit.min(Duration::from_secs(1)))? {
                if following.is_finished() {
                    break;
                }
                if Instant::now() >= deadline {
                    return Err(OnceError::TooSlow(self.limit));
                }
            }
            let asked: Vec<_> = changes.iter().map(|change| Asked { change, who }).collect();
            let outcomes = engine.apply(&asked, self.limit);
            stop.cancel();
            match following.join() {
                Ok(followed) => Ok(followed.map(|()| outcomes)?),
                Err(_) => Err(ReaderError::Fatal("the follower of the registry panicked".to_owned()).into()),
            }
        })
    }
}
