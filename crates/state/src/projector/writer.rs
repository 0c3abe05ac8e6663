//! The writer: puts device states into Kafka, and then lets the offsets of their positions go on.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fleetwire_kafka::{Delivered, DeliveryError, Producer, Record, SendError};
use fleetwire_model::{DeviceId, TYPE_HEADER};
use fleetwire_service::broken::Broken;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Batch, Projector};

/// How long a wait for room, or for an acknowledgement, takes before the stop is looked at.
const SLICE: Duration = Duration::from_millis(100);
/// How long the writer rests when nothing is to be written.
const REST: Duration = Duration::from_millis(50);

const DEVICE_STATE: &[u8] = b"fleetwire.v1.DeviceState";

/// Records of a batch that have no outcome yet, and where the others are.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    inner: Mutex<Outcomes>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Outcomes {
    left: usize,
    /// The highest offset of each partition.
    offsets: HashMap<i32, i64>,
}

impl Pending {
    fn begin(&self) {
        self.lock().left += 1;
    }

    fn end(&self, delivered: Delivered) {
        let mut inner = self.lock();
        let offset = inner.offsets.entry(delivered.partition).or_insert(delivered.offset);
        *offset = delivered.offset.max(*offset);
        inner.left = inner.left.saturating_sub(1);
        if inner.left == 0 {
            self.bell.notify_all();
        }
    }

    /// Waits for at most `limit`; true if nothing is left.
    fn wait(&self, limit: Duration) -> bool {
        let waited = self.bell.wait_timeout_while(self.lock(), limit, |inner| inner.left > 0);
        waited.unwrap_or_else(PoisonError::into_inner).0.left == 0
    }

    fn lock(&self) -> MutexGuard<'_, Outcomes> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A record has its outcome. Runs on the producer's thread.
pub(crate) fn settle(outcome: &Result<Delivered, DeliveryError>, pending: &Pending, broken: &Broken) {
    match outcome {
        Ok(delivered) => pending.end(*delivered),
        // The process ends anyway; the positions are not committed and are read again.
        Err(DeliveryError::Ended) => {}
        Err(err) => broken.tell(format!("a device state could not be written: {err}")),
    }
}

/// Writes device states.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) producer: Producer<Arc<Pending>>,
    pub(crate) topic: String,
    pub(crate) broken: Broken,
    /// How long a stop waits for Kafka.
    pub(crate) patience: Duration,
    pub(crate) handle: Handle,
}

impl Writer {
    /// Writes batch after batch until the consumer has ended; blocks the thread.
    pub(crate) fn run(&self, projector: &Projector, ended: &CancellationToken) -> Result<()> {
        let mut stopping_since = None;
        loop {
            // Looked at first: what is there when the consumer has ended is all there is.
            let is_last = ended.is_cancelled();
            let Batch { states, done } = projector.batch();
            let is_empty = states.is_empty();
            match self.write(&states, projector, &mut stopping_since) {
                Ok(offsets) => {
                    projector.wrote(&offsets);
                    projector.metrics.written.increment(states.len() as u64);
                    for position in done {
                        position.complete();
                    }
                }
                Err(err) => {
                    projector.strand(done);
                    if projector.is_stopping() {
                        warn!(%err, "stopped with states unwritten; their positions are read again");
                    } else {
                        self.broken.tell(format!("{err:#}"));
                    }
                    self.handle.block_on(ended.cancelled());
                    return self.broken.check();
                }
            }
            if is_last && is_empty {
                return self.broken.check();
            }
            if is_empty {
                std::thread::sleep(REST);
            }
        }
    }

    /// Where the states are, once Kafka has them all.
    fn write(
        &self,
        states: &[(DeviceId, Vec<u8>)],
        projector: &Projector,
        stopping: &mut Option<Instant>,
    ) -> Result<HashMap<i32, i64>> {
        let pending = Arc::new(Pending::default());
        let mut going_on = || {
            if projector.is_stopping() && stopping.get_or_insert_with(Instant::now).elapsed() > self.patience
            {
                bail!("Kafka did not take everything in time");
            }
            self.broken.check()
        };
        for (device, value) in states {
            let record = Record {
                topic: &self.topic,
                key: Some(device.as_str().as_bytes()),
                payload: Some(value),
                timestamp_ms: None,
                headers: &[(TYPE_HEADER, DEVICE_STATE)],
            };
            self.send(record, &pending, &mut going_on)?;
        }
        while !pending.wait(SLICE) {
            going_on()?;
        }
        let offsets = std::mem::take(&mut pending.lock().offsets);
        Ok(offsets)
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
                Err((err, _)) => bail!("a device state could not be handed to Kafka's client: {err}"),
            }
        }
    }
}
