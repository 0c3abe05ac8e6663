//! Where a replay puts what it makes: nowhere, standard output, or Kafka with the outcome of every record looked at.

use std::io::{BufWriter, Stdout, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fleetwire_kafka::{Producer, Record, SendError};
use fleetwire_model::{TYPE_HEADER, Topic};
use tokio::runtime::Handle;

use crate::json::Json;
use crate::replay::today::{Kind, Made};
use crate::target::Target;

/// How long one wait for room takes before the outcomes are looked at.
const ROOM: Duration = Duration::from_millis(100);
/// How much longer than a delivery the last flush may take.
const FLUSH_EXTRA: Duration = Duration::from_secs(10);

/// Where outputs go.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Nothing is kept: a trial.
    Nothing,
    /// One JSON object a line.
    Stdout(Lines),
    /// Topics.
    Kafka(Writer),
}

/// What becomes of dead letters where the output is Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Letters {
    /// They are counted only.
    Counted,
    /// They are written too.
    Written,
}

impl Sink {
    /// Takes one output.
    pub(crate) fn put(&mut self, made: Made<'_>) -> Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Stdout(lines) => lines.put(made),
            Self::Kafka(writer) => writer.put(made),
        }
    }

    /// Waits until everything is where it belongs; returns how many records Kafka acknowledged.
    pub(crate) fn finish(self) -> Result<u64> {
        match self {
            Self::Nothing => Ok(0),
            Self::Stdout(mut lines) => {
                lines.out.flush()?;
                Ok(0)
            }
            Self::Kafka(writer) => writer.finish(),
        }
    }
}

/// Standard output: `{"position":{...}}`, `{"device_event":{...}}` or `{"dead_letter":{...}}` a line.
#[derive(Debug)]
pub(crate) struct Lines {
    json: Json,
    out: BufWriter<Stdout>,
}

impl Lines {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { json: Json::new()?, out: BufWriter::new(std::io::stdout()) })
    }

    fn put(&mut self, made: Made<'_>) -> Result<()> {
        let line = self.json.line_of(made.kind.message(), made.value)?;
        writeln!(self.out, "{{\"{}\":{line}}}", made.kind.name())?;
        Ok(())
    }
}

/// Writes to Kafka with `acks=all`.
#[derive(Debug)]
pub(crate) struct Writer {
    producer: Producer<()>,
    outcomes: Arc<Outcomes>,
    positions: String,
    events: String,
    dead_letters: Option<String>,
    flush: Duration,
    runtime: Handle,
}

#[derive(Debug, Default)]
struct Outcomes {
    delivered: AtomicU64,
    failed: AtomicU64,
    first: Mutex<Option<String>>,
}

impl Writer {
    /// Writes to one topic, or to those that decoders write to. Needs a tokio runtime.
    pub(crate) fn new(target: &Target, one_topic: Option<&str>, letters: Letters) -> Result<Self> {
        let outcomes = Arc::new(Outcomes::default());
        let producer = Producer::new(&target.client, {
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
        let name = |topic| one_topic.map_or_else(|| target.topics.name(topic), str::to_owned);
        Ok(Self {
            producer,
            outcomes,
            positions: name(Topic::Positions),
            events: name(Topic::DeviceEvents),
            dead_letters: (letters == Letters::Written).then(|| name(Topic::DeadLetters)),
            flush: target.client.producer.delivery_timeout + FLUSH_EXTRA,
            runtime: Handle::try_current().context("a writer needs a runtime")?,
        })
    }

    fn put(&self, made: Made<'_>) -> Result<()> {
        let topic = match made.kind {
            Kind::Position => &self.positions,
            Kind::Event => &self.events,
            Kind::DeadLetter => match &self.dead_letters {
                Some(topic) => topic,
                None => return Ok(()),
            },
        };
        let record = Record {
            topic,
            key: Some(made.key),
            payload: Some(made.value),
            timestamp_ms: None,
            headers: &[(TYPE_HEADER, made.kind.message().as_bytes())],
        };
        loop {
            self.check()?;
            match self.producer.send(record, ()) {
                Ok(()) => return Ok(()),
                // Each record that waits has an outcome within the delivery timeout, so this ends.
                Err((SendError::Full, ())) => {
                    self.runtime.block_on(self.producer.room(ROOM));
                }
                Err((err, ())) => bail!("an event could not be handed to Kafka's client: {err}"),
            }
        }
    }

    fn finish(self) -> Result<u64> {
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
        bail!(
            "{failed} events were not written ({reason}); others were. Give the same command again: what is \
             written twice has the same event_id"
        )
    }
}
