//! The service: reads positions, keeps the ledger, and commits only what is written.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fleetwire_kafka::{ClientError, ClientSettings, Consumer, ConsumerOptions, Producer, Start};
use fleetwire_model::{Topic, Topics};
use fleetwire_service::health::{Condition, Health, Vital};
use fleetwire_service::stages::Stages;
use tokio::runtime::Handle;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::config::GapsSettings;
use crate::flush::{Pending, Writer, settle};
use crate::rules::Rules;
use crate::state::StateReader;
use crate::worker::{Pace, Worker};
use fleetwire_service::broken::Broken;

/// Changes wait for Kafka as long as librdkafka can: there is nobody to send them again but this process.
const DELIVERY_TIMEOUT: Duration = Duration::from_hours(1);
/// How often readiness is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// What a gap ledger needs from its process.
#[derive(Debug)]
pub struct Dependencies {
    /// How Kafka is reached.
    pub kafka: ClientSettings,
    /// Names of the topics.
    pub topics: Topics,
    /// Conditions of the process.
    pub health: Health,
    /// How long a stop may take.
    pub grace: Duration,
}

/// Adds a gap ledger, as a stage of its own. The settings are checked.
pub fn start(settings: &GapsSettings, needs: Dependencies, stages: &mut Stages) -> Result<()> {
    let Dependencies { kafka, topics, health, grace } = needs;
    let broken = Broken::new("the gap ledger");
    let producer = producer(&kafka, &broken)?;
    let consumer = join(settings, &kafka, &topics, grace)?;
    let stop = stages.open("gaps");
    let condition = health.condition("gaps");
    let reader = StateReader {
        client: kafka,
        positions: topics.name(Topic::Positions),
        states: topics.name(Topic::GapState),
        max_devices: settings.max_devices,
        condition: condition.clone(),
        stop: stop.clone(),
    };
    let pace = Pace {
        max_devices: settings.max_devices,
        // Half of what may be in the works is written while the other half comes.
        max_pending: settings.max_in_flight.div_ceil(2),
        scan_interval: settings.scan_interval,
    };
    let worker =
        Arc::new(Worker::new(Rules::new(settings), reader, consumer.monitor(), broken.clone(), pace));
    let ended = CancellationToken::new();
    let monitor = consumer.monitor();
    let vital = health.vital("gaps", move || monitor.silence());
    let watched = (Arc::clone(&worker), vital);
    stages.spawn("gap ledger readiness", watch(watched, condition, broken.clone(), stop.clone()));
    let writer = Writer::new(producer, &topics, broken.clone(), grace.mul_f64(0.5), Handle::current());
    let every = settings.flush_interval;
    stages.spawn_blocking("gap ledger writer", {
        let (worker, ended) = (Arc::clone(&worker), ended.clone());
        move || writer.run(&worker, every, &ended)
    });
    stages.spawn_blocking("gap ledger", move || {
        // However this thread ends, the writer learns it.
        let _ended = ended.drop_guard();
        if !worker.check_partitions()? {
            return Ok(());
        }
        consumer
            .run(&stop, |message, done| worker.take(&message, done))
            .context("positions cannot be read")?;
        broken.check()
    });
    Ok(())
}

fn producer(kafka: &ClientSettings, broken: &Broken) -> Result<Producer<Arc<Pending>>, ClientError> {
    let mut producing = kafka.clone();
    producing.producer.delivery_timeout = DELIVERY_TIMEOUT;
    let broken = broken.clone();
    Producer::new(&producing, move |delivery, pending: Arc<Pending>| {
        settle(delivery.outcome.err(), &pending, &broken);
    })
}

/// A member of the ledgers' group.
fn join(
    settings: &GapsSettings,
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
    let default_group = format!("{}-gaps", topics.prefix());
    let group = if settings.group.is_empty() { &default_group } else { &settings.group };
    Consumer::new(kafka, group, &[&topics.name(Topic::Positions)], options)
}

/// Keeps readiness true, and ends the process when the ledger is broken.
async fn watch(
    (worker, _vital): (Arc<Worker>, Vital),
    condition: Condition,
    broken: Broken,
    stop: CancellationToken,
) -> Result<()> {
    let mut tick = interval(WATCH_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = broken.told() => return broken.check(),
            _ = tick.tick() => {}
        }
        if worker.is_ready() {
            condition.ready();
        } else if worker.hears_kafka() {
            condition.not_ready("the ledger is being read back; positions wait in Kafka");
        } else {
            condition.away("Kafka does not answer; positions wait there");
        }
    }
}
