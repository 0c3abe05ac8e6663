//! A reader without a group: all partitions of a topic, from its beginning or its end, and word when it has caught
//! up with what was there at the start. For what a process keeps in memory, and for looking.

mod partition;
mod since;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tokio_util::sync::CancellationToken;

use crate::client::QuietContext;
use crate::consumer::Start;
use crate::error::ClientError;
use crate::heart;
use crate::message::Message;
use crate::settings::ClientSettings;

/// How a reader starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderOptions {
    /// Where it starts.
    pub start: Start,
    /// What to do while Kafka has no such topic.
    pub missing: MissingTopic,
    /// How long the start may take, with Kafka down or the topic missing.
    pub ready_timeout: Duration,
}

impl Default for ReaderOptions {
    fn default() -> Self {
        Self { start: Start::Beginning, missing: MissingTopic::Fail, ready_timeout: Duration::from_secs(30) }
    }
}

/// What to do while Kafka has no such topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingTopic {
    /// Fail at once.
    Fail,
    /// Wait for it, as long as the start may take.
    Wait,
}

/// What a reader has to say.
#[derive(Debug)]
pub enum Event<'a> {
    /// The next record. Order holds within a partition.
    Record(Message<'a>),
    /// Everything that was there at the start has been read. Comes once.
    CaughtUp,
    /// Nothing came in time.
    Idle,
}

/// Why a reader cannot start or go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReaderError {
    /// The client could not be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Kafka has no such topic.
    #[error("Kafka has no topic {0}: create it with `fleetwire topics apply`")]
    NoSuchTopic(String),
    /// Kafka did not answer in time.
    #[error("Kafka did not answer in time: {0}")]
    Unreachable(String),
    /// The stop came first.
    #[error("stopped before it was ready")]
    Stopped,
    /// librdkafka cannot go on.
    #[error("the Kafka reader has failed for good: {0}")]
    Fatal(String),
}

impl ConsumerContext for QuietContext {}

/// Reads all partitions of one topic.
pub struct Reader {
    inner: BaseConsumer<QuietContext>,
    topic: String,
    /// Where each partition must get to before it has caught up: the end as it was at the start.
    behind: RefCell<HashMap<i32, i64>>,
    told: Cell<bool>,
}

/// What one answer may take.
pub(crate) const ASK: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(100);

impl Reader {
    /// Starts reading; waits for Kafka (and the topic, where the options say so) until the deadline or the stop.
    pub fn new(
        settings: &ClientSettings,
        topic: &str,
        options: ReaderOptions,
        stop: &CancellationToken,
    ) -> Result<Self, ReaderError> {
        // librdkafka wants a group for any consumer; this one joins none and commits nothing.
        let mut config = settings.consumer_config("fleetwire-reader").map_err(ClientError::from)?;
        config.set("enable.partition.eof", "true").set("auto.offset.reset", "earliest");
        let inner =
            BaseConsumer::from_config_and_context(&config, QuietContext).map_err(ClientError::from)?;
        let reader =
            Self { inner, topic: topic.to_owned(), behind: RefCell::default(), told: Cell::new(false) };
        let deadline = Instant::now() + options.ready_timeout;
        let partitions = retry(deadline, stop, options.missing, || partitions(&reader.inner, topic))?;
        let mut assignment = TopicPartitionList::with_capacity(partitions);
        for number in (0..).take(partitions) {
            let (low, high) =
                retry(deadline, stop, options.missing, || watermarks(&reader.inner, topic, number))?;
            let from = match options.start {
                Start::Beginning => Offset::Beginning,
                // Not "the end", which would be wherever it is when the broker answers.
                Start::End => Offset::Offset(high),
            };
            assignment
                .add_partition_offset(topic, number, from)
                .map_err(|error| ReaderError::Fatal(error.to_string()))?;
            if options.start == Start::Beginning && high > low {
                reader.behind.borrow_mut().insert(number, high);
            }
        }
        reader.inner.assign(&assignment).map_err(|error| ReaderError::Fatal(error.to_string()))?;
        Ok(reader)
    }

    /// The next event, waited for at most `wait`. Kafka being down is [`Event::Idle`]: it is tried again for ever.
    pub fn next(&self, wait: Duration) -> Result<Event<'_>, ReaderError> {
        heart::beat();
        let deadline = Instant::now() + wait;
        loop {
            if self.behind.borrow().is_empty() && !self.told.replace(true) {
                return Ok(Event::CaughtUp);
            }
            match self.inner.poll(deadline.saturating_duration_since(Instant::now())) {
                Some(Ok(message)) => {
                    let message = Message::new(message);
                    self.reached(message.partition(), Some(message.offset() + 1));
                    return Ok(Event::Record(message));
                }
                // The end of a partition counts where compaction or a transaction left no last record.
                Some(Err(KafkaError::PartitionEOF(partition))) => self.reached(partition, None),
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    return Err(ReaderError::Fatal(code.to_string()));
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, topic = self.topic, "reading failed; tried again");
                }
                None => {}
            }
            if Instant::now() >= deadline {
                return Ok(Event::Idle);
            }
        }
    }

    /// Hands every event to `handler` until the stop, or until `handler` answers [`std::ops::ControlFlow::Break`].
    /// [`Event::Idle`] comes about every 100 ms when nothing else does.
    pub fn run(
        &self,
        stop: &CancellationToken,
        mut handler: impl FnMut(Event<'_>) -> std::ops::ControlFlow<()>,
    ) -> Result<(), ReaderError> {
        while !stop.is_cancelled() {
            if handler(self.next(AGAIN)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Partitions that have not caught up yet.
    pub fn partitions_behind(&self) -> usize {
        self.behind.borrow().len()
    }

    fn reached(&self, partition: i32, next_offset: Option<i64>) {
        let mut behind = self.behind.borrow_mut();
        if behind.is_empty() {
            return;
        }
        let there = behind.get(&partition).is_some_and(|end| next_offset.is_none_or(|next| next >= *end));
        if there {
            behind.remove(&partition);
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("topic", &self.topic)
            .field("partitions_behind", &self.partitions_behind())
            .finish_non_exhaustive()
    }
}

/// How many partitions the topic has.
pub(crate) fn partitions(client: &BaseConsumer<QuietContext>, topic: &str) -> Result<usize, ReaderError> {
    let metadata = client.fetch_metadata(Some(topic), ASK).map_err(|error| classify(topic, &error))?;
    let found = metadata.topics().first().filter(|found| found.error().is_none());
    match found.map(|found| found.partitions().len()) {
        Some(count) if count > 0 => Ok(count),
        _ => Err(ReaderError::NoSuchTopic(topic.to_owned())),
    }
}

/// The oldest offset that is kept, and the next one to be written.
pub(crate) fn watermarks(
    client: &BaseConsumer<QuietContext>,
    topic: &str,
    partition: i32,
) -> Result<(i64, i64), ReaderError> {
    client.fetch_watermarks(topic, partition, ASK).map_err(|error| classify(topic, &error))
}

pub(crate) fn classify(topic: &str, error: &KafkaError) -> ReaderError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => {
            ReaderError::NoSuchTopic(topic.to_owned())
        }
        _ => ReaderError::Unreachable(error.to_string()),
    }
}

/// Asks until there is an answer that does not pass by itself, the deadline, or the stop.
pub(crate) fn retry<T>(
    deadline: Instant,
    stop: &CancellationToken,
    missing: MissingTopic,
    mut ask: impl FnMut() -> Result<T, ReaderError>,
) -> Result<T, ReaderError> {
    loop {
        heart::beat();
        let error = match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let passing = match &error {
            ReaderError::Unreachable(_) => true,
            ReaderError::NoSuchTopic(_) => missing == MissingTopic::Wait,
            _ => false,
        };
        if !passing || Instant::now() >= deadline {
            return Err(error);
        }
        if stop.is_cancelled() {
            return Err(ReaderError::Stopped);
        }
        std::thread::sleep(AGAIN);
    }
}
