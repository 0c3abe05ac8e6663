//! The service: a keeper, the view of its knocks, and the word to the registry at the end of a release.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fleetwire_kafka::{ClientSettings, Event, Monitor};
use fleetwire_model::{Topic, Topics};
use fleetwire_registry::Devices;
use fleetwire_registry::follow::Followed;
use fleetwire_registry::registrar::Registrar;
use fleetwire_service::health::{Condition, Health, Vital};
use fleetwire_service::stages::Stages;
use fleetwire_trace::Tracer;
use tokio::sync::{mpsc, watch};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::HeldSettings;
use crate::keeper::{Keeper, KeeperNeeds};
use crate::knocks::Knocks;
use crate::released;

/// Devices that may wait for the registry.
const WAITING: usize = 1000;
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
    /// Whom to follow.
    pub tracer: Tracer,
    /// Who changes the registry; it stops after this service.
    pub registrar: Registrar,
    /// Conditions of the process.
    pub health: Health,
    /// Name of this replica, for Kafka's transactions.
    pub replica: String,
    /// Whether the log has to have real transactions.
    pub isolation: Isolation,
    /// How long a stop may take.
    pub grace: Duration,
}

/// Adds a keeper and the view of all knocks, as a stage of its own.
pub fn start(settings: &HeldSettings, needs: Dependencies, stages: &mut Stages) -> Result<Arc<Knocks>> {
    settings.check()?;
    let Dependencies { kafka, topics, devices, mut caught_up, registrar, health, replica, grace, .. } = needs;
    let (tracer, isolation) = (needs.tracer, needs.isolation);
    let knocks = follow(settings, (&kafka, &topics), &health, stages);
    let stop = stages.open("held");
    let condition = health.condition("held");
    let needs = KeeperNeeds {
        kafka,
        topics,
        devices,
        tracer,
        condition: condition.clone(),
        replica,
        isolation,
        grace,
    };
    let (sender, receiver) = mpsc::channel(WAITING);
    let keeper = Keeper::new(settings, needs, sender, &stop)?;
    let monitor = keeper.monitor();
    let vital = health.vital("held", move || monitor.silence());
    stages.spawn("held readiness", ready((keeper.monitor(), vital), condition, stop.clone()));
    stages.spawn("held releases", released::run(registrar, receiver, stop.clone()));
    stages.spawn("held keeper", async move {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            known = caught_up.wait_for(|known| *known) => { known.context("the registry ended")?; }
        }
        tokio::task::spawn_blocking(move || keeper.run()).await.context("the keeper panicked")?
    });
    Ok(knocks)
}

/// Adds the view of all knocks only, as a stage of its own: for a process that keeps nothing.
pub fn follow(
    settings: &HeldSettings,
    (kafka, topics): (&ClientSettings, &Topics),
    health: &Health,
    stages: &mut Stages,
) -> Arc<Knocks> {
    let knocks = Arc::new(Knocks::new(settings.max_knocks));
    let condition = health.condition("knocks");
    condition.not_ready("the list of knocking devices is being read");
    let (view, client, topic) = (Arc::clone(&knocks), kafka.clone(), topics.name(Topic::Knocks));
    let stop = stages.open("knocks");
    stages.spawn_blocking("knocks follower", move || {
        let followed = Followed { client: &client, topic: &topic, condition: &condition };
        followed.follow(&stop, |event| match event {
            Event::Record(record) => {
                if let Err(err) = view.apply(record.key().unwrap_or_default(), record.payload()) {
                    warn!(%err, offset = record.offset(), "a record of the topic of knocks is not usable");
                }
            }
            Event::CaughtUp => condition.ready(),
            Event::Idle => {}
        })?;
        Ok(())
    });
    knocks
}

/// Keeps readiness true.
async fn ready(
    (monitor, _vital): (Monitor, Vital),
    condition: Condition,
    stop: CancellationToken,
) -> Result<()> {
    let mut tick = interval(WATCH_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        if monitor.health().connected {
            condition.ready();
        } else {
            condition.away("Kafka does not answer; held publishes wait there");
        }
    }
}
