//! The tasks of presence: one that writes, and one that hears what other frontends write.

use std::sync::Arc;
use std::time::Duration;

use fleetwire_kafka::{ClientError, ClientSettings};
use fleetwire_mqtt::Sessions;
use fleetwire_service::stages::Stages;

use super::Presence;
use super::elsewhere::Elsewhere;
use super::writer::{Names, Writer};
use crate::config::FrontendSettings;
use crate::directory::Directory;

/// What is told of a frontend's sessions, before there are any.
#[derive(Debug)]
pub(crate) struct Told {
    presence: Arc<Presence>,
    writer: Writer,
    client: ClientSettings,
    names: Names,
    alive_interval: Duration,
}

impl Told {
    pub(crate) fn new(
        kafka: &ClientSettings,
        names: Names,
        directory: Directory,
        settings: &FrontendSettings,
    ) -> Result<Self, ClientError> {
        let presence = Arc::new(Presence::new(settings.max_connections));
        let writer = Writer::new(kafka, Arc::clone(&presence), directory, names.clone())?;
        let alive_interval = settings.presence.alive_interval;
        Ok(Self { presence, writer, client: kafka.clone(), names, alive_interval })
    }

    /// Is to be told what happens at the front door.
    pub(crate) fn presence(&self) -> Arc<Presence> {
        Arc::clone(&self.presence)
    }

    /// Adds the tasks, as a stage of their own: it belongs behind that of the sessions.
    pub(crate) fn add_to(self, stages: &mut Stages, sessions: Sessions, grace: Duration) {
        let Self { presence, writer, client, names, alive_interval } = self;
        let elsewhere = Elsewhere { client, topic: names.topic, run: names.run, presence, sessions };
        let stop = stages.open("presence");
        stages.spawn("writer of sessions", writer.run(alive_interval, stop.clone(), grace.mul_f64(0.3)));
        stages.spawn_blocking("follower of sessions", move || elsewhere.follow(&stop));
    }
}
