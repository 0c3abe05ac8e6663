//! What a worker does with one raw record, whichever way its events reach Kafka.

use std::sync::Arc;
use std::time::Instant;

use fleetwire_kafka::{Message, Monitor, Record, SendError};
use fleetwire_model::{RELEASED_HEADER, TYPE_HEADER, Topic, Topics};
use fleetwire_service::clock;
use fleetwire_trace::{TRACEPARENT, Tracer};

use crate::interpret::{Interpreter, OutputKind, RawRecord};
use crate::lag::Lag;
use crate::metrics::DecoderMetrics;
use crate::repeats::{Place, Repeats};
use crate::trail::{Trail, resume};

/// Values of the type header.
const POSITION: &str = "fleetwire.v1.PositionEvent";
const DEVICE_EVENT: &str = "fleetwire.v1.DeviceEvent";
const DEAD_LETTER: &str = "fleetwire.v1.DeadLetter";

/// Full names of the topics that a decoder writes to.
#[derive(Debug)]
pub(crate) struct Names {
    positions: String,
    events: String,
    dead_letters: String,
}

impl Names {
    /// The names with their prefix.
    pub(crate) fn new(topics: &Topics) -> Self {
        Self {
            positions: topics.name(Topic::Positions),
            events: topics.name(Topic::DeviceEvents),
            dead_letters: topics.name(Topic::DeadLetters),
        }
    }

    /// The topic of an output, and the name of its message.
    fn of(&self, kind: OutputKind) -> (&str, &'static str) {
        match kind {
            OutputKind::Position => (&self.positions, POSITION),
            OutputKind::Event => (&self.events, DEVICE_EVENT),
            OutputKind::DeadLetter => (&self.dead_letters, DEAD_LETTER),
        }
    }
}

/// Interprets raw records and says what is to be produced.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) interpreter: Interpreter,
    pub(crate) names: Names,
    pub(crate) repeats: Repeats,
    pub(crate) monitor: Monitor,
    pub(crate) metrics: Arc<DecoderMetrics>,
    pub(crate) lag: Arc<Lag>,
    pub(crate) tracer: Tracer,
    /// Raw records taken, to choose those that are timed.
    pub(crate) taken: u32,
}

/// One raw record of so many is timed.
const TIMED: u32 = 16;

/// A raw record that was received so long ago is looked at for the mark of those that waited for an activation:
/// reading headers costs more than the clock.
const LATE_MS: i64 = 5_000;

/// Takes the events of one raw record.
pub(crate) trait Sink {
    /// What follows was received then, Unix milliseconds; 0 if unknown, or of no interest. `trail` is of a record that is followed.
    fn begin(&mut self, received_ms: i64, trail: Option<Box<Trail>>);

    /// So many events of it are left out, because the device has sent them before.
    fn repeats(&mut self, count: u32);

    /// One event, in order.
    fn send(&mut self, record: Record<'_>) -> Result<(), SendError>;
}

impl Worker {
    /// Interprets a raw record, and sends what it became but for repeats.
    pub(crate) fn work(&mut self, message: &Message<'_>, sink: &mut impl Sink) -> Result<(), SendError> {
        self.taken = self.taken.wrapping_add(1);
        let started = self.taken.is_multiple_of(TIMED).then(Instant::now);
        let tracer = &self.tracer;
        let span = tracer.telemetry().and_then(|telemetry| resume(telemetry, tracer, message));
        let record = RawRecord {
            topic: message.topic(),
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().unwrap_or_default(),
            value: message.payload().unwrap_or_default(),
        };
        let now_ms = clock::unix_ms();
        let result = self.interpreter.interpret(record, now_ms);
        let made = self.metrics.interpreted(&result, started.map(|started| started.elapsed()));
        // What waited for its device to be activated says nothing of how long decoding takes.
        let is_late = now_ms.saturating_sub(result.received_ms) > LATE_MS;
        let has_waited = is_late && message.header(RELEASED_HEADER).is_some();
        let received_ms = if has_waited { 0 } else { result.received_ms };
        self.lag.at(received_ms);
        self.repeats.reads(self.monitor.generation());
        let is_awake = tracer.is_any() || span.is_some();
        let trail = if is_awake { Trail::begin(tracer, &record, &result, span) } else { None };
        let traceparent = trail.as_ref().and_then(|trail| trail.traceparent());
        sink.begin(received_ms, trail);
        let mut repeats = 0;
        let place = Place { partition: message.partition(), offset: message.offset() };
        for output in result.outputs() {
            if output.dedup_key.is_some_and(|key| self.repeats.is_repeat(key, place)) {
                repeats += 1;
                continue;
            }
            let (topic, kind) = self.names.of(output.kind);
            let kind = (TYPE_HEADER, kind.as_bytes());
            let (one, both);
            let headers: &[(&str, &[u8])] = if let Some(value) = &traceparent {
                both = [kind, (TRACEPARENT, value.as_bytes())];
                &both
            } else {
                one = [kind];
                &one
            };
            sink.send(Record {
                topic,
                key: Some(output.key),
                payload: Some(output.value),
                timestamp_ms: None,
                headers,
            })?;
        }
        if repeats > 0 {
            sink.repeats(repeats);
        }
        self.metrics.worked(result.protocol, made, repeats);
        Ok(())
    }
}
