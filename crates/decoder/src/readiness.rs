//! Keeps readiness and the lag in time true while the decoder runs, and ends the process when it is broken.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use fleetwire_kafka::Monitor;
use fleetwire_service::clock;
use fleetwire_service::health::{Condition, Vital};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::lag::Lag;
use crate::metrics::DecoderMetrics;
use fleetwire_service::broken::Broken;

/// How often the consumer is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// What is looked at, and what is told.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) monitor: Monitor,
    pub(crate) condition: Condition,
    pub(crate) metrics: Arc<DecoderMetrics>,
    pub(crate) lag: Arc<Lag>,
    /// The loop that reads, for liveness.
    #[expect(dead_code, reason = "held, not read")]
    pub(crate) vital: Vital,
}

impl Watch {
    /// Looks until the stop.
    pub(crate) async fn run(self, broken: Broken, stop: CancellationToken) -> Result<()> {
        let mut tick = interval(WATCH_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = broken.told() => return broken.check(),
                _ = tick.tick() => self.look(),
            }
        }
    }

    fn look(&self) {
        self.metrics.behind(self.lag.now(&self.monitor, clock::unix_ms()));
        if self.monitor.health().connected {
            self.condition.ready();
        } else {
            self.condition.away("Kafka does not answer; raw publishes wait there");
        }
    }
}
