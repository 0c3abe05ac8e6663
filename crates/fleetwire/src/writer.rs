//! Writes records to Kafka with `acks=all`, and looks at the outcome of every one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fleetwire_kafka::{ClientSettings, Producer, Record, SendError};
use tokio::runtime::Handle;

/// How long one wait for room takes before the outcomes are looked at.
const ROOM: Duration = Duration::from_millis(100);
/// How much longer than a delivery the last flush may take.
const FLUSH_EXTRA: Duration = Duration::from_secs(10);

/// Writes, and fails with the first record that was not written.
#[derive(Debug)]
pub(crate) struct Writer {
    producer: Producer<()>,
    outcomes: Arc<Outcomes>,
    flush: Duration,
    runtime: Handle,
    /// What the person should do when some records were written and others were not.
    then: &'static str,
}

#[derive(Debug, Default)]
struct Outcomes {
    delivered: AtomicU64,
    failed: AtomicU64,
    first: Mutex<Option<String>>,
}

impl Writer {
    /// Connects by itself. Needs a tokio runtime.
    pub(crate) fn new(client: &ClientSettings, then: &'static str) -> Result<Self> {
        let outcomes = Arc::new(Outcomes::default());
        let producer = Producer::new(client, {
            let outcomes = Arc::clone(&outcomes);
            move |delivery, ()| match delivery.outcome {
                Ok(_) => {
                    outcomes.delivered.fetch_add(1, Ordering::Relaxed);
                }
                Err(err) => {
                    outcomes.failed.fetch_add(1, Ordering::Relaxed);
                    let mut first = outcomes.first.lock().unwrap_or_else(PoisonError::into_inner);
                    first.get_or_insert_with(|| format!("{}: {err}", delivery.topic()));
                }
            }
        })?;
        Ok(Self {
            producer,
            outcomes,
            flush: client.producer.delivery_timeout + FLUSH_EXTRA,
            runtime: Handle::try_current().context("a writer needs a runtime")?,
            then,
        })
    }

    /// Hands a record over; waits while too many are under way.
    pub(crate) fn put(&self, record: Record<'_>) -> Result<()> {
        loop {
            self.check()?;
            match self.producer.send(record, ()) {
                Ok(()) => return Ok(()),
                // Each record that waits has an outcome within the delivery timeout, so this ends.
                Err((SendError::Full, ())) => {
                    self.runtime.block_on(self.producer.room(ROOM));
                }
                Err((err, ())) => bail!("a record could not be handed to Kafka's client: {err}"),
            }
        }
    }

    /// Waits until Kafka has everything; returns how many records that are.
    pub(crate) fn finish(self) -> Result<u64> {
        let flushed = self.producer.flush(self.flush);
        self.check()?;
        flushed.context("Kafka did not acknowledge everything in time")?;
        Ok(self.outcomes.delivered.load(Ordering::Relaxed))
    }

    /// Fails if a record has failed.
    fn check(&self) -> Result<()> {
        let failed = self.outcomes.failed.load(Ordering::Relaxed);
        if failed == 0 {
            return Ok(());
        }
        let first = self.outcomes.first.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = first.as_deref().unwrap_or("unknown");
        bail!("{failed} records were not written ({reason}); others were. {}", self.then)
    }
}
