//! Topics of their own, devices that are held, a registry, and keepers: threads, or processes that can be killed.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fleetwire_apache_kafka::TestKafka;
use fleetwire_held::keeper::{Keeper, KeeperNeeds};
use fleetwire_held::{HeldSettings, Isolation};
use fleetwire_kafka::{
    ClientSettings, Monitor, Producer, Range, RangeEvent, RangeReader, Record, TopicAdmin, TopicSettings,
};
use fleetwire_model::pb::{Device, DeviceStatus, Knock, RawPublish};
use fleetwire_model::time::from_unix_ms;
use fleetwire_model::{DeviceId, Topic, Topics};
use fleetwire_registry::Catalogue;
use fleetwire_registry::follow::Registry;
use fleetwire_service::clock;
use fleetwire_service::health::Health;
use fleetwire_service::logs;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long a failure takes; a passing test never waits for it.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);
pub(crate) const MODEL: &str = "xirgo-fms500-light-iotm";
const PREFIX: &str = "FLEETWIRE_TEST_KEEPER_PREFIX";
const REPLICA: &str = "FLEETWIRE_TEST_KEEPER_REPLICA";
/// What keepers log, for whoever looks for the cause of a failure.
const LOG: &str = "FLEETWIRE_TEST_LOG";
const BROKERS: &str = "FLEETWIRE_TEST_KEEPER_BROKERS";

/// The topics of one test.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) kafka: ClientSettings,
    pub(crate) topics: Topics,
}

impl World {
    pub(crate) fn new(partitions: u16) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let topics = Topics::new(&format!("held-{}-{next}-{since}", std::process::id())).unwrap();
        let kafka = ClientSettings::new(TestKafka::shared().unwrap().bootstrap());
        let each = Topic::ALL.into_iter().map(|topic| (topic.suffix().to_owned(), partitions)).collect();
        let settings = TopicSettings { replication_factor: Some(1), partitions: each };
        TopicAdmin::new(&kafka, topics.clone(), settings).unwrap().apply(LIMIT).unwrap();
        Self { kafka, topics }
    }

    pub(crate) fn name(&self, topic: Topic) -> String {
        self.topics.name(topic)
    }

    pub(crate) fn producer(&self) -> Producer<()> {
        Producer::new(&self.kafka, |delivery, ()| {
            delivery.outcome.unwrap();
        })
        .unwrap()
    }

    /// Publishes of a device, as a frontend holds them; their numbers are their sequence.
    pub(crate) fn hold(&self, producer: &Producer<()>, device: &str, numbers: std::ops::Range<u64>) {
        // Of an older time, Kafka would remove it.
        let (topic, now_ms) = (self.name(Topic::Held), clock::unix_ms());
        for number in numbers {
            let raw = RawPublish {
                payload: vec![7; 100].into(),
                topic: "BCE/D".into(),
                client_id: device.into(),
                device_id: device.into(),
                account: "bce_device".into(),
                session_sequence: number,
                received_time: Some(from_unix_ms(now_ms)),
                remote_address: "192.0.2.7:1234".into(),
                frontend_id: "frontend-0".into(),
                ..RawPublish::default()
            };
            let value = raw.encode_to_vec();
            let record = Record {
                topic: &topic,
                key: Some(device.as_bytes()),
                payload: Some(&value),
                timestamp_ms: Some(now_ms),
                ..Record::default()
            };
            while producer.send(record, ()).is_err() {
                producer.flush(LIMIT).unwrap();
            }
        }
        producer.flush(LIMIT).unwrap();
    }

    /// Writes a device's record into the registry.
    pub(crate) fn register(&self, device: &str, status: DeviceStatus, release_pending: bool) {
        self.register_all([device], status, release_pending);
    }

    pub(crate) fn register_all<'a>(
        &self,
        devices: impl IntoIterator<Item = &'a str>,
        status: DeviceStatus,
        release_pending: bool,
    ) {
        let producer = self.producer();
        for device in devices {
            self.send_record(&producer, device, status, release_pending);
        }
        producer.flush(LIMIT).unwrap();
    }

    fn send_record(
        &self,
        producer: &Producer<()>,
        device: &str,
        status: DeviceStatus,
        release_pending: bool,
    ) {
        let record = Device {
            device_id: device.into(),
            model: MODEL.into(),
            status: status.into(),
            release_pending,
            ..Device::default()
        };
        let (topic, value) = (self.name(Topic::Devices), record.encode_to_vec());
        let record = Record {
            topic: &topic,
            key: Some(device.as_bytes()),
            payload: Some(&value),
            ..Record::default()
        };
        producer.send(record, ()).unwrap();
    }

    /// What is committed of a topic, partition by partition.
    fn committed(&self, topic: Topic, mut each: impl FnMut(&str, Option<&[u8]>)) {
        let stop = CancellationToken::new();
        let reader = RangeReader::new(&self.kafka, &self.name(topic), Range::default(), &stop).unwrap();
        loop {
            match reader.next(Duration::from_millis(200)).unwrap() {
                RangeEvent::Record(message) => {
                    each(std::str::from_utf8(message.key().unwrap()).unwrap(), message.payload());
                }
                RangeEvent::Idle => {}
                RangeEvent::End => return,
            }
        }
    }

    /// The numbers of each device in the raw topic, in their order.
    pub(crate) fn raw(&self) -> BTreeMap<String, Vec<u64>> {
        let mut raw: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        self.committed(Topic::Raw, |device, value| {
            let publish = RawPublish::decode(value.unwrap()).unwrap();
            assert_eq!((publish.model.as_str(), publish.payload.len()), (MODEL, 100));
            raw.entry(device.to_owned()).or_default().push(publish.session_sequence);
        });
        raw
    }

    pub(crate) fn raw_of(&self, device: &str) -> Vec<u64> {
        self.raw().remove(device).unwrap_or_default()
    }

    pub(crate) fn knocks(&self) -> BTreeMap<String, Knock> {
        let mut knocks = BTreeMap::new();
        self.committed(Topic::Knocks, |device, value| {
            match value {
                Some(value) => knocks.insert(device.to_owned(), Knock::decode(value).unwrap()),
                None => knocks.remove(device),
            };
        });
        knocks
    }
}

/// A keeper on threads of this process.
pub(crate) struct Member {
    stop: CancellationToken,
    pub(crate) monitor: Monitor,
    pub(crate) released: mpsc::Receiver<DeviceId>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Member {
    pub(crate) fn start(world: &World, replica: &str) -> Self {
        if let Ok(filter) = std::env::var(LOG) {
            // Another test may have started it.
            let _ = logs::init(&filter, logs::Format::Text, logs::Mask::None);
        }
        let stop = CancellationToken::new();
        let mut kafka = world.kafka.clone();
        kafka.properties.insert("heartbeat.interval.ms".into(), "200".into());
        kafka.properties.insert("session.timeout.ms".into(), "6000".into());
        let health = Health::default();
        let registry =
            Registry::new(kafka.clone(), &world.topics, Catalogue::built_in(), health.condition("registry"));
        let registry = Arc::new(registry);
        let needs = KeeperNeeds {
            kafka,
            topics: world.topics.clone(),
            devices: registry.devices(),
            tracer: fleetwire_trace::Tracer::off(),
            condition: health.condition("held"),
            replica: replica.to_owned(),
            isolation: Isolation::Required,
            grace: Duration::from_secs(20),
        };
        let caught_up = registry.caught_up();
        let (sender, released) = mpsc::channel(100);
        let following = {
            let stop = stop.clone();
            std::thread::spawn(move || Ok(registry.follow(&stop)?))
        };
        eventually("the registry is read", || *caught_up.borrow());
        let keeper = Keeper::new(&HeldSettings::default(), needs, sender, &stop).unwrap();
        let monitor = keeper.monitor();
        let keeping = std::thread::spawn(move || keeper.run());
        Self { stop, monitor, released, threads: vec![following, keeping] }
    }

    pub(crate) fn stop(self) {
        self.stop.cancel();
        for thread in self.threads {
            thread.join().unwrap().unwrap();
        }
    }
}

/// A keeper in a process of its own.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(world: &World, replica: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "a_keeper_for_another_test"])
            .env(PREFIX, world.topics.prefix())
            .env(REPLICA, replica)
            .env(BROKERS, &world.kafka.brokers)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The work of a [`Process`]: a keeper until it is killed, or a few minutes.
pub(crate) fn keep() {
    let Ok(prefix) = std::env::var(PREFIX) else { return };
    let world = World {
        kafka: ClientSettings::new(std::env::var(BROKERS).unwrap()),
        topics: Topics::new(&prefix).unwrap(),
    };
    let member = Member::start(&world, &std::env::var(REPLICA).unwrap());
    std::thread::sleep(LIMIT);
    member.stop();
}

/// Waits for a condition.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
