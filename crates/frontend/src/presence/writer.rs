//! The task that writes sessions, and word that this frontend is alive, into Kafka.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use fleetwire_kafka::{ClientError, ClientSettings, Delivery, Producer, Record, SendError};
use fleetwire_model::pb::{FrontendAlive, Session, SessionState};
use fleetwire_model::time::from_unix_ms;
use fleetwire_model::{DeviceId, TYPE_HEADER};
use fleetwire_service::clock;
use prost::Message as _;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Presence;
use super::alive::valid_s;
use super::table::Change;
use crate::directory::Directory;

/// Records on their way at once. What is behind them waits in the table, where a newer change replaces it.
const MAX_IN_FLIGHT: usize = 10_000;
/// How long the writer waits before it tries again what Kafka did not take.
const AGAIN: Duration = Duration::from_millis(500);
/// How often a stopping writer looks.
const LOOK: Duration = Duration::from_millis(20);

const SESSION: &[u8] = b"fleetwire.v1.Session";
const ALIVE: &[u8] = b"fleetwire.v1.FrontendAlive";

/// Who writes, and where.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// The sessions topic.
    pub(crate) topic: String,
    /// The replica.
    pub(crate) frontend_id: String,
    /// This run of it, a ULID.
    pub(crate) run: String,
    /// Where other services reach it; empty if nothing is served there.
    pub(crate) address: String,
}

/// Travels with a record to its outcome.
#[derive(Debug)]
enum Sent {
    Session { device: DeviceId, version: u32, kind: &'static str },
    Alive,
}

/// Writes the sessions topic.
#[derive(Debug)]
pub(super) struct Writer {
    producer: Producer<Sent>,
    presence: Arc<Presence>,
    directory: Directory,
    names: Names,
    alive_key: String,
}

impl Writer {
    pub(super) fn new(
        kafka: &ClientSettings,
        presence: Arc<Presence>,
        directory: Directory,
        names: Names,
    ) -> Result<Self, ClientError> {
        let mut kafka = kafka.clone();
        kafka.producer.max_in_flight_records = kafka.producer.max_in_flight_records.min(MAX_IN_FLIGHT);
        let producer = Producer::new(&kafka, {
            let presence = Arc::clone(&presence);
            move |delivery, sent| settle(&presence, &delivery, sent)
        })?;
        let alive_key = format!("@{}", names.frontend_id);
        Ok(Self { producer, presence, directory, names, alive_key })
    }

    /// Writes until told to stop; then says of every session that it is over, and of this frontend that it is gone,
    /// for at most `patience`.
    pub(super) async fn run(
        self,
        alive_every: Duration,
        stop: CancellationToken,
        patience: Duration,
    ) -> Result<()> {
        let fatal = self.producer.fatal();
        let (mut alive, mut again) = (interval(alive_every), interval(AGAIN));
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_full = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = fatal.cancelled() => bail!("the Kafka producer of sessions failed for good"),
                _ = alive.tick() => self.say_alive(valid_s(alive_every)),
                _ = again.tick() => self.presence.table().try_again(),
                () = self.presence.changed.notified(), if !is_full => {}
                _ = self.producer.room(AGAIN), if is_full => {}
            }
            is_full = !self.send_waiting()?;
            self.presence.metrics.waiting(self.presence.table().unwritten());
        }
        self.finish(Instant::now() + patience).await
    }

    async fn finish(self, deadline: Instant) -> Result<()> {
        self.presence.table().end_all("shutting_down", clock::unix_ms());
        let mut left = self.presence.table().unwritten();
        while left > 0 && Instant::now() < deadline {
            self.presence.table().try_again();
            self.send_waiting()?;
            sleep(LOOK).await;
            left = self.presence.table().unwritten();
        }
        if left > 0 {
            warn!(
                left,
                "sessions ended without a record; they are over when this frontend is known to be gone"
            );
            self.presence.metrics.dropped.increment(left as u64);
        }
        self.presence.metrics.waiting(0);
        self.presence.alive_sent.store(false, Ordering::Relaxed);
        self.say_alive(0);
        let flush = move || self.producer.flush(deadline.saturating_duration_since(Instant::now()).max(LOOK));
        if let Err(err) = tokio::task::spawn_blocking(flush).await.context("the flush panicked")? {
            warn!(%err, "Kafka does not answer; this frontend is known to be gone when its last word runs out");
        }
        Ok(())
    }

    /// Hands over what waits; false if there was no room for all of it.
    fn send_waiting(&self) -> Result<bool> {
        loop {
            let Some((device, change)) = self.presence.next() else { return Ok(true) };
            match self.send(&device, &change) {
                Ok(()) => {}
                Err(SendError::Full) => {
                    self.presence.table().give_back(device);
                    return Ok(false);
                }
                Err(SendError::Fatal) => bail!("the Kafka producer of sessions failed for good"),
                Err(err) => {
                    self.presence.metrics.failures.increment(err.code());
                    self.presence.table().failed(device, change.version);
                }
            }
        }
    }

    fn send(&self, device: &DeviceId, change: &Change) -> Result<(), SendError> {
        // Of a device that nobody registered nothing stays: anybody with an account's password can make such ids up.
        let is_known = !self.directory.is_caught_up() || self.directory.get(device).is_some();
        let (kind, value) = match change.end {
            None => ("connected", Some(self.value(device, change))),
            Some(_) if is_known => ("disconnected", Some(self.value(device, change))),
            Some(_) => ("removed", None),
        };
        let record = Record {
            topic: &self.names.topic,
            key: Some(device.as_str().as_bytes()),
            payload: value.as_deref(),
            timestamp_ms: None,
            headers: &[(TYPE_HEADER, SESSION)],
        };
        let sent = Sent::Session { device: device.clone(), version: change.version, kind };
        self.producer.send(record, sent).map_err(|(err, _)| err)
    }

    fn value(&self, device: &DeviceId, change: &Change) -> Vec<u8> {
        let state = if change.end.is_some() { SessionState::Disconnected } else { SessionState::Connected };
        let session = Session {
            device_id: device.to_string(),
            state: state.into(),
            session_id: change.session.to_string(),
            epoch: change.epoch,
            frontend_id: self.names.frontend_id.clone(),
            frontend_run: self.names.run.clone(),
            frontend_address: self.names.address.clone(),
            since: Some(from_unix_ms(change.since_ms)),
            accepts_commands: change.accepts_commands,
            remote_address: change.peer.to_string(),
            end_reason: change.end.unwrap_or_default().to_owned(),
            account: change.account.to_string(),
        };
        session.encode_to_vec()
    }

    /// Says that this frontend is alive, unless the last such word is still on its way.
    fn say_alive(&self, valid_s: u32) {
        if self.presence.alive_sent.swap(true, Ordering::Relaxed) {
            return;
        }
        let alive = FrontendAlive {
            frontend_id: self.names.frontend_id.clone(),
            run: self.names.run.clone(),
            time: Some(from_unix_ms(clock::unix_ms())),
            valid_s,
            address: self.names.address.clone(),
        };
        let value = alive.encode_to_vec();
        let record = Record {
            topic: &self.names.topic,
            key: Some(self.alive_key.as_bytes()),
            payload: Some(&value),
            timestamp_ms: None,
            headers: &[(TYPE_HEADER, ALIVE)],
        };
        if let Err((err, _)) = self.producer.send(record, Sent::Alive) {
            self.presence.metrics.failures.increment(err.code());
            self.presence.alive_sent.store(false, Ordering::Relaxed);
        }
    }
}

/// A record has its outcome. Runs on the producer's thread.
fn settle(presence: &Presence, delivery: &Delivery<'_>, sent: Sent) {
    if let Err(err) = &delivery.outcome {
        presence.metrics.failures.increment(err.code());
    }
    let is_stored = delivery.outcome.is_ok();
    match sent {
        Sent::Alive => {
            presence.alive_sent.store(false, Ordering::Relaxed);
            if is_stored {
                presence.metrics.records.increment("alive");
            }
        }
        Sent::Session { device, version, kind } if is_stored => {
            presence.metrics.records.increment(kind);
            presence.table().written(&device, version);
        }
        Sent::Session { device, version, .. } => presence.table().failed(device, version),
    }
}
