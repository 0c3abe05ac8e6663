//! Where a replay puts what it makes: nowhere, standard output, or Kafka with the outcome of every record looked at.

use std::io::{BufWriter, Stdout, Write as _};

use anyhow::Result;
use fleetwire_kafka::Record;
use fleetwire_model::{TYPE_HEADER, Topic};

use crate::json::Json;
use crate::replay::today::{Kind, Made};
use crate::target::Target;
use crate::writer;

/// What to do when only some were written.
const AGAIN: &str = "Give the same command again: what is written twice has the same event_id";

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
            Self::Kafka(writer) => writer.inner.finish(),
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
    inner: writer::Writer,
    positions: String,
    events: String,
    dead_letters: Option<String>,
}

impl Writer {
    /// Writes to one topic, or to those that decoders write to. Needs a tokio runtime.
    pub(crate) fn new(target: &Target, one_topic: Option<&str>, letters: Letters) -> Result<Self> {
        let name = |topic| one_topic.map_or_else(|| target.topics.name(topic), str::to_owned);
        Ok(Self {
            inner: writer::Writer::new(&target.client, AGAIN)?,
            positions: name(Topic::Positions),
            events: name(Topic::DeviceEvents),
            dead_letters: (letters == Letters::Written).then(|| name(Topic::DeadLetters)),
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
        self.inner.put(record)
    }
}
