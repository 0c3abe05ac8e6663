//! The service: the worker, the follower beside it, the attempts, and the converter of JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use fleetwire_downlink::Client;
use fleetwire_kafka::{
    ClientError, ClientSettings, ConsumerOptions, Monitor, Start, Transformer, TransformerOptions, Watermarks,
};
use fleetwire_model::{Topic, Topics};
use fleetwire_registry::Devices;
use fleetwire_service::health::{Condition, Health, Vital};
use fleetwire_service::stages::Stages;
use fleetwire_trace::Tracer;
use secrecy::SecretString;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempts::{Attempts, AttemptsNeeds};
use crate::config::CommandGatewaySettings;
use crate::follower::{Beside, Follower, Lanes};
use crate::guards::GuardBook;
use crate::json::Converter;
use crate::letter::Letters;
use crate::load::Source;
use crate::spans::Contexts;
use crate::worker::{Names, Worker, WorkerNeeds, World};

/// How soon the group notices that a gateway is gone, unless the settings say otherwise. librdkafka waits for 45 s, and
/// its commands would stand still for so long.
const SESSION_TIMEOUT_MS: (&str, &str) = ("session.timeout.ms", "10000");
/// How soon a gateway notices that its group changes, and so how long partitions are on their way from one to another:
/// twice this, where librdkafka takes 3 s.
const HEARTBEAT_MS: (&str, &str) = ("heartbeat.interval.ms", "1000");
/// How long a record may wait for others: a command waits for its transaction, which is short.
const LINGER: Duration = Duration::ZERO;
/// How often readiness is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// Whether the log has to have real transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Apache Kafka: what is undone is seen by nobody.
    Required,
    /// The embedded log, where this process is alone.
    NotNeeded,
}

/// What the service needs from its process.
#[derive(Debug)]
pub struct Dependencies {
    /// How Kafka is reached.
    pub kafka: ClientSettings,
    /// Names of the topics.
    pub topics: Topics,
    /// The registry's devices.
    pub devices: Arc<Devices>,
    /// Whether they are all known: before that, an activated device may look unknown.
    pub caught_up: watch::Receiver<bool>,
    /// What frontends ask for, if they ask for a token.
    pub token: Option<SecretString>,
    /// Whom to follow.
    pub tracer: Tracer,
    /// Conditions of the process.
    pub health: Health,
    /// Build, for dead letters.
    pub version: &'static str,
    /// Name of this replica: of Kafka's transactions, and of whose a partition is.
    pub replica: String,
    /// Whether the log has real transactions.
    pub isolation: Isolation,
    /// How long a stop may take.
    pub grace: Duration,
}

/// Adds a command gateway, as a stage of its own. Needs a tokio runtime.
pub fn start(settings: &CommandGatewaySettings, needs: &Dependencies, stages: &mut Stages) -> Result<()> {
    settings.check(needs.devices.catalogue())?;
    let kafka = quick(&needs.kafka);
    let stop = stages.open("command gateway");
    let guards = Arc::new(GuardBook::new(&settings.guards));
    let known = follow_guards(&guards, needs, &stop, stages);
    let condition = needs.health.condition("command_gateway");
    let transformer = join(settings, &kafka, Topic::Commands, "", needs)?;
    let monitor = transformer.monitor();

    let beside = Beside::new(&needs.topics, guards.asks_motion());
    let lanes = Arc::<Lanes>::default();
    let follower = Follower::new(&kafka, beside.clone(), Arc::clone(&lanes))?;
    let tasks = TaskTracker::new();
    let names = Names::new(&needs.topics);
    let attempts = Attempts::new(AttemptsNeeds {
        client: Client::new(settings.downlink.clone(), needs.token.clone())?,
        monitor: monitor.clone(),
        topic: Arc::clone(&names.commands),
        puback_timeout: settings.puback_timeout,
        max_deliveries: settings.max_deliveries,
        runtime: Handle::current(),
        tasks: tasks.clone(),
    });
    let source = Source {
        client: kafka.clone(),
        names: names.clone(),
        beside,
        watermarks: Watermarks::new(&kafka)?,
        condition: condition.clone(),
        stop: stop.child_token(),
    };
    let world = World {
        names,
        gateway: needs.replica.clone(),
        devices: Arc::clone(&needs.devices),
        tracer: needs.tracer.clone(),
        contexts: Contexts::default(),
        guards,
        rules: settings.rules(),
        raw_topics: settings.raw_topics.clone(),
    };
    let loaded = Arc::<AtomicUsize>::default();
    let (letters, read_back) = (letters(needs), Arc::clone(&loaded));
    let worker = Worker::new(transformer, WorkerNeeds { source, world, letters, attempts, lanes, loaded });

    let watched = watched(monitor, "command_gateway", &needs.health);
    stages.spawn("command gateway readiness", ready(watched, Some(read_back), condition, stop.clone()));
    let (following, pulse) = (stop.clone(), needs.health.pulse("command_gateway_follower"));
    stages.spawn_blocking("command gateway follower", move || Ok(follower.run(&pulse, &following)?));
    let (caught_up, working) = (needs.caught_up.clone(), stop.clone());
    stages.spawn("command gateway", async move {
        let outcome = if until_known([caught_up, known], &working).await? {
            tokio::task::spawn_blocking(move || worker.run()).await.context("the command gateway panicked")?
        } else {
            Ok(())
        };
        // The worker's end cancels them.
        tasks.close();
        tasks.wait().await;
        outcome
    });
    add_converter(settings, &kafka, needs, stop, stages)
}

/// Adds the converter of commands as JSON.
fn add_converter(
    settings: &CommandGatewaySettings,
    kafka: &ClientSettings,
    needs: &Dependencies,
    stop: CancellationToken,
    stages: &mut Stages,
) -> Result<()> {
    let transformer = join(settings, kafka, Topic::CommandsJson, "-json", needs)?;
    let condition = needs.health.condition("command_gateway_json");
    let watched = watched(transformer.monitor(), "command_gateway_json", &needs.health);
    stages.spawn("JSON commands readiness", ready(watched, None, condition, stop.clone()));
    let converter = Converter::new(transformer, needs.topics.name(Topic::Commands), letters(needs));
    stages.spawn_blocking("JSON commands", move || converter.run(&stop));
    Ok(())
}

fn letters(needs: &Dependencies) -> Letters {
    Letters { topic: needs.topics.name(Topic::DeadLetters), version: needs.version }
}

/// The settings of Kafka for commands: what waits is a truck.
fn quick(kafka: &ClientSettings) -> ClientSettings {
    let mut kafka = kafka.clone();
    kafka.producer.linger = LINGER;
    for (name, value) in [SESSION_TIMEOUT_MS, HEARTBEAT_MS] {
        kafka.properties.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    kafka
}

/// A member of a group that reads one topic.
fn join(
    settings: &CommandGatewaySettings,
    kafka: &ClientSettings,
    topic: Topic,
    suffix: &str,
    needs: &Dependencies,
) -> Result<Transformer, ClientError> {
    let options = ConsumerOptions {
        start: Start::Beginning,
        commit_interval: settings.interval,
        // What remains of the grace is for the commit and the stages behind.
        drain_timeout: needs.grace.mul_f64(0.7),
        ..ConsumerOptions::default()
    };
    let group = format!("{}{suffix}", settings.group(&needs.topics));
    let transactional_id = format!("{group}-{}", needs.replica);
    let transactions = TransformerOptions { transactional_id, timeout: settings.timeout };
    let transformer = Transformer::new(kafka, &group, &[&needs.topics.name(topic)], options, transactions)?;
    Ok(match needs.isolation {
        Isolation::Required => transformer,
        Isolation::NotNeeded => transformer.without_isolation(),
    })
}

/// Follows the registry's records where a guard asks for them; becomes true when they are known.
fn follow_guards(
    guards: &Arc<GuardBook>,
    needs: &Dependencies,
    stop: &CancellationToken,
    stages: &mut Stages,
) -> watch::Receiver<bool> {
    let (known, receiver) = watch::channel(!guards.asks_records());
    if guards.asks_records() {
        let condition = needs.health.condition("command_guards");
        condition.not_ready("groups and labels of devices are being read");
        let (book, kafka) = (Arc::clone(guards), needs.kafka.clone());
        let (topic, stop) = (needs.topics.name(Topic::Devices), stop.clone());
        stages.spawn_blocking("command guards", move || {
            book.follow((&kafka, &topic), &condition, &known, &stop)
        });
    }
    receiver
}

/// Waits until everything is known; false if it was stopped first.
async fn until_known(known: [watch::Receiver<bool>; 2], stop: &CancellationToken) -> Result<bool> {
    for mut known in known {
        // One whose sender has gone says at its end what it is.
        if *known.borrow() {
            continue;
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(false),
            found = known.wait_for(|known| *known) => { found.context("the registry ended")?; }
        }
    }
    Ok(true)
}

/// A loop that reads, seen from outside, and its signs of life.
fn watched(monitor: Monitor, name: &'static str, health: &Health) -> (Monitor, Vital) {
    let of = monitor.clone();
    (monitor, health.vital(name, move || of.silence()))
}

/// Keeps readiness true. `loaded` counts the partitions that are read back, where they have to be.
async fn ready(
    (monitor, _vital): (Monitor, Vital),
    loaded: Option<Arc<AtomicUsize>>,
    condition: Condition,
    stop: CancellationToken,
) -> Result<()> {
    let mut tick = interval(WATCH_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        let health = monitor.health();
        let is_loaded =
            loaded.as_ref().is_none_or(|loaded| loaded.load(Ordering::Acquire) >= health.partitions);
        if !health.connected {
            condition.away("Kafka does not answer; commands wait there");
        } else if !health.joined {
            condition.not_ready("the group has not let this gateway in yet; commands wait in Kafka");
        } else if !is_loaded {
            condition.not_ready("partitions are being read back; their commands wait in Kafka");
        } else {
            condition.ready();
        }
    }
}
