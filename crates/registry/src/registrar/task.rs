//! The work of a registrar: the records followed, and one batch of changes after the other.

use std::sync::Arc;
use std::time::Duration;

use fleetwire_kafka::{ReaderError, TailReader};
use fleetwire_model::{Topic, Topics};
use fleetwire_service::health::Pulse;
use tokio::sync::mpsc::Receiver;
use tokio::task::{JoinError, spawn_blocking};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use super::change::ChangeError;
use super::engine::Engine;
use super::follower::{Progress, follow};
use super::plan::Asked;
use super::rules::Rules;
use super::{Job, PATIENCE, RegistrarNeeds, RegistrarTask};
use crate::records::Records;

/// How long one attempt to open or to read the topic takes before the reason is told again.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Changes that are taken out of the queue together, about.
const BATCH: usize = 5_000;
/// How long Kafka may take for what is left at a stop.
const LAST: Duration = Duration::from_secs(5);

impl RegistrarTask {
    /// Follows the records and makes changes until told to stop; those that wait by then are made.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), ReaderError> {
        let Self { needs, records, .. } = &self;
        let (needs, records) = (needs.clone(), Arc::clone(records));
        let open = spawn_blocking({
            let (needs, stop) = (needs.clone(), stop.clone());
            move || open(&needs, &stop)
        });
        let Some(tail) = refuse_while(&mut self.jobs, open).await? else {
            return Ok(());
        };
        let following = Following::start(tail, records, needs.condition.pulse())?;
        let outcome = self.serve(&needs, &following, &stop).await;
        outcome.and(following.end().await)
    }

    async fn serve(
        &mut self,
        needs: &RegistrarNeeds,
        following: &Following,
        stop: &CancellationToken,
    ) -> Result<(), ReaderError> {
        let rules = Rules { accounts: needs.accounts.clone() };
        let engine = Engine::new(&needs.client, &needs.topics, rules, following.parts());
        let reading = spawn_blocking({
            let stop = stop.clone();
            move || first_read(&engine, &stop).map(|()| engine)
        });
        let mut engine = refuse_while(&mut self.jobs, reading).await?;
        // Not before changes are made, too.
        needs.condition.ready();
        info!(devices = following.records.len(), "the records of the device registry are read");
        loop {
            let job = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = following.ended.cancelled() => return Ok(()),
                job = self.jobs.recv() => job,
            };
            let Some(job) = job else {
                // Nobody is left who could ask.
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = following.ended.cancelled() => {}
                }
                return Ok(());
            };
            let batch = gather(job, &mut self.jobs);
            engine = blocking(move || work(engine, batch, PATIENCE)).await?;
        }
        self.jobs.close();
        while let Some(job) = self.jobs.recv().await {
            let batch = gather(job, &mut self.jobs);
            engine = blocking(move || work(engine, batch, LAST)).await?;
        }
        Ok(())
    }
}

/// The thread that follows the records, and what it shares.
#[derive(Debug)]
struct Following {
    tail: Arc<TailReader>,
    records: Arc<Records>,
    progress: Arc<Progress>,
    /// Stops it, also when whoever waits for it is dropped.
    stop: DropGuard,
    /// It has ended, by itself or because it was told to.
    ended: CancellationToken,
    thread: tokio::task::JoinHandle<Result<(), ReaderError>>,
}

impl Following {
    fn start(tail: TailReader, records: Arc<Records>, pulse: Pulse) -> Result<Self, ReaderError> {
        let progress = Arc::new(Progress::new(tail.positions()?));
        let (tail, stop, ended) = (Arc::new(tail), CancellationToken::new(), CancellationToken::new());
        let thread = spawn_blocking({
            let (tail, records, progress) = (Arc::clone(&tail), Arc::clone(&records), Arc::clone(&progress));
            let (stop, ended) = (stop.clone(), ended.clone().drop_guard());
            move || {
                let _ended = ended;
                follow(&tail, &records, &progress, (Some(&pulse), &stop))
            }
        });
        Ok(Self { tail, records, progress, stop: stop.drop_guard(), ended, thread })
    }

    fn parts(&self) -> (Arc<TailReader>, Arc<Records>, Arc<Progress>) {
        (Arc::clone(&self.tail), Arc::clone(&self.records), Arc::clone(&self.progress))
    }

    async fn end(self) -> Result<(), ReaderError> {
        drop(self.stop);
        self.thread.await.map_err(|error| panicked(&error)).flatten()
    }
}

/// Opens the topic; waits for Kafka, and says so. `None` is a stop.
pub(super) fn open(
    needs: &RegistrarNeeds,
    stop: &CancellationToken,
) -> Result<Option<TailReader>, ReaderError> {
    let topic = devices(&needs.topics);
    loop {
        match TailReader::new(&needs.client, &topic, ATTEMPT, stop) {
            Ok(reader) => return Ok(Some(reader)),
            Err(ReaderError::Stopped) => return Ok(None),
            Err(err @ (ReaderError::Unreachable(_) | ReaderError::NoSuchTopic(_))) => {
                warn!(%err, "the device registry cannot be read yet");
                needs.condition.not_ready(err.to_string());
            }
            Err(err) => return Err(err),
        }
        if stop.is_cancelled() {
            return Ok(None);
        }
    }
}

pub(super) fn devices(topics: &Topics) -> String {
    topics.name(Topic::Devices)
}

/// Reads what is there at the start.
fn first_read(engine: &Engine, stop: &CancellationToken) -> Result<(), ReaderError> {
    while !stop.is_cancelled() && !engine.catch_up(ATTEMPT)? {}
    Ok(())
}

/// Waits for what has to be there before changes can be made; those that are asked for meanwhile are refused.
async fn refuse_while<T>(
    jobs: &mut Receiver<Job>,
    mut work: tokio::task::JoinHandle<Result<T, ReaderError>>,
) -> Result<T, ReaderError> {
    loop {
        tokio::select! {
            done = &mut work => return done.map_err(|error| panicked(&error)).flatten(),
            Some(job) = jobs.recv() => {
                let reason = "the device registry is still being read; try again";
                let refused = vec![Err(ChangeError::Unavailable(reason.to_owned())); job.changes.len()];
                // Whoever asked may have gone.
                let _ = job.answer.send(refused);
            }
        }
    }
}

/// The job with others that wait, as far as they make a batch.
fn gather(first: Job, jobs: &mut Receiver<Job>) -> Vec<Job> {
    let mut changes = first.changes.len();
    let mut batch = vec![first];
    while changes < BATCH
        && let Ok(job) = jobs.try_recv()
    {
        changes += job.changes.len();
        batch.push(job);
    }
    batch
}

/// Makes the changes of a batch and answers.
fn work(mut engine: Engine, batch: Vec<Job>, patience: Duration) -> Engine {
    let asked: Vec<Asked<'_>> = batch
        .iter()
        .flat_map(|job| job.changes.iter().map(|change| Asked { change, who: &job.who }))
        .collect();
    let mut outcomes = engine.apply(&asked, patience).into_iter();
    for job in batch {
        let answer = outcomes.by_ref().take(job.changes.len()).collect();
        // Whoever asked may have gone.
        let _ = job.answer.send(answer);
    }
    engine
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ReaderError> {
    spawn_blocking(work).await.map_err(|error| panicked(&error))
}

fn panicked(error: &JoinError) -> ReaderError {
    ReaderError::Fatal(format!("the registrar's work panicked: {error}"))
}
