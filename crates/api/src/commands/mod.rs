//! Commands to devices: taken, checked as far as this process can, written to Kafka; and what became of them, which a
//! view in memory shows. What happens in between is the command gateway's.

mod check;
mod entry;
pub(crate) mod events;
mod follower;
mod form;
pub(crate) mod get;
mod idempotency;
mod metrics;
mod path;
pub(crate) mod post;
mod sender;
mod settings;
mod shown;
mod view;

use std::sync::Arc;
use std::time::Duration;

use fleetwire_kafka::{ClientError, ClientSettings};
use fleetwire_model::{Topic, Topics};
use fleetwire_service::health::Health;
use tokio::sync::Semaphore;

pub(crate) use metrics::METRICS;
pub use settings::CommandSettings;

pub(crate) use follower::Follower;

use metrics::CommandMetrics;
pub(crate) use sender::SendFailure;

use sender::Sender;
use view::View;

/// Makes every handle, for the test that compares them with the list.
#[cfg(test)]
pub(crate) fn make_metrics() {
    drop(CommandMetrics::new());
}

/// What the paths of commands share.
#[derive(Debug)]
pub(crate) struct Commands {
    pub(crate) view: Arc<View>,
    pub(crate) sender: Sender,
    pub(crate) metrics: Arc<CommandMetrics>,
    pub(crate) settings: CommandSettings,
    /// Streams of events that may be open at a time.
    pub(crate) streams: Arc<Semaphore>,
    /// Requests that may wait for a command's end at a time; the others have room beside them.
    pub(crate) waits: Arc<Semaphore>,
}

impl Commands {
    /// Starts the producer; it connects by itself.
    pub(crate) fn new(
        settings: &CommandSettings,
        max_requests: usize,
        (kafka, topics): (&ClientSettings, &Topics),
    ) -> Result<Self, ClientError> {
        let metrics = Arc::new(CommandMetrics::new());
        Ok(Self {
            view: Arc::new(View::new(settings.max_commands.get())),
            sender: Sender::new(kafka, topics.name(Topic::Commands), settings.send_timeout)?,
            metrics,
            settings: settings.clone(),
            streams: Arc::new(Semaphore::new(settings.max_streams.get())),
            waits: Arc::new(Semaphore::new(max_requests / 2)),
        })
    }

    /// What follows the statuses into the view.
    pub(crate) fn follower(&self, (kafka, topics): (&ClientSettings, &Topics), health: &Health) -> Follower {
        Follower {
            client: kafka.clone(),
            topic: topics.name(Topic::CommandStatus),
            history: self.settings.history,
            view: Arc::clone(&self.view),
            metrics: Arc::clone(&self.metrics),
            condition: health.condition("command_status"),
        }
    }

    /// The longest time that a request may wait for a command's end.
    pub(crate) const MAX_WAIT: Duration = Duration::from_secs(25);
}
