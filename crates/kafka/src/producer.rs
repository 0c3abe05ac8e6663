//! The producer: every record taken comes back exactly once, with what became of it.
//!
//! Settings that are fixed: `acks=all` and `enable.idempotence` (durable, and a retry neither repeats nor reorders),
//! `partitioner=murmur2_random` (as Java clients). Records of one key keep the order of their `send` calls; a record
//! that failed leaves a gap, and sending it again puts it behind those that followed it.

mod in_flight;
mod transactional;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, Message as _, Statistics};
use tokio_util::sync::CancellationToken;

use crate::client::{self, Connection};
use crate::error::{ClientError, DeliveryError, FlushError, SendError};
use crate::heart;
use crate::metrics::ProducerMetrics;
use crate::settings::{ClientSettings, ProducerSettings};
use in_flight::InFlight;

/// What to send. It is copied, so buffers can be used again at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Record<'a> {
    /// Name of the topic.
    pub topic: &'a str,
    /// Decides the partition and so the order; without one the partition is random.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// Milliseconds since 1970, UTC; the time of the call if not given.
    pub timestamp_ms: Option<i64>,
    /// What tools filter on without decoding.
    pub headers: &'a [(&'a str, &'a [u8])],
}

/// Where a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Number of the partition.
    pub partition: i32,
    /// Offset in the partition.
    pub offset: i64,
}

/// What became of a record, with the record while the call lasts.
#[derive(Debug)]
pub struct Delivery<'a> {
    /// Its place in Kafka, or why it has none.
    pub outcome: Result<Delivered, DeliveryError>,
    message: &'a BorrowedMessage<'a>,
}

impl Delivery<'_> {
    /// Name of the topic.
    pub fn topic(&self) -> &str {
        self.message.topic()
    }

    /// The record's key.
    pub fn key(&self) -> Option<&[u8]> {
        self.message.key()
    }

    /// The record's value.
    pub fn payload(&self) -> Option<&[u8]> {
        self.message.payload()
    }
}

/// An idempotent producer with bounds. `O` travels with each record and comes back with its outcome.
pub struct Producer<O: Send + 'static> {
    inner: ThreadedProducer<Context<O>>,
    shared: Arc<Shared>,
}

/// What senders, the poll thread and waiting tasks share.
#[derive(Debug)]
struct Shared {
    in_flight: InFlight,
    failed: AtomicBool,
    fatal: CancellationToken,
    connection: Connection,
    metrics: ProducerMetrics,
    /// Its owner makes another when it has failed: that is no reason to end, and nothing for an operator.
    is_replaceable: AtomicBool,
    /// Records sent, to choose those that are timed.
    sent: AtomicU32,
}

/// Travels through librdkafka beside a record.
struct Travelling<O> {
    /// librdkafka's wrapper wants `Sync`; nobody else ever holds the lock.
    opaque: Mutex<O>,
    bytes: usize,
    /// When it was sent, of the records that are timed.
    sent: Option<Instant>,
}

/// One record of so many is timed: reading the clock twice and keeping the time costs a tenth of a record.
const TIMED: u32 = 8;

type Handler<O> = Box<dyn Fn(Delivery<'_>, O) + Send + Sync>;

struct Context<O> {
    shared: Arc<Shared>,
    handler: Handler<O>,
}

impl<O: Send + 'static> Producer<O> {
    /// Starts a producer; it connects by itself, so Kafka may be down. `handler` gets every outcome, on the poll
    /// thread: it must not block, and it may call [`Self::send`].
    pub fn new(
        settings: &ClientSettings,
        handler: impl Fn(Delivery<'_>, O) + Send + Sync + 'static,
    ) -> Result<Self, ClientError> {
        Self::start(&settings.producer_config()?, &settings.producer, handler)
    }

    fn start(
        config: &ClientConfig,
        limits: &ProducerSettings,
        handler: impl Fn(Delivery<'_>, O) + Send + Sync + 'static,
    ) -> Result<Self, ClientError> {
        let shared = Arc::new(Shared {
            in_flight: InFlight::new(limits.max_in_flight_records, limits.max_in_flight_bytes),
            failed: AtomicBool::new(false),
            fatal: CancellationToken::new(),
            connection: Connection::default(),
            metrics: ProducerMetrics::register(),
            is_replaceable: AtomicBool::new(false),
            sent: AtomicU32::new(0),
        });
        let context = Context { shared: Arc::clone(&shared), handler: Box::new(handler) };
        Ok(Self { inner: ThreadedProducer::from_config_and_context(config, context)?, shared })
    }

    /// Hands a record over without waiting. On an error the opaque comes straight back and the handler hears nothing.
    pub fn send(&self, record: Record<'_>, opaque: O) -> Result<(), (SendError, O)> {
        self.send_to(None, record, opaque)
    }

    /// As [`Self::send`], to a partition that is named, whatever the key says.
    pub(crate) fn send_to(
        &self,
        partition: Option<i32>,
        record: Record<'_>,
        opaque: O,
    ) -> Result<(), (SendError, O)> {
        let refuse = |error: SendError, opaque: O| {
            self.shared.metrics.refused(error);
            Err((error, opaque))
        };
        if self.shared.failed.load(Ordering::Relaxed) {
            return refuse(SendError::Fatal, opaque);
        }
        let bytes = record.key.map_or(0, <[u8]>::len) + record.payload.map_or(0, <[u8]>::len);
        if !self.shared.in_flight.take(bytes) {
            return refuse(SendError::Full, opaque);
        }
        let is_timed = self.shared.sent.fetch_add(1, Ordering::Relaxed).is_multiple_of(TIMED);
        let sent = is_timed.then(Instant::now);
        let travelling = Box::new(Travelling { opaque: Mutex::new(opaque), bytes, sent });
        let mut message = BaseRecord::<[u8], [u8], _>::with_opaque_to(record.topic, travelling);
        message.partition = partition;
        message.key = record.key;
        message.payload = record.payload;
        message.timestamp = record.timestamp_ms;
        message.headers = headers(record.headers);
        match self.inner.send(message) {
            Ok(()) => Ok(()),
            Err((error, message)) => {
                self.shared.in_flight.give_back(bytes);
                refuse(SendError::from(&error), message.delivery_opaque.into_opaque())
            }
        }
    }

    /// Waits until a record that was refused as [`SendError::Full`] is worth another try, at most `limit`. `false`
    /// says that the time is over. Needs a tokio runtime with time.
    pub async fn room(&self, limit: Duration) -> bool {
        heart::beat();
        self.shared.in_flight.room(limit).await
    }

    /// Records without an outcome.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.records()
    }

    /// Whether a broker answered lately.
    pub fn connected(&self) -> bool {
        self.shared.connection.is_up()
    }

    /// Cancelled when the producer cannot go on (an idempotence error, or a panic in the handler): end the process.
    pub fn fatal(&self) -> CancellationToken {
        self.shared.fatal.clone()
    }

    /// Waits until every record has its outcome; blocks the thread for at most `limit`.
    pub fn flush(&self, limit: Duration) -> Result<(), FlushError> {
        // The poll thread hands the outcomes on; librdkafka's own flush also cuts the linger short.
        let _ = self.inner.flush(limit);
        match self.in_flight() {
            0 => Ok(()),
            left => Err(FlushError { left }),
        }
    }
}

impl<O: Send + 'static> fmt::Debug for Producer<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("in_flight", &self.in_flight())
            .field("connected", &self.connected())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn fail(&self, reason: &str) {
        if self.failed.swap(true, Ordering::Relaxed) {
            return;
        }
        if self.is_replaceable.load(Ordering::Relaxed) {
            tracing::debug!(reason, "a Kafka producer has to be replaced");
        } else {
            tracing::error!(reason, "the Kafka producer has failed for good");
        }
        self.fatal.cancel();
    }
}

impl<O> Travelling<O> {
    fn into_opaque(self) -> O {
        self.opaque.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Send + 'static> ClientContext for Context<O> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        client::log(level, facility, text);
    }

    fn stats(&self, statistics: Statistics) {
        let in_flight = (self.shared.in_flight.records(), self.shared.in_flight.bytes());
        let rtt_us = self.shared.connection.observe(&statistics);
        self.shared.metrics.observe(&statistics, rtt_us, in_flight);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        use rdkafka::error::RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            Some(Code::Fatal | Code::Fenced) => self.shared.fail(reason),
            Some(Code::AllBrokersDown) => self.shared.connection.set_down(reason),
            _ => tracing::debug!(%error, reason, "Kafka producer"),
        }
    }
}

impl<O: Send + 'static> ProducerContext for Context<O> {
    type DeliveryOpaque = Box<Travelling<O>>;

    fn delivery(&self, result: &DeliveryResult<'_>, travelling: Self::DeliveryOpaque) {
        let shared = &self.shared;
        let bytes = travelling.bytes;
        if let Some(sent) = travelling.sent {
            shared.metrics.delivery_seconds.record(sent.elapsed());
        }
        let (outcome, message) = match result {
            Ok(message) => {
                shared.metrics.delivered();
                let delivered = Delivered { partition: message.partition(), offset: message.offset() };
                (Ok(delivered), message)
            }
            Err((error, message)) => {
                let error = DeliveryError::from(error);
                shared.metrics.failed(error);
                if error == DeliveryError::Fatal {
                    shared.fail("a record was refused for good");
                }
                (Err(error), message)
            }
        };
        let delivery = Delivery { outcome, message };
        let opaque = travelling.into_opaque();
        // A panic here would end the poll thread, and with it every later outcome, in silence.
        if catch_unwind(AssertUnwindSafe(|| (self.handler)(delivery, opaque))).is_err() {
            shared.fail("the handler of outcomes panicked");
        }
        shared.in_flight.give_back(bytes);
    }
}

fn headers(pairs: &[(&str, &[u8])]) -> Option<OwnedHeaders> {
    if pairs.is_empty() {
        return None;
    }
    let headers = OwnedHeaders::new_with_capacity(pairs.len());
    Some(
        pairs
            .iter()
            .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(*value) })),
    )
}
