//! Statuses of commands, followed as they come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use fleetwire_kafka::{ClientSettings, TailReader};
use fleetwire_model::pb::{CommandState, CommandStatus};
use prost::Message as _;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_mins(1);

/// What the statuses of one command say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Life {
    /// Sequence number, state, and whether it is the last one, in the order of the topic.
    pub steps: Vec<(u32, CommandState, bool)>,
    /// Number by which the device tells it apart, where a status named it.
    pub unique_id: Option<u32>,
    /// Attempts to deliver it.
    pub attempts: u32,
    /// Statuses whose number differs from that of the ones before.
    pub other_unique_ids: u32,
}

impl Life {
    /// Its first terminal state.
    pub fn terminal(&self) -> Option<CommandState> {
        self.steps.iter().find(|(_, _, terminal)| *terminal).map(|(_, state, _)| *state)
    }

    /// Takes the next status.
    pub fn take(&mut self, status: &CommandStatus) {
        self.steps.push((status.sequence, status.state(), status.terminal));
        self.attempts = self.attempts.max(status.attempts);
        let differs =
            self.unique_id.is_some() && status.unique_id.is_some() && self.unique_id != status.unique_id;
        self.other_unique_ids += u32::from(differs);
        self.unique_id = status.unique_id.or(self.unique_id);
    }
}

/// By command id.
pub type Lives = HashMap<String, Life>;

/// Follows the topic of statuses on a thread of its own.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    lives: Mutex<Lives>,
    stop: AtomicBool,
}

impl Shared {
    fn lives(&self) -> MutexGuard<'_, Lives> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follower {
    /// Follows from the beginning.
    pub fn start(client: &ClientSettings, topic: &str) -> Result<Self> {
        let reader = TailReader::new(client, topic, PATIENCE, &CancellationToken::new())?;
        let shared = Arc::<Shared>::default();
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                while !shared.stop.load(Relaxed) {
                    let Some(record) = reader.next(Duration::from_millis(200))? else { continue };
                    let status = record.payload().map(CommandStatus::decode);
                    let status = status.ok_or_else(|| anyhow!("a status without a value"))??;
                    shared.lives().entry(status.command_id.clone()).or_default().take(&status);
                }
                Ok(())
            }
        });
        Ok(Self { shared, thread })
    }

    /// What is known of a command so far.
    pub fn life(&self, id: &str) -> Option<Life> {
        self.shared.lives().get(id).cloned()
    }

    /// Commands with a terminal status.
    pub fn terminal(&self) -> usize {
        self.shared.lives().values().filter(|life| life.terminal().is_some()).count()
    }

    /// Ends it; everything that it saw.
    pub fn finish(self) -> Result<Lives> {
        self.shared.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| anyhow!("the follower panicked"))??;
        Ok(std::mem::take(&mut *self.shared.lives()))
    }
}
