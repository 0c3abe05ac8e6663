//! Following one device: requests into the registry topic, and the steps that services tell, as they come.

mod ask;
pub(crate) mod change;
pub(crate) mod events;
mod janitor;
mod shown;

use std::sync::Arc;

use fleetwire_model::{Topic, Topics};
use tokio::sync::Semaphore;

pub(crate) use janitor::tidy;

/// Streams of steps at a time. Each reads the topic of steps, whosever they are.
const MAX_STREAMS: usize = 16;

/// What the paths of following share.
#[derive(Debug)]
pub(crate) struct Traces {
    /// Topic of the requests.
    pub(crate) registry: String,
    /// Topic of the steps.
    pub(crate) steps: String,
    /// Streams of steps that may be open at a time.
    pub(crate) streams: Arc<Semaphore>,
}

impl Traces {
    pub(crate) fn new(topics: &Topics) -> Self {
        Self {
            registry: topics.name(Topic::Devices),
            steps: topics.name(Topic::Trace),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        }
    }
}
