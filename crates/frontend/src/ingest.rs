//! Publishes into Kafka: one record each, payload untouched, answered when Kafka has it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fleetwire_kafka::{Delivery, DeliveryError, Producer, Record, SendError};
use fleetwire_model::{TYPE_HEADER, Topic, Topics};
use fleetwire_mqtt::{FailureReason, Ingest, Outcome, Publish, Receipt, SessionFacts, Sessions};
use fleetwire_service::clock;
use fleetwire_trace::{TRACEPARENT, Tracer};

use crate::directory::Directory;
use crate::fabric::Fabric;
use crate::identity::Identity;
use crate::metrics::IngestMetrics;
use crate::mirror::Envelope;
use crate::record::{self, Source};
use crate::trail::{Teller, Ticket, Trail};

pub use crate::record::Origin;

/// How long a session without room waits before it tries again by itself.
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Writes raw publishes to Kafka.
#[derive(Debug)]
pub struct KafkaIngest {
    producer: Producer<Ticket>,
    tracer: Tracer,
    directory: Directory,
    origin: Origin,
    raw: String,
    held: String,
    metrics: IngestMetrics,
    listeners: OnceLock<Listeners>,
    /// Whether a session waits until what was held of its device is in the raw topic.
    is_handing_over: AtomicBool,
}

/// How sessions that listen are reached.
#[derive(Debug)]
struct Listeners {
    fabric: Fabric,
    sessions: Sessions,
}

impl KafkaIngest {
    /// Ingest over a producer whose deliveries go to [`settle`].
    pub fn new(
        producer: Producer<Ticket>,
        directory: Directory,
        origin: Origin,
        topics: &Topics,
        metrics: IngestMetrics,
    ) -> Self {
        let (raw, held) = (topics.name(Topic::Raw), topics.name(Topic::Held));
        Self {
            producer,
            tracer: Tracer::off(),
            directory,
            origin,
            raw,
            held,
            metrics,
            listeners: OnceLock::new(),
            is_handing_over: AtomicBool::new(false),
        }
    }

    /// The same, which tells the steps of devices that are followed.
    #[must_use]
    pub fn with_tracer(self, tracer: Tracer) -> Self {
        Self { tracer, ..self }
    }

    /// Shows how many publishes wait for Kafka.
    pub(crate) fn count_in_flight(&self) {
        self.metrics.in_flight(self.producer.in_flight());
    }

    /// The producer, to flush at the end.
    pub fn producer(&self) -> &Producer<Ticket> {
        &self.producer
    }
}

/// Answers a publish when Kafka has answered. Runs on the producer's thread.
pub fn settle(delivery: &Delivery<'_>, ticket: Ticket, metrics: &IngestMetrics) {
    let Ticket { receipt, trail } = ticket;
    if let Some(trail) = trail {
        trail.settled(delivery);
    }
    let outcome = match &delivery.outcome {
        Ok(_) => Outcome::Stored,
        Err(err) => {
            metrics.failed(err.code());
            Outcome::Failed(reason(*err))
        }
    };
    receipt.complete(outcome);
}

/// What a device is told of Kafka's refusal.
const fn reason(error: DeliveryError) -> FailureReason {
    match error {
        DeliveryError::TooLarge => FailureReason::Unacceptable,
        _ => FailureReason::NotStored,
    }
}

/// What becomes of a publish that is of no device and of nobody who listens.
const fn without_store(identity: Option<&Identity>) -> Outcome {
    match identity {
        // It asks only whether it is answered.
        Some(Identity::Canary) => Outcome::Stored,
        // Every grant of our authenticator carries an identity.
        _ => Outcome::Failed(FailureReason::NotStored),
    }
}

impl Ingest for KafkaIngest {
    fn offer(
        &self,
        session: &SessionFacts,
        publish: Publish,
        receipt: Receipt,
    ) -> Result<(), (Publish, Receipt)> {
        let source = match session.identity::<Identity>() {
            Some(Identity::Device { device, head, visit, handover, .. }) => {
                let found = self.directory.get(device).filter(fleetwire_registry::Device::is_active);
                // Only who is not activated still: the session goes on when its device is.
                if let (None, Some(visit)) = (&found, visit)
                    && visit.may_publish(publish.payload.len(), Instant::now()).is_err()
                {
                    if let Some(teller) = Teller::of(&self.tracer, session, device.as_str(), &publish) {
                        teller.refused(&publish, "quota_exceeded");
                    }
                    receipt.complete(Outcome::Failed(FailureReason::QuotaExceeded));
                    return Ok(());
                }
                let is_direct = found.is_some_and(|found| found.is_direct());
                if !is_direct {
                    handover.held(clock::unix_ms());
                } else if !handover.is_over(clock::unix_ms()) {
                    self.is_handing_over.store(true, Ordering::Relaxed);
                    self.waits(session, device.as_str(), &publish, "release");
                    return Err((publish, receipt));
                }
                Source {
                    key: device.as_str(),
                    client_id: &session.client_id,
                    device: device.as_str(),
                    model: found.map(|found| found.model.id),
                    direct: is_direct,
                    head,
                }
            }
            // Which devices these are, and whether a person activated them, the decoder learns from the payload.
            Some(Identity::Relay { client_id, head }) => {
                Source { key: client_id, client_id, device: "", model: None, direct: true, head }
            }
            Some(Identity::Subscriber { .. }) => return self.to_listeners(session, publish, receipt),
            of_nobody @ (Some(Identity::Canary) | None) => {
                receipt.complete(without_store(of_nobody));
                return Ok(());
            }
        };
        self.send(session, &source, publish, receipt)
    }

    async fn room(&self) {
        // There is room, and yet it is not time.
        if self.is_handing_over.swap(false, Ordering::Relaxed) {
            tokio::time::sleep(TRY_AGAIN).await;
        }
        if let Some(listeners) = self.listeners.get() {
            listeners.fabric.room(TRY_AGAIN).await;
        }
        // The session offers again either way, so it does not matter how the wait ended.
        let _room = self.producer.room(TRY_AGAIN).await;
    }
}

impl KafkaIngest {
    /// Hands a publish to Kafka's client; gives it back if there is no room.
    fn send(
        &self,
        session: &SessionFacts,
        source: &Source<'_>,
        publish: Publish,
        receipt: Receipt,
    ) -> Result<(), (Publish, Receipt)> {
        let topic = if source.direct { &self.raw } else { &self.held };
        let received_ms = i64::try_from(publish.received_at_ms).unwrap_or(i64::MAX);
        let trail = Trail::begin(&self.tracer, session, source.key, &publish);
        let teller = trail.as_ref().and_then(|trail| trail.teller());
        let traceparent = trail.as_ref().and_then(|trail| trail.traceparent());
        let both;
        let one = [(TYPE_HEADER, b"fleetwire.v1.RawPublish".as_slice())];
        let headers: &[(&str, &[u8])] = if let (Some(value), [kind]) = (&traceparent, one) {
            both = [kind, (TRACEPARENT, value.as_bytes())];
            &both
        } else {
            &one
        };
        let ticket = Ticket { receipt, trail };
        let sent = record::with(&self.origin, session, source, &publish, |value| {
            let record = Record {
                topic,
                key: Some(source.key.as_bytes()),
                payload: Some(value),
                timestamp_ms: Some(received_ms),
                headers,
            };
            self.producer.send(record, ticket)
        });
        match sent {
            Ok(()) => {
                self.metrics.taken(publish.qos, source.direct, publish.payload.len());
                self.show_listeners(session, &publish, source.client_id);
                if let Some(teller) = teller {
                    teller.handed_over(&publish, topic);
                }
                Ok(())
            }
            Err((SendError::Full, ticket)) => {
                self.waits(session, source.key, &publish, "no_room");
                if let Some(trail) = ticket.trail {
                    trail.discard();
                }
                Err((publish, ticket.receipt))
            }
            Err((err, ticket)) => {
                self.metrics.failed(err.code());
                if let Some(trail) = ticket.trail {
                    trail.not_stored(err.code());
                }
                ticket.receipt.complete(Outcome::Failed(FailureReason::NotStored));
                Ok(())
            }
        }
    }

    /// Tells once of a publish that it waits.
    fn waits(&self, session: &SessionFacts, name: &str, publish: &Publish, why: &'static str) {
        if let Some(teller) = Teller::of(&self.tracer, session, name, publish) {
            teller.waits(publish, why);
        }
    }

    /// Lets sessions that listen see what devices publish, and hear what subscribers do.
    pub fn connect_listeners(&self, fabric: Fabric, sessions: Sessions) {
        // There is one fabric; a second call would change nothing.
        let _first = self.listeners.set(Listeners { fabric, sessions });
    }

    /// A device's publish, for whoever listens. One that does not fit is not shown, and counted.
    fn show_listeners(&self, session: &SessionFacts, publish: &Publish, client_id: &str) {
        let Some(listeners) = self.listeners.get().filter(|l| l.sessions.is_listened_to()) else {
            return;
        };
        if !matches!(listeners.fabric.mirror(&Envelope::new(session, publish, Some(client_id))), Ok(true)) {
            self.metrics.not_mirrored();
        }
    }

    /// A subscriber's publish: it goes to others that listen, and never to Kafka.
    fn to_listeners(
        &self,
        session: &SessionFacts,
        publish: Publish,
        receipt: Receipt,
    ) -> Result<(), (Publish, Receipt)> {
        let sent = self.listeners.get().map(|l| l.fabric.mirror(&Envelope::new(session, &publish, None)));
        match sent {
            Some(Ok(true)) => receipt.complete(Outcome::Stored),
            Some(Ok(false)) => return Err((publish, receipt)),
            // The process is about to end, or has not quite begun.
            Some(Err(_)) | None => receipt.complete(Outcome::Failed(FailureReason::NotStored)),
        }
        Ok(())
    }
}
