//! What goes along with a publish of a device that is followed, or whose trace is exported: it tells the steps, and ends
//! the spans.

use fleetwire_kafka::Delivery;
use fleetwire_model::pb::{TraceStep, TraceStepKind};
use fleetwire_model::time::from_unix_ms;
use fleetwire_mqtt::packet::QoS;
use fleetwire_mqtt::{Publish, Receipt, SessionFacts};
use fleetwire_trace::{Following, Span, SpanKind, Tracer};

/// Travels through Kafka's client beside a record.
#[derive(Debug)]
pub struct Ticket {
    pub(crate) receipt: Receipt,
    /// Of a publish that is followed.
    pub(crate) trail: Option<Box<Trail>>,
}

/// A publish that is followed, or exported.
#[derive(Debug)]
pub(crate) struct Trail {
    teller: Option<Teller>,
    spans: Option<Spans>,
}

/// The way of a publish to Kafka.
#[derive(Debug)]
struct Spans {
    /// Handing it to Kafka; ends before the other.
    send: Span,
    receive: Span,
}

/// Tells the steps of a publish.
#[derive(Debug, Clone)]
pub(crate) struct Teller {
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
    /// Of a publish under this name, if that is followed or exported. Costs two loads where nothing is.
    #[inline]
    pub(crate) fn begin(
        tracer: &Tracer,
        session: &SessionFacts,
        name: &str,
        publish: &Publish,
    ) -> Option<Box<Self>> {
        if tracer.is_awake() { Self::awake(tracer, session, name, publish) } else { None }
    }

    #[cold]
    fn awake(tracer: &Tracer, session: &SessionFacts, name: &str, publish: &Publish) -> Option<Box<Self>> {
        let teller = Teller::of(tracer, session, name, publish);
        let begun = tracer
            .telemetry()
            .and_then(|telemetry| telemetry.begin("publish receive", SpanKind::Server, teller.is_some()));
        let spans = begun.map(|mut receive| {
            receive.began_at(publish.received_at_ms.saturating_mul(1_000_000));
            receive.set("fleetwire.device", name);
            receive.set("fleetwire.session", &session.session_id);
            receive.set("mqtt.topic", &publish.topic);
            receive.set_number("mqtt.qos", qos(publish.qos).into());
            let bytes = i64::try_from(publish.payload.len()).unwrap_or(i64::MAX);
            receive.set_number("messaging.message.body.size", bytes);
            Spans { send: receive.child("raw send", SpanKind::Producer), receive }
        });
        (teller.is_some() || spans.is_some()).then(|| Box::new(Self { teller, spans }))
    }

    /// What tells its steps.
    pub(crate) fn teller(&self) -> Option<Teller> {
        self.teller.clone()
    }

    /// The header of its record.
    pub(crate) fn traceparent(&self) -> Option<String> {
        self.spans.as_ref().map(|spans| spans.send.context().to_string())
    }

    /// It is offered again later, as if it came then.
    pub(crate) fn discard(self) {
        if let Some(Spans { send, receive }) = self.spans {
            send.discard();
            receive.discard();
        }
    }

    /// Kafka's client does not take it.
    pub(crate) fn not_stored(self, why: &'static str) {
        if let Some(teller) = &self.teller {
            teller.not_stored(why);
        }
        if let Some(Spans { mut send, mut receive }) = self.spans {
            send.fail(why);
            receive.fail(why);
        }
    }

    /// Kafka has answered.
    pub(crate) fn settled(mut self, delivery: &Delivery<'_>) {
        let place = match &delivery.outcome {
            Ok(place) => place,
            Err(err) => return self.not_stored(err.code()),
        };
        if let Some(teller) = &self.teller {
            let step = TraceStep {
                kafka_topic: delivery.topic().to_owned(),
                partition: Some(place.partition),
                offset: Some(place.offset),
                ..teller.step()
            };
            teller.following.tell(TraceStepKind::Stored, step);
        }
        if let Some(Spans { send, .. }) = &mut self.spans {
            send.set("messaging.system", "kafka");
            send.set("messaging.destination.name", delivery.topic());
            send.set_number("messaging.destination.partition.id", place.partition.into());
            send.set_number("messaging.kafka.offset", place.offset);
        }
    }
}

impl Teller {
    /// Of a publish under this name, if that is followed. Costs one load where nobody is.
    #[inline]
    pub(crate) fn of(tracer: &Tracer, session: &SessionFacts, name: &str, publish: &Publish) -> Option<Self> {
        let following = tracer.follows(name)?;
        Some(Self {
            following,
            subject: subject(session, publish.sequence),
            received_ms: i64::try_from(publish.received_at_ms).unwrap_or(i64::MAX),
            sequence: publish.sequence,
        })
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

    /// Kafka, or its client, does not take it.
    fn not_stored(&self, why: &'static str) {
        let step = TraceStep { code: why.to_owned(), ..self.step() };
        self.following.tell(TraceStepKind::NotStored, step);
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
