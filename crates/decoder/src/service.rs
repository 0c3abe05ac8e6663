//! A decoder worker: consume, interpret, produce, and commit only what is produced.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use fleetwire_kafka::{
    ClientError, ClientSettings, Consumer, ConsumerOptions, DeliveryError, Done, Message, Monitor, Producer,
    Record, SendError, Start,
};
use fleetwire_model::{TYPE_HEADER, Topic, Topics};
use fleetwire_registry::{Catalogue, Devices};
use fleetwire_service::clock;
use fleetwire_service::health::{Condition, Health};
use fleetwire_service::stages::Stages;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::config::DecoderSettings;
use crate::interpret::{Interpreter, OutputKind, RawRecord};
use crate::metrics::DecoderMetrics;
use crate::pending::Pending;

/// Events wait for Kafka as long as librdkafka can: there is nobody to send them again but this process.
const DELIVERY_TIMEOUT: Duration = Duration::from_hours(1);
/// How long a wait for room takes before the stop is looked at.
const ROOM: Duration = Duration::from_millis(100);
/// How often the connection is looked at for readiness.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// Values of the type header.
const POSITION: &str = "fleetwire.v1.PositionEvent";
const DEVICE_EVENT: &str = "fleetwire.v1.DeviceEvent";
const DEAD_LETTER: &str = "fleetwire.v1.DeadLetter";

/// What a decoder needs from its process.
#[derive(Debug)]
pub struct Dependencies {
    /// How Kafka is reached.
    pub kafka: ClientSettings,
    /// Names of the topics.
    pub topics: Topics,
    /// The registry's devices.
    pub devices: Arc<Devices>,
    /// Their models.
    pub catalogue: Catalogue,
    /// Whether they are all known: before that, an activated device may look unknown.
    pub caught_up: watch::Receiver<bool>,
    /// Conditions of the process.
    pub health: Health,
    /// Build that events name.
    pub version: &'static str,
    /// How long a stop may take.
    pub grace: Duration,
}

/// Adds a decoder worker, as a stage of its own.
pub fn start(settings: &DecoderSettings, needs: Dependencies, stages: &mut Stages) -> Result<()> {
    let Dependencies { kafka, topics, devices, catalogue, mut caught_up, health, version, grace } = needs;
    let metrics = Arc::new(DecoderMetrics::new());
    let broken = Broken::default();
    let mut producing = kafka.clone();
    producing.producer.delivery_timeout = DELIVERY_TIMEOUT;
    let producer = Producer::new(&producing, {
        let (broken, metrics) = (broken.clone(), Arc::clone(&metrics));
        move |delivery, pending: Arc<Pending>| settle(delivery.outcome.err(), &pending, &broken, &metrics)
    })?;
    let consumer = join(settings, &kafka, &topics, grace)?;
    let monitor = consumer.monitor();
    let stop = stages.open("decoder");
    let mut worker = Worker {
        interpreter: Interpreter::new(devices, catalogue, settings.clock, version),
        names: Names::new(&topics),
        sender: Sender { producer, broken: broken.clone(), stop: stop.clone(), patience: grace.mul_f64(0.5) },
        metrics,
        broken: broken.clone(),
    };
    let condition = health.condition("kafka_consumer");
    stages.spawn("decoder readiness", watch_consumer(monitor, condition, broken.clone(), stop.clone()));
    stages.spawn("decoder worker", async move {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            known = caught_up.wait_for(|known| *known) => { known.context("the registry ended")?; }
        }
        let work = move || {
            let handle = Handle::current();
            consumer.run(&stop, |message, done| worker.take(&message, done, &handle))
        };
        tokio::task::spawn_blocking(work).await.context("the worker panicked")??;
        broken.check()
    });
    Ok(())
}

/// A member of the decoders' group.
fn join(
    settings: &DecoderSettings,
    kafka: &ClientSettings,
    topics: &Topics,
    grace: Duration,
) -> Result<Consumer, ClientError> {
    let options = ConsumerOptions {
        start: Start::Beginning,
        max_in_flight_records: settings.max_in_flight,
        // What remains of the grace is for the commit and the stages behind.
        drain_timeout: grace.mul_f64(0.7),
        ..ConsumerOptions::default()
    };
    let default_group = format!("{}-decoder", topics.prefix());
    let group = if settings.group.is_empty() { &default_group } else { &settings.group };
    Consumer::new(kafka, group, &[&topics.name(Topic::Raw)], options)
}

/// Why the decoder cannot go on, once it cannot.
#[derive(Debug, Clone, Default)]
struct Broken {
    reason: Arc<Mutex<Option<String>>>,
    told: CancellationToken,
}

impl Broken {
    fn tell(&self, reason: String) {
        error!(reason, "the decoder cannot go on");
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.told.cancel();
    }

    fn check(&self) -> Result<()> {
        match &*self.reason.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(reason) => bail!("{reason}"),
            None => Ok(()),
        }
    }
}

/// An event has its outcome. Runs on the producer's thread.
fn settle(failure: Option<DeliveryError>, pending: &Pending, broken: &Broken, metrics: &DecoderMetrics) {
    match failure {
        None => {
            if let Some(received_ms) = pending.one_stored() {
                let after = clock::unix_ms().saturating_sub(received_ms);
                metrics.produced(Duration::from_millis(u64::try_from(after).unwrap_or(0)));
            }
        }
        // The process ends anyway; the raw record is not committed and is decoded again.
        Some(DeliveryError::Ended) => {}
        Some(err) => broken.tell(format!("an event could not be written: {err}")),
    }
}

/// Full names of the topics that a decoder writes to.
#[derive(Debug)]
struct Names {
    positions: String,
    events: String,
    dead_letters: String,
}

impl Names {
    fn new(topics: &Topics) -> Self {
        Self {
            positions: topics.name(Topic::Positions),
            events: topics.name(Topic::DeviceEvents),
            dead_letters: topics.name(Topic::DeadLetters),
        }
    }

    /// The topic of an output, and the name of its message.
    fn of(&self, kind: OutputKind) -> (&str, &'static str) {
        match kind {
            OutputKind::Position => (&self.positions, POSITION),
            OutputKind::Event => (&self.events, DEVICE_EVENT),
            OutputKind::DeadLetter => (&self.dead_letters, DEAD_LETTER),
        }
    }
}

#[derive(Debug)]
struct Worker {
    interpreter: Interpreter,
    names: Names,
    sender: Sender,
    metrics: Arc<DecoderMetrics>,
    broken: Broken,
}

impl Worker {
    fn take(&mut self, message: &Message<'_>, done: Done, handle: &Handle) {
        let started = Instant::now();
        let record = RawRecord {
            topic: message.topic(),
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().unwrap_or_default(),
            value: message.payload().unwrap_or_default(),
        };
        let result = self.interpreter.interpret(record, clock::unix_ms());
        self.metrics.interpreted(&result, started.elapsed());
        let outputs = result.outputs();
        let pending = Arc::new(Pending::new(outputs.len(), result.received_ms, done));
        for output in outputs {
            let (topic, message) = self.names.of(output.kind);
            let record = Record {
                topic,
                key: Some(output.key),
                payload: Some(output.value),
                timestamp_ms: None,
                headers: &[(TYPE_HEADER, message.as_bytes())],
            };
            if let Err(err) = self.sender.send(record, &pending, handle) {
                self.broken.tell(format!("an event could not be handed to Kafka's client: {err}"));
                return;
            }
        }
    }
}

/// Hands events to Kafka's client.
#[derive(Debug)]
struct Sender {
    producer: Producer<Arc<Pending>>,
    broken: Broken,
    stop: CancellationToken,
    /// How long a stop waits for room.
    patience: Duration,
}

impl Sender {
    /// Hands an event over; where there is no room, waits: that is the backpressure.
    fn send(&self, record: Record<'_>, pending: &Arc<Pending>, handle: &Handle) -> Result<(), SendError> {
        let mut stopping = None;
        loop {
            match self.producer.send(record, Arc::clone(pending)) {
                Ok(()) => return Ok(()),
                Err((SendError::Full, _)) => {
                    if self.stop.is_cancelled() {
                        stopping.get_or_insert_with(Instant::now);
                    }
                    let too_late = stopping.is_some_and(|since| since.elapsed() > self.patience);
                    if too_late || self.broken.told.is_cancelled() {
                        return Err(SendError::Full);
                    }
                    handle.block_on(self.producer.room(ROOM));
                }
                Err((err, _)) => return Err(err),
            }
        }
    }
}

/// Keeps readiness true to the consumer's connection, and ends the process when the decoder is broken.
async fn watch_consumer(
    monitor: Monitor,
    condition: Condition,
    broken: Broken,
    stop: CancellationToken,
) -> Result<()> {
    let mut tick = interval(WATCH_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = broken.told.cancelled() => return broken.check(),
            _ = tick.tick() => {}
        }
        let connected = monitor.health().connected;
        if connected {
            condition.ready();
        } else {
            condition.not_ready("Kafka does not answer; raw publishes wait there");
        }
    }
}
