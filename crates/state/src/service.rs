//! The parts put together: the view of both topics, and the projector.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fleetwire_kafka::{ClientError, ClientSettings, Consumer, ConsumerOptions, Producer, Start};
use fleetwire_model::{Topic, Topics};
use fleetwire_service::broken::Broken;
use fleetwire_service::health::{Condition, Health, Vital};
use fleetwire_service::stages::Stages;
use tokio::runtime::Handle;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::config::StateSettings;
use crate::follower::{Follower, Which};
use crate::projector::{Pending, Projector, Source, Writer, settle};
use crate::view::States;

/// States wait for Kafka as long as librdkafka can: there is nobody to send them again but this process.
const DELIVERY_TIMEOUT: Duration = Duration::from_hours(1);
/// How often readiness is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(500);
/// Bytes of a position, about: the bound of those that wait is their number.
const POSITION_BYTES: usize = 1024;

/// What the device state needs from its process.
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

/// Adds the projector and the view, as stages of their own. The settings are checked.
#[expect(clippy::needless_pass_by_value, reason = "as the start of every service")]
pub fn start(settings: &StateSettings, needs: Dependencies, stages: &mut Stages) -> Result<Arc<States>> {
    let view = Arc::new(States::new(settings.max_devices));
    project(settings, &needs, &view, stages)?;
    follow_into(&view, &needs, stages);
    Ok(view)
}

/// Adds the view alone, for a process that only looks.
pub fn follow(settings: &StateSettings, needs: &Dependencies, stages: &mut Stages) -> Arc<States> {
    let view = Arc::new(States::new(settings.max_devices));
    follow_into(&view, needs, stages);
    view
}

fn follow_into(view: &Arc<States>, needs: &Dependencies, stages: &mut Stages) {
    let stop = stages.open("device state view");
    let topics = [
        (Which::Sessions, Topic::Sessions, "sessions"),
        (Which::DeviceState, Topic::DeviceState, "device_state"),
    ];
    for (which, topic, name) in topics {
        let follower = Follower {
            which,
            client: needs.kafka.clone(),
            topic: needs.topics.name(topic),
            states: Arc::clone(view),
            condition: needs.health.condition(name),
        };
        let stop = stop.clone();
        stages.spawn_blocking(name, move || follower.follow(&stop));
    }
}

fn project(
    settings: &StateSettings,
    needs: &Dependencies,
    view: &Arc<States>,
    stages: &mut Stages,
) -> Result<()> {
    let Dependencies { kafka, topics, health, grace } = needs;
    let broken = Broken::new("the projector of device states");
    let producer = producer(kafka, &broken)?;
    let consumer = join(settings, kafka, topics, *grace)?;
    let stop = stages.open("device state");
    let condition = health.condition("state_projector");
    let source = Source {
        client: kafka.clone(),
        positions: topics.name(Topic::Positions),
        states: topics.name(Topic::DeviceState),
        condition: condition.clone(),
        stop: stop.clone(),
    };
    let monitor = consumer.monitor();
    let loops = consumer.monitor();
    let vital = health.vital("state_projector", move || loops.silence());
    let projector =
        Arc::new(Projector::new(Arc::clone(view), source, monitor, broken.clone(), settings.interval));
    let ended = CancellationToken::new();
    stages.spawn(
        "readiness of device states",
        watch((Arc::clone(&projector), vital), condition, broken.clone(), stop.clone()),
    );
    let writer = Writer {
        producer,
        topic: topics.name(Topic::DeviceState),
        broken: broken.clone(),
        patience: grace.mul_f64(0.5),
        handle: Handle::current(),
    };
    stages.spawn_blocking("writer of device states", {
        let (projector, ended) = (Arc::clone(&projector), ended.clone());
        move || writer.run(&projector, &ended)
    });
    stages.spawn_blocking("projector of device states", move || {
        // However this thread ends, the writer learns it, and the reason first.
        let _ended = ended.drop_guard();
        let run = || -> Result<()> {
            if !projector.check_partitions()? {
                return Ok(());
            }
            consumer
                .run(&stop, |message, done| projector.take(&message, done))
                .context("positions cannot be read")?;
            broken.check()
        };
        run().inspect_err(|err| broken.tell(format!("{err:#}")))
    });
    Ok(())
}

fn producer(kafka: &ClientSettings, broken: &Broken) -> Result<Producer<Arc<Pending>>, ClientError> {
    let mut producing = kafka.clone();
    producing.producer.delivery_timeout = DELIVERY_TIMEOUT;
    let broken = broken.clone();
    Producer::new(&producing, move |delivery, pending: Arc<Pending>| {
        settle(&delivery.outcome, &pending, &broken);
    })
}

/// A member of the projectors' group.
fn join(
    settings: &StateSettings,
    kafka: &ClientSettings,
    topics: &Topics,
    grace: Duration,
) -> Result<Consumer, ClientError> {
    let options = ConsumerOptions {
        start: Start::Beginning,
        max_in_flight_records: settings.max_in_flight,
        max_in_flight_bytes: settings.max_in_flight.saturating_mul(POSITION_BYTES),
        // What remains of the grace is for the commit and the stages behind.
        drain_timeout: grace.mul_f64(0.7),
        ..ConsumerOptions::default()
    };
    let default_group = format!("{}-state", topics.prefix());
    let group = if settings.group.is_empty() { &default_group } else { &settings.group };
    Consumer::new(kafka, group, &[&topics.name(Topic::Positions)], options)
}

/// Keeps readiness true, and ends the process when the projector is broken.
async fn watch(
    (projector, _vital): (Arc<Projector>, Vital),
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
        if projector.is_ready() {
            condition.ready();
        } else {
            condition.away("Kafka does not answer; positions wait there");
        }
    }
}
