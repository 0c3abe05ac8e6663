//! What services tell steps to.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fleetwire_kafka::{ClientSettings, FlushError, Producer, Record};
use fleetwire_model::pb::{TraceStep, TraceStepKind};
use fleetwire_model::time::from_unix_ms;
use fleetwire_model::{DeviceId, TYPE_HEADER, Topic, Topics};
use fleetwire_service::clock;
use prost::Message as _;
use tracing::{info, warn};

use crate::metrics::TraceMetrics;
use crate::request::{Request, device_of};
use crate::table::{Entered, Followed, Table};
use crate::telemetry::Telemetry;

/// Bytes of a payload that a step shows at most.
pub const MAX_PAYLOAD: usize = 1024;
/// Steps that wait for Kafka at most, and their bytes.
const WAITING: usize = 4096;
const WAITING_BYTES: usize = 4 * 1024 * 1024;
/// How long a step is worth sending.
const DELIVERY: Duration = Duration::from_secs(10);

/// Where steps go.
#[derive(Debug, Clone)]
pub struct Place {
    /// How Kafka is reached.
    pub kafka: ClientSettings,
    /// Names of the topics.
    pub topics: Topics,
    /// Name of this replica.
    pub replica: String,
}

/// The devices that this process follows, and the way for their steps. Clones share.
#[derive(Clone)]
pub struct Tracer(Arc<Inner>);

struct Inner {
    table: Table,
    /// None where nothing is followed, whatever is asked for.
    place: Option<Place>,
    topic: String,
    /// Made with the first request, so that it costs nothing where nobody is followed.
    producer: OnceLock<Option<Producer<()>>>,
    metrics: Arc<TraceMetrics>,
    telemetry: Option<Telemetry>,
    /// Whether publishes of devices that are not followed may be recorded.
    samples: bool,
}

impl Tracer {
    /// One that follows nobody.
    pub fn off() -> Self {
        Self::build(None, None)
    }

    /// One that follows whom [`Tracer::apply`] is told, and that has spans exported where a collector is named.
    pub fn new(place: Place, telemetry: Option<Telemetry>) -> Self {
        Self::build(Some(place), telemetry)
    }

    fn build(place: Option<Place>, telemetry: Option<Telemetry>) -> Self {
        let topic = place.as_ref().map(|place| place.topics.name(Topic::Trace)).unwrap_or_default();
        Self(Arc::new(Inner {
            table: Table::default(),
            place,
            topic,
            producer: OnceLock::new(),
            metrics: Arc::new(TraceMetrics::new()),
            samples: telemetry.as_ref().is_some_and(Telemetry::samples),
            telemetry,
        }))
    }

    /// The way to an OpenTelemetry collector, where there is one.
    #[inline]
    pub fn telemetry(&self) -> Option<&Telemetry> {
        self.0.telemetry.as_ref()
    }

    /// Whether anything may have to be told of a publish that comes: two loads, for hot paths.
    #[inline]
    pub fn is_awake(&self) -> bool {
        self.is_any() || self.0.samples
    }

    /// Whether any device may be followed: one load, for hot paths.
    #[inline]
    pub fn is_any(&self) -> bool {
        self.0.table.is_any()
    }

    /// The device, if it is followed.
    #[inline]
    pub fn follows(&self, device: &str) -> Option<Following> {
        if self.is_any() { self.look_up(device) } else { None }
    }

    #[cold]
    fn look_up(&self, device: &str) -> Option<Following> {
        let followed = self.0.table.find(device, clock::unix_ms())?;
        Some(Following { tracer: self.clone(), followed })
    }

    /// The request by which a device is followed now.
    pub fn request(&self, device: &str) -> Option<Request> {
        self.0.table.find(device, clock::unix_ms()).map(|followed| followed.request.clone())
    }

    /// Every request that is followed now.
    pub fn requests(&self) -> Vec<Request> {
        self.0.table.all(clock::unix_ms())
    }

    /// Devices whose requests were over at `at_ms`, Unix milliseconds, and whose records are in the topic still. Each is
    /// named once.
    pub fn take_over(&self, at_ms: i64) -> Vec<DeviceId> {
        self.0.table.take_over(at_ms)
    }

    /// Takes a record of the registry topic; false if it is none of these. One that cannot be used ends what is
    /// followed of its device.
    pub fn apply(&self, key: &[u8], value: Option<&[u8]>) -> bool {
        let Some(device) = device_of(key) else { return false };
        let inner = &self.0;
        if inner.place.is_none() {
            return true;
        }
        let (Ok(device), now_ms) = (device, clock::unix_ms()) else {
            inner.metrics.dropped.increment("unusable");
            return true;
        };
        match value.map(|value| Request::decode(device.clone(), value)) {
            None => inner.table.remove(&device),
            Some(Ok(request)) => self.enter(request, now_ms),
            Some(Err(err)) => {
                warn!(%device, %err, "a request to follow a device is not usable");
                inner.metrics.dropped.increment("unusable");
                inner.table.remove(&device);
            }
        }
        self.sweep();
        true
    }

    fn enter(&self, request: Request, now_ms: i64) {
        let inner = &self.0;
        let (device, by, trace) =
            (request.device.clone(), request.requested_by.clone(), request.trace_id.clone());
        match inner.table.enter(request, now_ms) {
            Entered::Yes => {
                info!(%device, by, trace, "the device is followed");
                inner.producer();
            }
            Entered::Over => {}
            Entered::Full => {
                warn!(%device, by, "the device is not followed: too many others are");
                inner.metrics.dropped.increment("too_many_devices");
            }
        }
    }

    /// Forgets requests whose time is over. Call it now and then; nothing is told of them in any case.
    pub fn sweep(&self) {
        if self.is_any() {
            let left = self.0.table.sweep(clock::unix_ms());
            self.0.metrics.devices.set(f64::from(u32::try_from(left).unwrap_or(u32::MAX)));
        } else {
            self.0.metrics.devices.set(0.0);
        }
    }

    /// Waits until Kafka has the steps that were told, at most so long; blocks.
    pub fn flush(&self, limit: Duration) -> Result<(), FlushError> {
        match self.0.producer.get() {
            Some(Some(producer)) => producer.flush(limit),
            _ => Ok(()),
        }
    }
}

impl Inner {
    fn producer(&self) -> Option<&Producer<()>> {
        let make = || {
            let mut settings = self.place.as_ref()?.kafka.clone();
            settings.producer.max_in_flight_records = WAITING;
            settings.producer.max_in_flight_bytes = WAITING_BYTES;
            settings.producer.delivery_timeout = DELIVERY;
            let metrics = Arc::clone(&self.metrics);
            let producer = Producer::new(&settings, move |delivery, ()| {
                if delivery.outcome.is_err() {
                    metrics.dropped.increment("not_delivered");
                }
            });
            producer.inspect_err(|err| warn!(%err, "steps of followed devices cannot be told")).ok()
        };
        self.producer.get_or_init(make).as_ref()
    }

    fn tell(&self, followed: &Followed, mut step: TraceStep) {
        let now_ms = clock::unix_ms();
        if !followed.may_tell(now_ms) {
            return self.metrics.dropped.increment("rate");
        }
        let Some(producer) = self.producer() else {
            return self.metrics.dropped.increment("no_producer");
        };
        followed.request.device.as_str().clone_into(&mut step.device_id);
        step.trace_id.clone_from(&followed.request.trace_id);
        step.time.get_or_insert_with(|| from_unix_ms(now_ms));
        if let Some(place) = &self.place {
            step.replica.clone_from(&place.replica);
        }
        let record = Record {
            topic: &self.topic,
            key: Some(followed.request.device.as_str().as_bytes()),
            payload: Some(&step.encode_to_vec()),
            timestamp_ms: Some(now_ms),
            headers: &[(TYPE_HEADER, b"fleetwire.v1.TraceStep")],
        };
        match producer.send(record, ()) {
            Ok(()) => self.metrics.steps.increment(1),
            Err(_) => self.metrics.dropped.increment("queue_full"),
        }
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("table", &self.0.table).finish_non_exhaustive()
    }
}

/// A device that is followed: tells its steps. It goes along with a publish, also past the end of the request.
#[derive(Debug, Clone)]
pub struct Following {
    tracer: Tracer,
    followed: Arc<Followed>,
}

impl Following {
    /// The device.
    pub fn device(&self) -> &str {
        self.followed.request.device.as_str()
    }

    /// Tells a step. Never waits; what is not said of the device, its request, the time and the replica is filled in.
    pub fn tell(&self, kind: TraceStepKind, step: TraceStep) {
        self.tracer.0.tell(&self.followed, TraceStep { kind: kind.into(), ..step });
    }

    /// Whether this publish, by its number in its session, was not the last one that had to wait: that is told once.
    pub fn waits_anew(&self, number: u64) -> bool {
        self.followed.waits_anew(number)
    }

    /// What a step may show of a payload: nothing, unless the request asks for it.
    pub fn shown(&self, payload: &[u8]) -> prost::bytes::Bytes {
        let shown = payload.get(..MAX_PAYLOAD).unwrap_or(payload);
        if self.followed.request.payload { shown.to_vec().into() } else { prost::bytes::Bytes::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(device: &str, expire_ms: i64) -> (String, Vec<u8>) {
        let request = Request {
            device: device.parse().unwrap(),
            trace_id: "01J".into(),
            start_ms: expire_ms - 60_000,
            expire_ms,
            payload: true,
            requested_by: "test".into(),
        };
        (crate::key(&request.device), request.encode())
    }

    fn tracer() -> Tracer {
        // Nobody listens there; the client connects by itself, or not.
        let kafka = ClientSettings::new("127.0.0.1:1".to_owned());
        Tracer::new(Place { kafka, topics: Topics::default(), replica: "r".into() }, None)
    }

    #[test]
    fn a_request_begins_with_its_record_and_ends_with_its_tombstone() {
        let tracer = tracer();
        assert!(!tracer.apply(b"867035046242895", Some(b"")), "a device is none of its own");
        assert!(tracer.follows("867035046242895").is_none() && !tracer.is_any());
        let (key, value) = record("867035046242895", clock::unix_ms() + 60_000);
        assert!(tracer.apply(key.as_bytes(), Some(&value)));
        let following = tracer.follows("867035046242895").unwrap();
        assert!(tracer.follows("867035046242896").is_none());
        assert_eq!(following.shown(&[7; 2000]).len(), MAX_PAYLOAD);
        // Nobody is there to take it, and nothing waits.
        following.tell(TraceStepKind::Received, TraceStep::default());
        assert!(tracer.apply(key.as_bytes(), None) && !tracer.is_any());
    }

    #[test]
    fn what_is_not_usable_ends_what_was_followed() {
        let tracer = tracer();
        let (key, value) = record("1", clock::unix_ms() + 60_000);
        tracer.apply(key.as_bytes(), Some(&value));
        assert!(tracer.is_any() && tracer.apply(key.as_bytes(), Some(b"\xff")));
        assert!(!tracer.is_any() && tracer.apply(b"@trace/a b", Some(&value)) && !tracer.is_any());
        let (key, old) = record("1", clock::unix_ms() - 1);
        assert!(tracer.apply(key.as_bytes(), Some(&old)) && !tracer.is_any());
    }

    #[test]
    fn one_that_is_off_takes_requests_and_follows_nobody() {
        let (key, value) = record("1", clock::unix_ms() + 60_000);
        let tracer = Tracer::off();
        assert!(tracer.apply(key.as_bytes(), Some(&value)) && !tracer.is_any());
    }

    #[test]
    #[ignore = "measures, alone: cargo test --release -p fleetwire-trace -- --ignored --nocapture cost"]
    #[expect(clippy::print_stdout, reason = "a measurement")]
    fn cost_of_a_look_where_nobody_and_where_another_is_followed() {
        const LOOKS: u32 = 2_000_000;
        let tracer = tracer();
        let look = || {
            let begin = std::time::Instant::now();
            for _ in 0..LOOKS {
                assert!(
                    std::hint::black_box(&tracer).follows(std::hint::black_box("867035046242895")).is_none()
                );
            }
            begin.elapsed() / LOOKS
        };
        println!("nobody is followed: {:?} a look", look());
        let (key, value) = record("867035046242896", clock::unix_ms() + 60_000);
        tracer.apply(key.as_bytes(), Some(&value));
        println!("another device is followed: {:?} a look", look());
    }
}
