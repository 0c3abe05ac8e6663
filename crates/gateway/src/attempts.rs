//! Attempts on their way: calls to frontends, each a task, and what came of them. Never more than one of a device, so
//! their number is bounded by the devices that have commands under way; calls at a time have a bound of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fleetwire_downlink::{CallError, Client};
use fleetwire_kafka::{Assigned, Monitor};
use fleetwire_model::DeviceId;
use fleetwire_model::pb::{DeliverOutcome, DeliverRequest};
use fleetwire_model::time::from_unix_ms;
use fleetwire_service::clock;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::machine::{Attempt, Delivered, Outcome};
use crate::metrics::AttemptMetrics;

/// How long a call may take beyond the wait for the PUBACK, whatever the client does.
const SLACK: Duration = Duration::from_secs(10);

/// In whose name an attempt is made.
#[derive(Debug, Clone)]
pub(crate) struct Mandate {
    /// The partition and its assignment to this gateway.
    pub(crate) assigned: Assigned,
    /// Term of this gateway's ownership.
    pub(crate) term: u64,
    /// Which reading back of the partition it belongs to.
    pub(crate) page: u64,
    /// Cancelled when that is over.
    pub(crate) over: CancellationToken,
}

/// An attempt that may begin.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) device: DeviceId,
    pub(crate) attempt: Attempt,
    /// When the command came, if it is its first attempt, made at once.
    pub(crate) came: Option<Instant>,
}

/// What came of an attempt.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) partition: i32,
    pub(crate) page: u64,
    pub(crate) device: DeviceId,
    pub(crate) outcome: Outcome,
}

/// What all attempts share.
#[derive(Debug)]
struct Shared {
    client: Client,
    monitor: Monitor,
    topic: Arc<str>,
    puback_timeout: Duration,
    permits: Semaphore,
    ended: mpsc::Sender<Ended>,
    under_way: AtomicUsize,
    metrics: AttemptMetrics,
}

/// Starts attempts.
#[derive(Debug)]
pub(crate) struct Attempts {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    runtime: Handle,
}

/// What attempts need.
#[derive(Debug)]
pub(crate) struct AttemptsNeeds {
    pub(crate) client: Client,
    pub(crate) monitor: Monitor,
    /// Topic of the commands, whose assignment decides.
    pub(crate) topic: Arc<str>,
    pub(crate) puback_timeout: Duration,
    pub(crate) max_deliveries: usize,
    pub(crate) runtime: Handle,
    /// Waits for all attempts at a stop.
    pub(crate) tasks: TaskTracker,
}

impl Attempts {
    /// Outcomes come through the receiver; attempts wait while it is full.
    pub(crate) fn new(needs: AttemptsNeeds) -> (Self, mpsc::Receiver<Ended>) {
        let AttemptsNeeds { client, monitor, topic, puback_timeout, max_deliveries, runtime, tasks } = needs;
        let (ended, receiver) = mpsc::channel(max_deliveries);
        let shared = Shared {
            client,
            monitor,
            topic,
            puback_timeout,
            permits: Semaphore::new(max_deliveries),
            ended,
            under_way: AtomicUsize::new(0),
            metrics: AttemptMetrics::new(),
        };
        (Self { shared: Arc::new(shared), tasks, runtime }, receiver)
    }

    /// Begins an attempt whose record is durable.
    pub(crate) fn begin(&self, staged: Staged, mandate: Mandate) {
        let shared = Arc::clone(&self.shared);
        shared.under_way.fetch_add(1, Ordering::AcqRel);
        let work = async move {
            tokio::select! {
                () = mandate.over.cancelled() => {}
                () = shared.attempt(staged, &mandate) => {}
            }
            shared.under_way.fetch_sub(1, Ordering::AcqRel);
        };
        drop(self.tasks.spawn_on(work, &self.runtime));
    }

    /// Attempts that have not ended.
    pub(crate) fn under_way(&self) -> usize {
        self.shared.under_way.load(Ordering::Acquire)
    }
}

impl Shared {
    async fn attempt(&self, staged: Staged, mandate: &Mandate) {
        let Staged { device, attempt, came } = staged;
        let Ok(_permit) = self.permits.acquire().await else { return };
        // It may have waited: somebody else may have the partition, or may have had it in between.
        let number = mandate.assigned.partition;
        if !self.monitor.assigned(&self.topic).contains(&mandate.assigned) {
            debug!(partition = number, "an attempt is left to the partition's next gateway");
            return;
        }
        let result = self.call(&device, &attempt, came, mandate).await;
        self.metrics.ended(result);
        let outcome = Outcome { command_id: attempt.command_id, attempt: attempt.attempt, result };
        // Only a worker that has ended takes none.
        let _ = self.ended.send(Ended { partition: number, page: mandate.page, device, outcome }).await;
    }

    async fn call(
        &self,
        device: &DeviceId,
        attempt: &Attempt,
        came: Option<Instant>,
        mandate: &Mandate,
    ) -> Delivered {
        if clock::unix_ms() >= attempt.expire_time_ms {
            return Delivered::Expired;
        }
        let request = DeliverRequest {
            device_id: device.as_str().to_owned(),
            session_epoch: attempt.session.epoch,
            topic: attempt.topic.clone(),
            payload: attempt.payload.clone(),
            expire_time: Some(from_unix_ms(attempt.expire_time_ms)),
            command_id: attempt.command_id.clone(),
            partition: u32::try_from(mandate.assigned.partition).unwrap_or(0),
            term: mandate.term,
        };
        if let Some(came) = came {
            self.metrics.handed_over.record(came.elapsed());
        }
        let begun = Instant::now();
        let call = self.client.deliver(&attempt.session.address, request, self.puback_timeout);
        let limit = self.puback_timeout.saturating_add(SLACK);
        let result = match tokio::time::timeout(limit, call).await {
            Ok(Ok(response)) => meaning(response.outcome()),
            Ok(Err(error)) => failure(&error, attempt),
            Err(_) => Delivered::Unknown,
        };
        match result {
            Delivered::Acknowledged => self.metrics.acknowledged.record(begun.elapsed()),
            Delivered::StaleGateway => {
                let partition = mandate.assigned.partition;
                warn!(
                    partition,
                    term = mandate.term,
                    "a frontend has heard of a newer gateway of the partition"
                );
            }
            _ => {}
        }
        result
    }
}

/// What a frontend's answer means.
const fn meaning(outcome: DeliverOutcome) -> Delivered {
    match outcome {
        DeliverOutcome::Acknowledged => Delivered::Acknowledged,
        DeliverOutcome::NotConnected => Delivered::NotConnected,
        DeliverOutcome::StaleEpoch => Delivered::StaleEpoch,
        DeliverOutcome::NotSubscribed => Delivered::NotSubscribed,
        DeliverOutcome::Busy => Delivered::Busy,
        DeliverOutcome::Unacknowledged => Delivered::Unacknowledged,
        DeliverOutcome::Expired => Delivered::Expired,
        DeliverOutcome::StaleGateway => Delivered::StaleGateway,
        DeliverOutcome::Refused => Delivered::Refused,
        // A frontend of a newer version may say what this one does not know.
        DeliverOutcome::Unspecified => Delivered::Unknown,
    }
}

/// What it means that there is no answer.
fn failure(error: &CallError, attempt: &Attempt) -> Delivered {
    let frontend = &attempt.session.frontend_id;
    match error {
        CallError::Unreachable(reason) => {
            debug!(%frontend, reason, "a frontend is not reached");
            Delivered::Unreachable
        }
        CallError::Refused(reason) => {
            // Nothing was published, and it may be mended while the command waits.
            warn!(%frontend, reason, "a frontend does not let this gateway in: compare token and certificates");
            Delivered::Unreachable
        }
        CallError::Unknown(reason) => {
            debug!(%frontend, reason, "a frontend gave no answer");
            Delivered::Unknown
        }
    }
}
