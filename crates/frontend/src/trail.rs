//! What goes along with a publish of a device that is followed, and tells its steps.

use fleetwire_kafka::Delivery;
use fleetwire_model::pb::{TraceStep, TraceStepKind};
use fleetwire_model::time::from_unix_ms;
use fleetwire_mqtt::packet::QoS;
use fleetwire_mqtt::{Publish, Receipt, SessionFacts};
use fleetwire_trace::{Following, Tracer};

/// Travels through Kafka's client beside a record.
#[derive(Debug)]
pub struct Ticket {
    pub(crate) receipt: Receipt,
    /// Of a publish that is followed.
    pub(crate) trail: Option<Box<Trail>>,
}

/// A publish that is followed.
#[derive(Debug, Clone)]
pub(crate) struct Trail {
    following: Following,
    subject: String,
    received_ms: i64,
    sequence: u64,
}

/// What steps of a publish are about.
pub(crate) fn subject(session: &SessionFacts, sequence: u64) -> String {
    format!("{}/{sequence}", session.session_id)
}

impl Trail {
    /// Of a publish under this name, if that is followed. Costs one load where nobody is.
    #[inline]
    pub(crate) fn begin(
        tracer: &Tracer,
        session: &SessionFacts,
        name: &str,
        publish: &Publish,
    ) -> Option<Box<Self>> {
        let following = tracer.follows(name)?;
        Some(Box::new(Self {
            following,
            subject: subject(session, publish.sequence),
            received_ms: i64::try_from(publish.received_at_ms).unwrap_or(i64::MAX),
            sequence: publish.sequence,
        }))
    }

    fn step(&self) -> TraceStep {
        TraceStep {
            subject: self.subject.clone(),
            received_time: Some(from_unix_ms(self.received_ms)),
            ..TraceStep::default()
        }
    }

    fn described(&self, publish: &Publish) -> TraceStep {
        TraceStep {
            mqtt_topic: publish.topic.to_string(),
            qos: Some(qos(publish.qos)),
            packet_id: (publish.packet_id != 0).then(|| publish.packet_id.into()),
            size: Some(publish.payload.len() as u64),
            payload: self.following.shown(&publish.payload),
            code: if publish.will { "will" } else { "" }.to_owned(),
            ..self.step()
        }
    }

    /// It came, and Kafka's client has it.
    pub(crate) fn handed_over(&self, publish: &Publish, topic: &str) {
        let received = TraceStep { time: Some(from_unix_ms(self.received_ms)), ..self.described(publish) };
        self.following.tell(TraceStepKind::Received, received);
        let over = TraceStep { kafka_topic: topic.to_owned(), ..self.step() };
        self.following.tell(TraceStepKind::HandedOver, over);
    }

    /// It has to wait; that is told once.
    pub(crate) fn waits(&self, publish: &Publish, why: &'static str) {
        if self.following.waits_anew(self.sequence) {
            let step = TraceStep { code: why.to_owned(), ..self.described(publish) };
            self.following.tell(TraceStepKind::Waiting, step);
        }
    }

    /// It may not be published.
    pub(crate) fn refused(&self, publish: &Publish, why: &'static str) {
        let step = TraceStep { code: why.to_owned(), ..self.described(publish) };
        self.following.tell(TraceStepKind::PublishRefused, step);
    }

    /// Kafka's client does not take it.
    pub(crate) fn not_stored(&self, why: &'static str) {
        let step = TraceStep { code: why.to_owned(), ..self.step() };
        self.following.tell(TraceStepKind::NotStored, step);
    }

    /// Kafka has answered.
    pub(crate) fn settled(&self, delivery: &Delivery<'_>) {
        match &delivery.outcome {
            Ok(place) => {
                let step = TraceStep {
                    kafka_topic: delivery.topic().to_owned(),
                    partition: Some(place.partition),
                    offset: Some(place.offset),
                    ..self.step()
                };
                self.following.tell(TraceStepKind::Stored, step);
            }
            Err(err) => self.not_stored(err.code()),
        }
    }
}

/// The number of a quality of service.
pub(crate) const fn qos(qos: QoS) -> u32 {
    match qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce => 1,
        QoS::ExactlyOnce => 2,
    }
}
