//! Changes of the registry: each is checked against the newest record of its device and written with its audit
//! event in one Kafka transaction, so that no change is lost to another.
//!
//! There is no leader. Whoever writes takes the one transactional id of the registry, which shuts out whoever had it
//! before, reads the topic to its end, and may then trust what it knows until somebody shuts it out in turn
//! (docs/decisions/0008-registry.md).

mod change;
mod engine;
mod follower;
mod judge;
mod metrics;
mod once;
mod plan;
mod rules;
mod task;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fleetwire_kafka::ClientSettings;
use fleetwire_model::Topics;
use fleetwire_service::health::Condition;
use tokio::sync::{mpsc, oneshot};

pub use change::{Applied, Change, ChangeError, Draft, Existing, OwnPassword, Patch, Who};
pub(crate) use metrics::METRICS;
pub use once::{Once, OnceError};
pub use rules::{MAX_GROUP, MAX_LABEL_KEY, MAX_LABEL_VALUE, MAX_LABELS, MAX_NAME};

use crate::records::Records;

/// Makes every handle, for the test that compares them with the list.
#[cfg(test)]
pub(crate) fn make_metrics() {
    drop(metrics::RegistrarMetrics::new());
}

/// What a registrar needs.
#[derive(Debug, Clone)]
pub struct RegistrarNeeds {
    /// How Kafka is reached.
    pub client: ClientSettings,
    /// Names of the topics.
    pub topics: Topics,
    /// Accounts that devices may connect under; `None` takes any name.
    pub accounts: Option<BTreeSet<String>>,
    /// Ready once all records are known. The name for it is "records".
    pub condition: Condition,
}

/// Changes the registry. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registrar {
    jobs: mpsc::Sender<Job>,
}

/// Changes that somebody waits for.
#[derive(Debug)]
struct Job {
    changes: Vec<Change>,
    who: Who,
    answer: oneshot::Sender<Vec<Result<Applied, ChangeError>>>,
}

/// The work of a registrar, to be run until the process ends.
#[derive(Debug)]
pub struct RegistrarTask {
    needs: RegistrarNeeds,
    records: Arc<Records>,
    jobs: mpsc::Receiver<Job>,
}

/// Jobs that may wait for their turn; whoever comes then waits for room.
const QUEUE: usize = 256;
/// How long a change may wait for Kafka.
const PATIENCE: Duration = Duration::from_secs(30);

impl Registrar {
    /// A registrar, the records that it keeps, and its work: [`RegistrarTask::run`] has to run for the other two to be
    /// of use, and must not be stopped before those who ask for changes.
    pub fn new(needs: RegistrarNeeds) -> (Self, Arc<Records>, RegistrarTask) {
        needs.condition.not_ready("the device registry is being read");
        let (sender, jobs) = mpsc::channel(QUEUE);
        let records = Arc::new(Records::default());
        let task = RegistrarTask { needs, records: Arc::clone(&records), jobs };
        (Self { jobs: sender }, records, task)
    }

    /// Makes changes, each on its own: one that is refused does not stop the others. Answers in their order, once all
    /// are durable and in the records. Those of one call that touch one device are made in their order. While Kafka is
    /// away it answers [`ChangeError::Unavailable`] after about half a minute.
    pub async fn apply(&self, changes: Vec<Change>, who: Who) -> Vec<Result<Applied, ChangeError>> {
        let count = changes.len();
        let unavailable = |reason: &str| vec![Err(ChangeError::Unavailable(reason.to_owned())); count];
        let (answer, answered) = oneshot::channel();
        let sent = self.jobs.send_timeout(Job { changes, who, answer }, PATIENCE).await;
        if sent.is_err() {
            return unavailable("the registry cannot be changed now: too many changes wait for Kafka");
        }
        answered.await.unwrap_or_else(|_| unavailable("this process is stopping"))
    }
}
