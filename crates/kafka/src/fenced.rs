//! A writer that is alone: whoever takes its id shuts out whoever had it before, and from then on knows that nobody
//! else of the id has written anything.
//!
//! What it writes is one transaction at a time. The rest of what a process must know before it writes (what is there
//! already) is to be read after [`FencedWriter::take`]: by then the transactions of earlier holders are decided.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::error::{ClientError, DeliveryError, SendError};
use crate::producer::{Delivered, Delivery, Producer, Record};
use crate::settings::ClientSettings;

/// How long one call to Kafka may block.
const SLICE: Duration = Duration::from_millis(500);
/// Between two attempts that failed at once.
const PAUSE: Duration = Duration::from_millis(10);
/// How long an undoing may take before it is left to Kafka.
const UNDO: Duration = Duration::from_secs(2);

/// Why nothing was written, or why nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FencedError {
    /// A client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The id is not held: it was not taken yet, or somebody else has taken it. Nothing was written.
    #[error("another process writes")]
    Fenced,
    /// Kafka did not answer in time. Nothing was written.
    #[error("Kafka does not answer: {0}")]
    Unreachable(String),
    /// Kafka refused, and will again. Nothing was written.
    #[error("Kafka refuses to write: {0}")]
    Refused(String),
    /// A record, or a batch of records, is larger than Kafka takes. Nothing was written.
    #[error("a record is larger than Kafka takes")]
    TooLarge,
    /// Something else went wrong; it may go well the next time. Nothing was written.
    #[error("a transaction was undone: {0}")]
    Undone(String),
    /// Kafka was told to commit, and nobody knows whether it did. [`FencedWriter::take`] decides it: from then on the
    /// records are where they were delivered to, or never will be.
    #[error("Kafka did not say whether it has committed")]
    Unknown,
}

/// Which record of which transaction.
#[derive(Debug, Clone, Copy)]
struct Place {
    transaction: u64,
    index: usize,
}

/// What became of the records of the newest transaction.
#[derive(Debug, Default)]
struct Outcomes {
    transaction: u64,
    of: Vec<Option<Result<Delivered, DeliveryError>>>,
}

enum Standing {
    /// The id is not ours.
    Out,
    /// It was asked for.
    Asking(Producer<Place>),
    /// It is ours, as far as is known.
    Holding(Producer<Place>),
    /// It is ours, and a transaction is open.
    Open(Producer<Place>),
}

/// Writes under an id that one process at a time has.
pub struct FencedWriter {
    settings: ClientSettings,
    id: String,
    timeout: Duration,
    standing: Standing,
    outcomes: Arc<Mutex<Outcomes>>,
}

impl FencedWriter {
    /// A writer that does not hold the id yet. Kafka undoes a transaction that nobody ends after `timeout`; for so long
    /// can a process that died hold readers back, unless somebody takes the id.
    pub fn new(settings: &ClientSettings, id: &str, timeout: Duration) -> Self {
        Self {
            settings: settings.clone(),
            id: id.to_owned(),
            timeout,
            standing: Standing::Out,
            outcomes: Arc::default(),
        }
    }

    /// Whether the id is held, as far as is known: somebody may have taken it without our having written since.
    pub const fn is_held(&self) -> bool {
        matches!(self.standing, Standing::Holding(_) | Standing::Open(_))
    }

    /// Takes the id, from whoever has it. Everything that an earlier holder wrote is then decided. What ran out of time
    /// goes on where it was with the next call.
    pub fn take(&mut self, limit: Duration) -> Result<(), FencedError> {
        let deadline = Instant::now() + limit;
        let producer = match std::mem::replace(&mut self.standing, Standing::Out) {
            Standing::Asking(producer) => producer,
            Standing::Out | Standing::Holding(_) | Standing::Open(_) => {
                let producer = self.producer()?;
                producer.wait_for_broker(limit.min(SLICE));
                producer
            }
        };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match producer.init_transactions(left.clamp(PAUSE, SLICE)) {
                Ok(()) => {
                    self.standing = Standing::Holding(producer);
                    return Ok(());
                }
                Err(error) => error,
            };
            match meaning(&error) {
                Meaning::Wait if left.is_zero() => {
                    self.standing = Standing::Asking(producer);
                    return Err(FencedError::Unreachable(error.to_string()));
                }
                Meaning::Wait => thread::sleep(PAUSE.min(left)),
                Meaning::Fenced => return Err(FencedError::Fenced),
                Meaning::Undo | Meaning::Broken => return Err(FencedError::Refused(error.to_string())),
            }
        }
    }

    /// Opens a transaction with these records, and waits until Kafka has them all. Returns where they are to be once
    /// [`Self::commit`] has made them visible. On an error the transaction is undone.
    pub fn send(&mut self, records: &[Record<'_>], limit: Duration) -> Result<Vec<Delivered>, FencedError> {
        let deadline = Instant::now() + limit;
        let producer = match std::mem::replace(&mut self.standing, Standing::Out) {
            Standing::Holding(producer) => producer,
            Standing::Out | Standing::Asking(_) | Standing::Open(_) => return Err(FencedError::Fenced),
        };
        producer.begin_transaction().map_err(|error| self.failed(&error))?;
        match self.fill(&producer, records, deadline) {
            Ok(delivered) => {
                self.standing = Standing::Open(producer);
                Ok(delivered)
            }
            Err(error) => {
                // A producer that cannot undo is dropped, and what is open with it: the next one to take the id ends it.
                if producer.abort_transaction(UNDO).is_ok() {
                    self.standing = Standing::Holding(producer);
                }
                Err(error)
            }
        }
    }

    /// Makes the open transaction visible.
    pub fn commit(&mut self, limit: Duration) -> Result<(), FencedError> {
        let deadline = Instant::now() + limit;
        let Standing::Open(producer) = std::mem::replace(&mut self.standing, Standing::Out) else {
            return Err(FencedError::Undone("there is no transaction".to_owned()));
        };
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match producer.commit_transaction(left.clamp(PAUSE, SLICE)) {
                Ok(()) => {
                    self.standing = Standing::Holding(producer);
                    return Ok(());
                }
                Err(error) => error,
            };
            tracing::debug!(%error, id = self.id, "a commit has failed");
            match meaning(&error) {
                Meaning::Wait if !left.is_zero() => thread::sleep(PAUSE.min(left)),
                // Kafka takes the undoing only of what is not committed.
                Meaning::Undo if producer.abort_transaction(UNDO).is_ok() => {
                    self.standing = Standing::Holding(producer);
                    return Err(FencedError::Undone(error.to_string()));
                }
                _ => return Err(FencedError::Unknown),
            }
        }
    }

    /// Sends the records and waits for where each of them is.
    fn fill(
        &self,
        producer: &Producer<Place>,
        records: &[Record<'_>],
        deadline: Instant,
    ) -> Result<Vec<Delivered>, FencedError> {
        let transaction = {
            let mut outcomes = self.outcomes();
            outcomes.transaction += 1;
            outcomes.of = vec![None; records.len()];
            outcomes.transaction
        };
        for (index, record) in records.iter().enumerate() {
            while let Err((error, _)) = producer.send(*record, Place { transaction, index }) {
                if error != SendError::Full || Instant::now() >= deadline {
                    return Err(refusal(error));
                }
                // Its result is the next attempt's.
                let _ = producer.flush_transaction(PAUSE);
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let flushed = producer.flush_transaction(left);
        self.delivered(flushed)
    }

    /// Where each record is, or why not all of them are anywhere.
    fn delivered(&self, flushed: Result<(), KafkaError>) -> Result<Vec<Delivered>, FencedError> {
        let missing =
            flushed.err().map_or_else(|| "a record has no outcome".to_owned(), |error| error.to_string());
        let (mut delivered, mut problem) = (Vec::new(), None);
        for outcome in &self.outcomes().of {
            let error = match outcome {
                Some(Ok(place)) => {
                    delivered.push(*place);
                    continue;
                }
                Some(Err(error)) => failure(*error),
                None => FencedError::Unreachable(missing.clone()),
            };
            // Where one record fails others do, and only the first to fail has the reason.
            if problem.as_ref().is_none_or(|known| rank(&error) < rank(known)) {
                problem = Some(error);
            }
        }
        problem.map_or(Ok(delivered), Err)
    }

    fn producer(&self) -> Result<Producer<Place>, ClientError> {
        let outcomes = Arc::clone(&self.outcomes);
        let note = move |delivery: Delivery<'_>, place: Place| {
            let mut outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            let is_newest = outcomes.transaction == place.transaction;
            if let Some(outcome) = outcomes.of.get_mut(place.index).filter(|_| is_newest) {
                *outcome = Some(delivery.outcome);
            }
        };
        Ok(Producer::transactional(&self.settings, &self.id, self.timeout, note)?.replaceable())
    }

    fn failed(&self, error: &KafkaError) -> FencedError {
        tracing::debug!(%error, id = self.id, "a transaction could not begin");
        match meaning(error) {
            Meaning::Fenced => FencedError::Fenced,
            _ => FencedError::Undone(error.to_string()),
        }
    }

    fn outcomes(&self) -> MutexGuard<'_, Outcomes> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FencedWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FencedWriter")
            .field("id", &self.id)
            .field("held", &self.is_held())
            .finish_non_exhaustive()
    }
}

/// What an error of librdkafka means for who gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Nothing: the time of the call was over.
    Wait,
    /// What was sent cannot be committed.
    Undo,
    /// Somebody else has the id, or Kafka has given the transaction up.
    Fenced,
    /// The producer cannot go on.
    Broken,
}

fn meaning(error: &KafkaError) -> Meaning {
    let KafkaError::Transaction(found) = error else {
        return Meaning::Wait;
    };
    let is_fencing = matches!(found.code(), Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch);
    if is_fencing {
        Meaning::Fenced
    } else if found.is_fatal() {
        Meaning::Broken
    } else if found.txn_requires_abort() {
        Meaning::Undo
    } else if found.is_retriable() {
        Meaning::Wait
    } else {
        Meaning::Broken
    }
}

fn refusal(error: SendError) -> FencedError {
    match error {
        SendError::TooLarge => FencedError::TooLarge,
        SendError::UnknownTopic => FencedError::Refused(error.to_string()),
        SendError::Full => FencedError::Unreachable(error.to_string()),
        // A producer that was shut out takes nothing any more.
        SendError::Fatal => FencedError::Fenced,
        SendError::Other(_) => FencedError::Undone(error.to_string()),
    }
}

fn failure(error: DeliveryError) -> FencedError {
    match error {
        DeliveryError::TooLarge => FencedError::TooLarge,
        DeliveryError::UnknownTopic | DeliveryError::Auth => FencedError::Refused(error.to_string()),
        DeliveryError::TimedOut => FencedError::Unreachable(error.to_string()),
        DeliveryError::Fatal | DeliveryError::Other(Code::ProducerFenced | Code::InvalidProducerEpoch) => {
            FencedError::Fenced
        }
        // What is purged is of a transaction that cannot be committed: the reason is with another record, or it is
        // that somebody else has the id.
        DeliveryError::Ended | DeliveryError::NotEnoughReplicas | DeliveryError::Other(_) => {
            FencedError::Undone(error.to_string())
        }
    }
}

/// How much an error tells of why a transaction failed; the lowest tells most.
const fn rank(error: &FencedError) -> u8 {
    match error {
        FencedError::TooLarge | FencedError::Refused(_) | FencedError::Client(_) => 0,
        FencedError::Fenced => 1,
        FencedError::Unreachable(_) | FencedError::Unknown => 2,
        FencedError::Undone(_) => 3,
    }
}
