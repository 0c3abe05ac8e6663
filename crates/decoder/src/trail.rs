//! What goes along with a raw record whose devices are followed, or whose trace is exported: it tells what becomes of it,
//! and ends the spans.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use fleetwire_kafka::{Delivered, Delivery, Message};
use fleetwire_model::pb::{DeadLetter, RawPublish, TraceStep, TraceStepKind};
use fleetwire_model::time::from_unix_ms;
use fleetwire_trace::{Following, Span, SpanKind, TRACEPARENT, Telemetry, Tracer, subject_of};
use prost::Message as _;

use crate::interpret::{Interpretation, Output, OutputKind, RawRecord};

/// Devices of one raw record whose steps are told. A connection that speaks for many may name more.
const MOST: usize = 8;

/// The followed devices of one raw record.
#[derive(Debug)]
pub(crate) struct Trail {
    subject: String,
    received_ms: i64,
    parts: Vec<Part>,
    /// Handing what was made to Kafka, and the header of all of it.
    produce: Mutex<Option<Span>>,
    traceparent: Option<String>,
}

/// The span of a raw record that comes, if its trace is exported. Made before the record is worked, for its begin.
pub(crate) fn resume(telemetry: &Telemetry, tracer: &Tracer, message: &Message<'_>) -> Option<Span> {
    let key = std::str::from_utf8(message.key().unwrap_or_default()).unwrap_or_default();
    let is_followed = tracer.follows(key).is_some();
    let header = message.header(TRACEPARENT);
    let mut span = telemetry.resume("decode", SpanKind::Consumer, (header, is_followed))?;
    span.set("fleetwire.device", key);
    span.set("messaging.system", "kafka");
    span.set("messaging.destination.name", message.topic());
    span.set_number("messaging.destination.partition.id", message.partition().into());
    span.set_number("messaging.kafka.offset", message.offset());
    Some(span)
}

/// One of them.
#[derive(Debug)]
struct Part {
    following: Following,
    produced: Mutex<BTreeMap<String, Produced>>,
}

/// What Kafka has in one topic.
#[derive(Debug, Clone, Copy)]
struct Produced {
    count: u32,
    /// Of the first record, where Kafka says it.
    place: Option<Delivered>,
}

impl Trail {
    /// Of a raw record that was interpreted, if one of its devices is followed; tells what it became.
    #[cold]
    pub(crate) fn begin(
        tracer: &Tracer,
        record: &RawRecord<'_>,
        result: &Interpretation<'_>,
        decode: Option<Span>,
    ) -> Option<Box<Self>> {
        let mut parts: Vec<Part> = Vec::new();
        for key in std::iter::once(record.key).chain(result.outputs().map(|output| output.key)) {
            let is_new = parts.iter().all(|part| part.following.device().as_bytes() != key);
            let found = std::str::from_utf8(key).ok().filter(|_| is_new && parts.len() < MOST);
            if let Some(following) = found.and_then(|name| tracer.follows(name)) {
                parts.push(Part { following, produced: Mutex::default() });
            }
        }
        if parts.is_empty() && decode.is_none() {
            return None;
        }
        let produce = decode.map(|mut decode| {
            decode.set("fleetwire.protocol", result.protocol);
            if let Some(code) = result.outputs().find_map(|output| output.code) {
                decode.fail(code);
            }
            decode.child("produce", SpanKind::Producer)
        });
        let raw = RawPublish::decode(record.value).unwrap_or_default();
        let trail = Self {
            subject: subject_of(&raw),
            received_ms: result.received_ms,
            parts,
            traceparent: produce.as_ref().map(|span| span.context().to_string()),
            produce: Mutex::new(produce),
        };
        for part in &trail.parts {
            trail.tell(part, record, result);
        }
        Some(Box::new(trail))
    }

    fn tell(&self, part: &Part, record: &RawRecord<'_>, result: &Interpretation<'_>) {
        let is_whole = part.following.device().as_bytes() == record.key;
        let is_own = |output: &Output<'_>| is_whole || output.key == part.following.device().as_bytes();
        let (mut events, mut letters) = (0, Vec::new());
        for output in result.outputs().filter(is_own) {
            match output.kind {
                OutputKind::Position | OutputKind::Event => events += 1,
                OutputKind::DeadLetter => letters.push(output),
            }
        }
        let place = || TraceStep {
            kafka_topic: record.topic.to_owned(),
            partition: Some(record.partition),
            offset: Some(record.offset),
            protocol: result.protocol.to_owned(),
            ..self.step()
        };
        if events > 0 {
            let step = TraceStep { count: Some(events), detail: skipped(result.skipped), ..place() };
            part.following.tell(TraceStepKind::Decoded, step);
        }
        for letter in letters {
            let reason = DeadLetter::decode(letter.value).unwrap_or_default().reason;
            let code = letter.code.unwrap_or_default().to_owned();
            part.following.tell(TraceStepKind::DeadLetter, TraceStep { code, detail: reason, ..place() });
        }
    }

    /// The header of what is made of the record.
    pub(crate) fn traceparent(&self) -> Option<String> {
        self.traceparent.clone()
    }

    fn step(&self) -> TraceStep {
        let received_time = Some(from_unix_ms(self.received_ms)).filter(|_| self.received_ms != 0);
        TraceStep { subject: self.subject.clone(), received_time, ..TraceStep::default() }
    }

    /// Some events are not produced, because the device has sent them before.
    pub(crate) fn repeats(&self, count: u32) {
        for part in &self.parts {
            let step = TraceStep { code: "repeat".to_owned(), count: Some(count), ..self.step() };
            part.following.tell(TraceStepKind::Decoded, step);
        }
    }

    /// Kafka has one of its events.
    pub(crate) fn delivered(&self, delivery: &Delivery<'_>) {
        if let Ok(place) = &delivery.outcome {
            self.produced(delivery.topic(), delivery.key().unwrap_or_default(), Some(*place));
        }
    }

    /// The same, or it will with the transaction, which tells no place.
    pub(crate) fn produced(&self, topic: &str, key: &[u8], place: Option<Delivered>) {
        let Some(part) = self.parts.iter().find(|part| part.following.device().as_bytes() == key) else {
            return;
        };
        let mut produced = part.produced.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = produced.entry(topic.to_owned()).or_insert(Produced { count: 0, place });
        entry.count += 1;
    }

    /// Nothing of it is visible: it is worked again.
    pub(crate) fn undone(&self) {
        if let Some(mut span) = self.produce.lock().unwrap_or_else(PoisonError::into_inner).take() {
            span.fail("undone");
        }
    }

    /// Kafka has all of its events.
    pub(crate) fn finish(&self) {
        drop(self.produce.lock().unwrap_or_else(PoisonError::into_inner).take());
        for part in &self.parts {
            let produced = std::mem::take(&mut *part.produced.lock().unwrap_or_else(PoisonError::into_inner));
            for (kafka_topic, Produced { count, place }) in produced {
                let step = TraceStep {
                    kafka_topic,
                    count: Some(count),
                    partition: place.map(|place| place.partition),
                    offset: place.map(|place| place.offset),
                    ..self.step()
                };
                part.following.tell(TraceStepKind::Produced, step);
            }
        }
    }
}

fn skipped(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!("{count} more records of the payload are no event of the device"),
    }
}
