//! Round after round, and what they say of the frontend.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use fleetwire_service::health::{Condition, Health, Pulse};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::account::CanaryAccount;
use super::client::{Fault, round};
use super::metrics::CanaryMetrics;
use super::settings::CanarySettings;

/// The name of its condition, and of its signs of life.
const NAME: &str = "mqtt_canary";

/// The canary of one frontend.
#[derive(Debug)]
pub(crate) struct Canary {
    settings: CanarySettings,
    account: CanaryAccount,
    listener: SocketAddr,
    condition: Condition,
    pulse: Pulse,
    metrics: CanaryMetrics,
}

impl Canary {
    /// A canary that goes through this listener of plain TCP.
    pub(crate) fn new(
        settings: CanarySettings,
        account: CanaryAccount,
        listener: SocketAddr,
        health: &Health,
    ) -> Self {
        Self {
            settings,
            account,
            listener,
            condition: health.condition(NAME),
            pulse: health.pulse_within(NAME, settings.live_within),
            metrics: CanaryMetrics::new(),
        }
    }

    /// Goes round until told to stop: a listener that is closed on purpose is no fault.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<()> {
        let mut tick = interval(self.settings.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = None;
        loop {
            let begun = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                _ = tick.tick() => Instant::now(),
            };
            let went = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                went = timeout(self.settings.timeout, round(self.listener, &self.account)) => went,
            };
            let fault = went.unwrap_or(Err(Fault::TimedOut)).err();
            self.tell(fault, begun.elapsed());
            match fault {
                Some(fault) if last != Some(fault) => {
                    warn!(code = fault.code(), "the canary found that {}", fault.words());
                }
                None if last.is_some() => info!("the canary is answered again"),
                _ => {}
            }
            last = fault;
        }
    }

    fn tell(&self, fault: Option<Fault>, took: Duration) {
        let Some(fault) = fault else {
            self.metrics.acknowledged(took);
            self.pulse.beat();
            let otherwise = "the MQTT canary went no round lately";
            self.condition.ready_for(self.settings.ready_within, otherwise);
            return;
        };
        self.metrics.failed(fault);
        self.condition.lapses(fault.words());
        if fault == Fault::NoSocket {
            // No connection can be taken, and that is not ready; but those that are there are served, and to cut them
            // off would not help.
            self.pulse.beat();
        }
    }
}

#[cfg(test)]
mod tests;
