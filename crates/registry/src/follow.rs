//! Following the registry topic into memory.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleetwire_kafka::{ClientSettings, Event, MissingTopic, Reader, ReaderError, ReaderOptions, Start};
use fleetwire_model::{Topic, Topics};
use fleetwire_service::clock;
use fleetwire_service::health::Condition;
use fleetwire_trace::Tracer;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::catalogue::Catalogue;
use crate::devices::Devices;
use crate::metrics::RegistryMetrics;

/// How long one attempt to open the topic takes before the reason is told again.
const ATTEMPT: Duration = Duration::from_secs(5);

/// A compacted topic that a process keeps in memory.
#[derive(Debug, Clone, Copy)]
pub struct Followed<'a> {
    /// How Kafka is reached.
    pub client: &'a ClientSettings,
    /// Full name of the topic.
    pub topic: &'a str,
    /// Not ready while the topic cannot be read. Whoever follows makes it ready, at [`Event::CaughtUp`].
    pub condition: &'a Condition,
}

impl Followed<'_> {
    /// Hands every record of the topic to `handler`, from its beginning, until told to stop; blocks. While Kafka or the
    /// topic is away it waits, and says so.
    pub fn follow(
        self,
        stop: &CancellationToken,
        mut handler: impl FnMut(&Event<'_>),
    ) -> Result<(), ReaderError> {
        let options =
            ReaderOptions { start: Start::Beginning, missing: MissingTopic::Wait, ready_timeout: ATTEMPT };
        let pulse = self.condition.pulse();
        let reader = loop {
            pulse.beat();
            match Reader::new(self.client, self.topic, options, stop) {
                Ok(reader) => break reader,
                Err(ReaderError::Stopped) => return Ok(()),
                Err(err @ (ReaderError::Unreachable(_) | ReaderError::NoSuchTopic(_))) => {
                    warn!(%err, topic = self.topic, "a topic that is kept in memory cannot be read yet");
                    self.condition.not_ready(err.to_string());
                }
                Err(err) => return Err(err),
            }
        };
        reader.run(stop, |event| {
            pulse.beat();
            handler(&event);
            ControlFlow::Continue(())
        })
    }
}

/// The registry of this process, kept up to date by [`Registry::follow`].
#[derive(Debug)]
pub struct Registry {
    client: ClientSettings,
    topic: String,
    devices: Arc<Devices>,
    tracer: Tracer,
    caught_up: watch::Sender<bool>,
    condition: Condition,
    metrics: RegistryMetrics,
    start: Instant,
}

impl Registry {
    /// An empty registry of the models of a catalogue; its condition is ready once it has caught up.
    pub fn new(client: ClientSettings, topics: &Topics, catalogue: Catalogue, condition: Condition) -> Self {
        condition.not_ready("the device registry is being read");
        Self {
            client,
            topic: topics.name(Topic::Devices),
            devices: Arc::new(Devices::new(catalogue)),
            tracer: Tracer::off(),
            caught_up: watch::Sender::new(false),
            condition,
            metrics: RegistryMetrics::new(),
            start: Instant::now(),
        }
    }

    /// The same, which tells the tracer whom to follow: that is in the same topic.
    #[must_use]
    pub fn with_tracer(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// The devices, as far as they are known by now.
    pub fn devices(&self) -> Arc<Devices> {
        Arc::clone(&self.devices)
    }

    /// Becomes true when everything that was in the topic at the start is known.
    pub fn caught_up(&self) -> watch::Receiver<bool> {
        self.caught_up.subscribe()
    }

    /// Follows the topic until told to stop; blocks. While Kafka or the topic is away it waits, and says so.
    pub fn follow(&self, stop: &CancellationToken) -> Result<(), ReaderError> {
        let what = Followed { client: &self.client, topic: &self.topic, condition: &self.condition };
        what.follow(stop, |event| self.take(event))
    }

    fn take(&self, event: &Event<'_>) {
        match event {
            Event::Record(record)
                if self.tracer.apply(record.key().unwrap_or_default(), record.payload()) => {}
            Event::Record(record) => {
                let applied = self.devices.apply(record.key().unwrap_or_default(), record.payload());
                self.metrics.updates.increment(1);
                if let Err(err) = applied {
                    self.metrics.unusable.increment(1);
                    let device = String::from_utf8_lossy(record.key().unwrap_or_default());
                    warn!(%err, %device, offset = record.offset(), "a record of the device registry is not usable");
                }
                // While catching up these change with every record and nobody needs them.
                if *self.caught_up.borrow() {
                    self.metrics.applied(&self.devices, record.timestamp_ms(), clock::unix_ms());
                }
            }
            Event::CaughtUp => {
                let took = self.start.elapsed();
                info!(devices = self.devices.len(), ?took, "the device registry is read");
                self.metrics.loaded(&self.devices, took);
                self.condition.ready();
                self.caught_up.send_replace(true);
            }
            Event::Idle => self.tracer.sweep(),
        }
    }
}
