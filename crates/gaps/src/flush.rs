//! The writer: takes what changed and puts it into Kafka, states first, then gaps, then the offsets may go on.
//!
//! A state holds the changes of gaps that belong to it. So wherever a process ends, what is in the state topic is
//! the truth: either the positions are read again, or the changes are written again.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fleetwire_kafka::{DeliveryError, Producer, Record, SendError};
use fleetwire_model::{TYPE_HEADER, Topic, Topics};
use prost::Message as _;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::ledger::{Change, State};
use crate::worker::{Batch, Worker};
use fleetwire_service::broken::Broken;

/// How long a wait for room, or for an acknowledgement, takes before the stop is looked at.
const SLICE: Duration = Duration::from_millis(100);
/// How long a stopping writer waits for the consumer between two looks.
const REST: Duration = Duration::from_millis(20);

const GAP: &[u8] = b"fleetwire.v1.Gap";
const DEVICE_LEDGER: &[u8] = b"fleetwire.v1.DeviceLedger";

/// Records of a batch that have no outcome yet.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    left: Mutex<usize>,
    bell: Condvar,
}

impl Pending {
    fn begin(&self) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }

    fn end(&self) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.bell.notify_all();
        }
    }

    /// Waits for at most `limit`; true if nothing is left.
    fn wait(&self, limit: Duration) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(left, limit, |left| *left > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }
}

/// A record has its outcome. Runs on the producer's thread.
pub(crate) fn settle(failure: Option<DeliveryError>, pending: &Pending, broken: &Broken) {
    match failure {
        None => pending.end(),
        // The process ends anyway; the positions are not committed and are read again.
        Some(DeliveryError::Ended) => {}
        Some(err) => broken.tell(format!("a change could not be written: {err}")),
    }
}

/// Writes changes to Kafka.
#[derive(Debug)]
pub(crate) struct Writer {
    producer: Producer<Arc<Pending>>,
    gaps: String,
    states: String,
    broken: Broken,
    /// How long a stop waits for Kafka.
    patience: Duration,
    handle: Handle,
}

impl Writer {
    /// A writer; `patience` is how long a stop waits for Kafka.
    pub(crate) fn new(
        producer: Producer<Arc<Pending>>,
        topics: &Topics,
        broken: Broken,
        patience: Duration,
        handle: Handle,
    ) -> Self {
        let (gaps, states) = (topics.name(Topic::Gaps), topics.name(Topic::GapState));
        Self { producer, gaps, states, broken, patience, handle }
    }

    /// Writes batch after batch until the consumer has ended; blocks the thread.
    pub(crate) fn run(&self, worker: &Worker, every: Duration, ended: &CancellationToken) -> Result<()> {
        let mut stopping_since = None;
        loop {
            // Looked at first: what is there when the consumer has ended is all there is.
            let is_last = ended.is_cancelled();
            let Batch { changes, done } = worker.batch(Instant::now() + every);
            let is_empty = changes.is_empty() && done.is_empty();
            if let Err(err) = self.write(&changes, worker, &mut stopping_since) {
                worker.strand(done);
                if worker.is_stopping() {
                    warn!(%err, "stopped with changes unwritten; their positions are read again");
                } else {
                    self.broken.tell(format!("{err:#}"));
                }
                self.handle.block_on(ended.cancelled());
                return self.broken.check();
            }
            for record in done {
                record.complete();
            }
            if is_last && worker.is_stopping() {
                return Ok(());
            }
            if is_empty && worker.is_stopping() {
                std::thread::sleep(REST);
            }
        }
    }

    fn write(&self, changes: &[Change], worker: &Worker, stopping: &mut Option<Instant>) -> Result<()> {
        let pending = Arc::new(Pending::default());
        let mut going_on = || {
            if worker.is_stopping() && stopping.get_or_insert_with(Instant::now).elapsed() > self.patience {
                bail!("Kafka did not take everything in time");
            }
            self.broken.check()
        };
        for change in changes {
            let value = match &change.state {
                State::Keep => continue,
                State::Write(state) => Some(state.as_slice()),
                State::Forget => None,
            };
            let record = record(&self.states, &change.device, value, &[(TYPE_HEADER, DEVICE_LEDGER)]);
            self.send(record, &pending, &mut going_on)?;
        }
        while !pending.wait(SLICE) {
            going_on()?;
        }
        for change in changes {
            for gap in &change.gaps {
                let value = gap.encode_to_vec();
                let record = record(&self.gaps, &change.device, Some(&value), &[(TYPE_HEADER, GAP)]);
                self.send(record, &pending, &mut going_on)?;
            }
        }
        while !pending.wait(SLICE) {
            going_on()?;
        }
        Ok(())
    }

    /// Hands a record over; where there is no room, waits.
    fn send(
        &self,
        record: Record<'_>,
        pending: &Arc<Pending>,
        mut going_on: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        pending.begin();
        loop {
            match self.producer.send(record, Arc::clone(pending)) {
                Ok(()) => return Ok(()),
                Err((SendError::Full, _)) => {
                    going_on()?;
                    self.handle.block_on(self.producer.room(SLICE));
                }
                Err((err, _)) => bail!("a change could not be handed to Kafka's client: {err}"),
            }
        }
    }
}

fn record<'a>(
    topic: &'a str,
    device: &'a str,
    payload: Option<&'a [u8]>,
    headers: &'a [(&'a str, &'a [u8])],
) -> Record<'a> {
    Record { topic, key: Some(device.as_bytes()), payload, timestamp_ms: None, headers }
}
