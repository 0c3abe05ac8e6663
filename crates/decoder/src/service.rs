//! A decoder worker: consume, interpret, produce, and commit only what is produced.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fleetwire_kafka::{
    ClientError, ClientSettings, Consumer, ConsumerOptions, Monitor, Start, Transformer, TransformerOptions,
};
use fleetwire_model::{Topic, Topics};
use fleetwire_registry::{Catalogue, Devices};
use fleetwire_service::health::Health;
use fleetwire_service::stages::Stages;
use fleetwire_trace::Tracer;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::at_least_once::{self, Sender};
use crate::config::DecoderSettings;
use crate::exactly_once::Transacting;
use crate::interpret::Interpreter;
use crate::lag::Lag;
use crate::metrics::DecoderMetrics;
use crate::readiness::Watch;
use crate::repeats::Repeats;
use crate::worker::{Names, Worker};
use fleetwire_service::broken::Broken;

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
    /// Whom to follow.
    pub tracer: Tracer,
    /// Conditions of the process.
    pub health: Health,
    /// Build that events name.
    pub version: &'static str,
    /// Name of this replica, for Kafka's transactions.
    pub replica: String,
    /// How long a stop may take.
    pub grace: Duration,
}

/// Adds a decoder worker, as a stage of its own.
pub fn start(settings: &DecoderSettings, needs: Dependencies, stages: &mut Stages) -> Result<()> {
    settings.check()?;
    let metrics = Arc::new(DecoderMetrics::new());
    let (broken, lag) = (Broken::new("the decoder"), Arc::new(Lag::default()));
    let stop = stages.open("decoder");
    let way = Way::open(settings, &needs, &metrics, &broken, &stop)?;
    let Dependencies { topics, devices, catalogue, mut caught_up, tracer, health, version, .. } = needs;
    let worker = Worker {
        interpreter: Interpreter::new(devices, catalogue, settings.clock, version)
            .with_foreign(settings.identity_mismatch),
        names: Names::new(&topics),
        repeats: Repeats::new(settings.repeats.window),
        monitor: way.monitor(),
        metrics: Arc::clone(&metrics),
        lag: Arc::clone(&lag),
        tracer,
        taken: 0,
    };
    let condition = health.condition("kafka_consumer");
    let loops = way.monitor();
    let vital = health.vital("kafka_consumer", move || loops.silence());
    let watch = Watch { monitor: way.monitor(), condition, metrics, lag, vital };
    stages.spawn("decoder readiness", watch.run(broken, stop.clone()));
    stages.spawn("decoder worker", async move {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            known = caught_up.wait_for(|known| *known) => { known.context("the registry ended")?; }
        }
        tokio::task::spawn_blocking(move || way.run(worker, &stop)).await.context("the worker panicked")?
    });
    Ok(())
}

/// How events reach Kafka.
#[derive(Debug)]
enum Way {
    AtLeastOnce(Consumer, Sender),
    ExactlyOnce(Transformer),
}

impl Way {
    fn open(
        settings: &DecoderSettings,
        needs: &Dependencies,
        metrics: &Arc<DecoderMetrics>,
        broken: &Broken,
        stop: &CancellationToken,
    ) -> Result<Self, ClientError> {
        let Dependencies { kafka, topics, grace, .. } = needs;
        let options = ConsumerOptions {
            start: Start::Beginning,
            max_in_flight_records: settings.max_in_flight,
            // What remains of the grace is for the commit and the stages behind.
            drain_timeout: grace.mul_f64(0.7),
            ..ConsumerOptions::default()
        };
        let (group, raw) = (settings.group(topics), topics.name(Topic::Raw));
        if settings.exactly_once {
            let options = ConsumerOptions { commit_interval: settings.transactions.interval, ..options };
            let transactions = TransformerOptions {
                transactional_id: settings.transactional_id(&group, &needs.replica),
                timeout: settings.transactions.timeout,
            };
            return Transformer::new(kafka, &group, &[&raw], options, transactions).map(Self::ExactlyOnce);
        }
        let patience = grace.mul_f64(0.5);
        let sender = Sender::new(kafka, Arc::clone(metrics), broken.clone(), stop.clone(), patience)?;
        Ok(Self::AtLeastOnce(Consumer::new(kafka, &group, &[&raw], options)?, sender))
    }

    fn monitor(&self) -> Monitor {
        match self {
            Self::AtLeastOnce(consumer, _) => consumer.monitor(),
            Self::ExactlyOnce(transformer) => transformer.monitor(),
        }
    }

    fn run(self, mut worker: Worker, stop: &CancellationToken) -> Result<()> {
        match self {
            Self::AtLeastOnce(consumer, sender) => at_least_once::run(consumer, &mut worker, &sender, stop),
            Self::ExactlyOnce(transformer) => Ok(transformer.run(stop, &mut Transacting::new(worker))?),
        }
    }
}
