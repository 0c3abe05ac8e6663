//! The way with acknowledgements: an offset is committed once everything made of the records before it is in Kafka.
//! What was made and not committed is made again, with the same ids.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use fleetwire_kafka::{
    ClientError, ClientSettings, Consumer, DeliveryError, Done, Message, Producer, Record, SendError,
};
use fleetwire_service::clock;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::metrics::DecoderMetrics;
use crate::pending::Pending;
use crate::trail::Trail;
use crate::worker::{Sink, Worker};
use fleetwire_service::broken::Broken;

/// Events wait for Kafka as long as librdkafka can: there is nobody to send them again but this process.
const DELIVERY_TIMEOUT: Duration = Duration::from_hours(1);
/// How long a wait for room takes before the stop is looked at.
const ROOM: Duration = Duration::from_millis(100);

/// Hands events to Kafka's client.
#[derive(Debug)]
pub(crate) struct Sender {
    producer: Producer<Arc<Pending>>,
    broken: Broken,
    stop: CancellationToken,
    /// How long a stop waits for room.
    patience: Duration,
}

impl Sender {
    /// A sender with its producer.
    pub(crate) fn new(
        kafka: &ClientSettings,
        metrics: Arc<DecoderMetrics>,
        broken: Broken,
        stop: CancellationToken,
        patience: Duration,
    ) -> Result<Self, ClientError> {
        let mut settings = kafka.clone();
        settings.producer.delivery_timeout = DELIVERY_TIMEOUT;
        let told = broken.clone();
        let producer = Producer::new(&settings, move |delivery, pending: Arc<Pending>| {
            pending.delivered(&delivery);
            settle(delivery.outcome.err(), &pending, &told, &metrics);
        })?;
        Ok(Self { producer, broken, stop, patience })
    }

    /// Hands an event over; where there is no room, waits: that is the backpressure.
    fn send(&self, record: Record<'_>, pending: &Arc<Pending>, handle: &Handle) -> Result<(), SendError> {
        let mut stopping = None;
        pending.one_more();
        loop {
            match self.producer.send(record, Arc::clone(pending)) {
                Ok(()) => return Ok(()),
                Err((SendError::Full, _)) => {
                    if self.stop.is_cancelled() {
                        stopping.get_or_insert_with(Instant::now);
                    }
                    let too_late = stopping.is_some_and(|since| since.elapsed() > self.patience);
                    if too_late || self.broken.is_told() {
                        return Err(SendError::Full);
                    }
                    handle.block_on(self.producer.room(ROOM));
                }
                Err((err, _)) => return Err(err),
            }
        }
    }
}

/// Reads, interprets and sends until the stop.
pub(crate) fn run(
    consumer: Consumer,
    worker: &mut Worker,
    sender: &Sender,
    stop: &CancellationToken,
) -> Result<()> {
    let handle = Handle::current();
    consumer.run(stop, |message, done| take(worker, sender, &message, done, &handle))?;
    sender.broken.check()
}

fn take(worker: &mut Worker, sender: &Sender, message: &Message<'_>, done: Done, handle: &Handle) {
    let mut sink = Outgoing { sender, handle, raw: Raw::Taken(Some(done)) };
    let sent = worker.work(message, &mut sink);
    match (sent, sink.raw) {
        (Ok(()), Raw::Sending(pending)) => settled(&pending, &worker.metrics),
        (Ok(()), Raw::Taken(_)) => {}
        (Err(err), _) => {
            sender.broken.tell(format!("an event could not be handed to Kafka's client: {err}"));
        }
    }
}

/// The events of one raw record on their way out.
struct Outgoing<'a> {
    sender: &'a Sender,
    handle: &'a Handle,
    raw: Raw,
}

enum Raw {
    Taken(Option<Done>),
    Sending(Arc<Pending>),
}

impl Sink for Outgoing<'_> {
    fn begin(&mut self, received_ms: i64, trail: Option<Box<Trail>>) {
        if let Raw::Taken(done) = &mut self.raw
            && let Some(done) = done.take()
        {
            self.raw = Raw::Sending(Arc::new(Pending::new(received_ms, trail, done)));
        }
    }

    fn repeats(&mut self, count: u32) {
        if let Raw::Sending(pending) = &self.raw {
            pending.repeats(count);
        }
    }

    fn send(&mut self, record: Record<'_>) -> Result<(), SendError> {
        match &self.raw {
            Raw::Sending(pending) => self.sender.send(record, pending, self.handle),
            Raw::Taken(_) => Err(SendError::Fatal),
        }
    }
}

/// An event has its outcome. Runs on the producer's thread.
fn settle(failure: Option<DeliveryError>, pending: &Pending, broken: &Broken, metrics: &DecoderMetrics) {
    match failure {
        None => settled(pending, metrics),
        // The process ends anyway; the raw record is not committed and is decoded again.
        Some(DeliveryError::Ended) => {}
        Some(err) => broken.tell(format!("an event could not be written: {err}")),
    }
}

fn settled(pending: &Pending, metrics: &DecoderMetrics) {
    if let Some(received_ms) = pending.one_settled() {
        metrics.produced(received_ms, clock::unix_ms());
    }
}
