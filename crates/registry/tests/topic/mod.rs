//! A registry topic of its own in a real Kafka, what is written to it, and services that follow it.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fleetwire_kafka::{ClientSettings, Producer, Record};
use fleetwire_model::pb::{Device, DeviceStatus};
use fleetwire_model::{Topic, Topics};
use fleetwire_registry::follow::Registry;
use fleetwire_registry::{Catalogue, Devices};
use fleetwire_service::health::Health;
use prost::Message as _;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use tokio_util::sync::CancellationToken;

/// How long a failure takes; a passing test never waits for it.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A registry topic with a writer.
pub(crate) struct RegistryTopic {
    pub(crate) client: ClientSettings,
    pub(crate) topics: Topics,
    producer: Producer<()>,
}

impl RegistryTopic {
    /// Makes the topic, with a prefix that no other test has.
    pub(crate) fn create(bootstrap: &str, partitions: i32, configs: &[(&str, &str)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let topics = Topics::new(&format!("r{}-{next}-{since}", std::process::id())).unwrap();
        let name = topics.name(Topic::Devices);
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
        let new =
            NewTopic::new(&name, partitions, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
        let new = configs.iter().fold(new, |new, (key, value)| new.set(key, value));
        let options = AdminOptions::new().operation_timeout(Some(LIMIT)).request_timeout(Some(LIMIT));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let created = runtime.block_on(admin.create_topics([&new], &options)).unwrap();
        assert!(created.iter().all(Result::is_ok), "{created:?}");
        let client = ClientSettings::new(bootstrap);
        let producer = Producer::new(&client, |delivery, ()| {
            delivery.outcome.unwrap();
        });
        Self { client, topics, producer: producer.unwrap() }
    }

    /// Hands a record over; [`Self::flush`] waits for it.
    pub(crate) fn put(&self, id: &str, device: Option<&Device>) {
        self.put_at(id, device, None);
    }

    /// As [`Self::put`], as if it were written at this time.
    pub(crate) fn put_at(&self, id: &str, device: Option<&Device>, timestamp_ms: Option<i64>) {
        let value = device.map(|device| Device { device_id: id.into(), ..device.clone() }.encode_to_vec());
        let topic = self.topics.name(Topic::Devices);
        let record = Record {
            topic: &topic,
            key: Some(id.as_bytes()),
            payload: value.as_deref(),
            timestamp_ms,
            ..Record::default()
        };
        self.producer.send(record, ()).unwrap();
    }

    pub(crate) fn flush(&self) {
        self.producer.flush(LIMIT).unwrap();
    }

    /// Writes one record, and waits until Kafka has it.
    pub(crate) fn write(&self, id: &str, device: Option<&Device>) {
        self.put(id, device);
        self.flush();
    }
}

/// An active device.
pub(crate) fn device(model: &str) -> Device {
    Device { model: model.into(), status: DeviceStatus::Active.into(), ..Device::default() }
}

/// A service that follows a registry topic; dropping it stops it.
pub(crate) struct Service {
    pub(crate) devices: Arc<Devices>,
    pub(crate) health: Health,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    pub(crate) fn start(topic: &RegistryTopic) -> Self {
        let health = Health::default();
        let condition = health.condition("registry");
        let registry = Registry::new(topic.client.clone(), &topic.topics, Catalogue::built_in(), condition);
        let (devices, stop) = (registry.devices(), CancellationToken::new());
        let token = stop.clone();
        let thread = std::thread::spawn(move || registry.follow(&token).unwrap());
        Self { devices, health, stop, thread: Some(thread) }
    }

    /// A service that has caught up.
    pub(crate) fn ready(topic: &RegistryTopic) -> Self {
        let service = Self::start(topic);
        eventually("the service is ready", || service.health.is_ready());
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

/// Waits for a condition; how long it took.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
    start.elapsed()
}
