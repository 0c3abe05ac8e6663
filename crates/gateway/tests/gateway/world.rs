//! Topics of their own, a registry, sessions and telemetry, and gateways: in this process, or in ones that can be
//! killed and paused.

use std::collections::BTreeMap;
use std::process::{Child, Command as Run, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fleetwire_apache_kafka::TestKafka;
use fleetwire_gateway::{CommandGatewaySettings, Dependencies, Isolation, start};
use fleetwire_kafka::{
    ClientSettings, Producer, Range, RangeEvent, RangeReader, Record, TopicAdmin, TopicSettings,
};
use fleetwire_model::pb::{
    Command, CommandState, CommandStatus, DeadLetter, Device, DeviceStatus, DigitalLine, OutputAction,
    OutputControl, PositionEvent, Session, SessionState, command::Action,
};
use fleetwire_model::time::from_unix_ms;
use fleetwire_model::{Topic, Topics};
use fleetwire_registry::Catalogue;
use fleetwire_registry::follow::Registry;
use fleetwire_service::clock;
use fleetwire_service::health::Health;
use fleetwire_service::logs;
use fleetwire_service::stages::Stages;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

/// How long a failure takes; a passing test never waits for it.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);
pub(crate) const MODEL: &str = "xirgo-fms500-light-iotm";
/// What a process of another test needs to know.
const PREFIX: &str = "FLEETWIRE_TEST_GATEWAY_PREFIX";
const REPLICA: &str = "FLEETWIRE_TEST_GATEWAY_REPLICA";
const SETTINGS: &str = "FLEETWIRE_TEST_GATEWAY_SETTINGS";
const BROKERS: &str = "FLEETWIRE_TEST_GATEWAY_BROKERS";
/// What gateways log, for whoever looks for the cause of a failure.
const LOG: &str = "FLEETWIRE_TEST_LOG";

/// The topics of one test.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) kafka: ClientSettings,
    pub(crate) topics: Topics,
}

impl World {
    pub(crate) fn new(partitions: u16) -> Self {
        Self::with(partitions, &[])
    }

    /// With some topics that have another number of partitions.
    pub(crate) fn with(partitions: u16, others: &[(Topic, u16)]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let topics = Topics::new(&format!("gateway-{}-{next}-{since}", std::process::id())).unwrap();
        let mut kafka = ClientSettings::new(TestKafka::shared().unwrap().bootstrap());
        kafka.producer.linger = Duration::ZERO;
        let mut each: BTreeMap<String, u16> =
            Topic::ALL.into_iter().map(|topic| (topic.suffix().to_owned(), partitions)).collect();
        each.extend(others.iter().map(|(topic, count)| (topic.suffix().to_owned(), *count)));
        let settings = TopicSettings { replication_factor: Some(1), partitions: each };
        TopicAdmin::new(&kafka, topics.clone(), settings).unwrap().apply(LIMIT).unwrap();
        Self { kafka, topics }
    }

    pub(crate) fn name(&self, topic: Topic) -> String {
        self.topics.name(topic)
    }

    fn producer(&self) -> Producer<()> {
        Producer::new(&self.kafka, |delivery, ()| {
            delivery.outcome.unwrap();
        })
        .unwrap()
    }

    /// Writes records, and waits until Kafka has them.
    pub(crate) fn write(&self, topic: Topic, records: &[(Option<&[u8]>, Vec<u8>)]) {
        let (producer, topic) = (self.producer(), self.name(topic));
        for (key, value) in records {
            let record = Record { topic: &topic, key: *key, payload: Some(value), ..Record::default() };
            producer.send(record, ()).unwrap();
        }
        producer.flush(LIMIT).unwrap();
    }

    fn write_one(&self, topic: Topic, key: &str, value: &impl prost::Message) {
        self.write(topic, &[(Some(key.as_bytes()), value.encode_to_vec())]);
    }

    /// Activates devices.
    pub(crate) fn register(&self, devices: &[&str]) {
        let record = |device: &&str| Device {
            device_id: (*device).into(),
            model: MODEL.into(),
            status: DeviceStatus::Active.into(),
            ..Device::default()
        };
        let records: Vec<_> =
            devices.iter().map(|device| (Some(device.as_bytes()), record(device).encode_to_vec())).collect();
        self.write(Topic::Devices, &records);
    }

    /// A device is connected to a frontend.
    pub(crate) fn connect(&self, device: &str, address: &str, epoch: u64) {
        let session = Session {
            device_id: device.into(),
            state: SessionState::Connected.into(),
            epoch,
            frontend_id: "frontend-0".into(),
            frontend_address: address.into(),
            accepts_commands: true,
            ..Session::default()
        };
        self.write_one(Topic::Sessions, device, &session);
    }

    /// A device reports one output, as it is now.
    pub(crate) fn report(&self, device: &str, number: u32, on: bool) {
        let event = PositionEvent {
            device_id: device.into(),
            device_time: Some(from_unix_ms(clock::unix_ms() + 1000)),
            outputs: vec![DigitalLine { number, on }],
            ..PositionEvent::default()
        };
        self.write_one(Topic::Positions, device, &event);
    }

    /// Asks for commands.
    pub(crate) fn command(&self, commands: &[Command]) {
        let records: Vec<_> = commands
            .iter()
            .map(|command| (Some(command.device_id.as_bytes()), command.encode_to_vec()))
            .collect();
        self.write(Topic::Commands, &records);
    }

    /// What is committed of a topic, partition by partition.
    fn committed(&self, topic: Topic, mut each: impl FnMut(&[u8])) {
        let stop = CancellationToken::new();
        let reader = RangeReader::new(&self.kafka, &self.name(topic), Range::default(), &stop).unwrap();
        loop {
            match reader.next(Duration::from_millis(200)).unwrap() {
                RangeEvent::Record(message) => each(message.payload().unwrap()),
                RangeEvent::Idle => {}
                RangeEvent::End => return,
            }
        }
    }

    /// The statuses of each command, in their order.
    pub(crate) fn statuses(&self) -> BTreeMap<String, Vec<CommandStatus>> {
        let mut statuses: BTreeMap<String, Vec<CommandStatus>> = BTreeMap::new();
        self.committed(Topic::CommandStatus, |value| {
            let status = CommandStatus::decode(value).unwrap();
            statuses.entry(status.command_id.clone()).or_default().push(status);
        });
        statuses
    }

    /// The states of one command, in their order.
    pub(crate) fn states(&self, command: &str) -> Vec<CommandState> {
        let statuses = self.statuses().remove(command).unwrap_or_default();
        statuses.iter().map(CommandStatus::state).collect()
    }

    pub(crate) fn letters(&self) -> Vec<DeadLetter> {
        let mut letters = Vec::new();
        self.committed(Topic::DeadLetters, |value| letters.push(DeadLetter::decode(value).unwrap()));
        letters
    }
}

/// A command that switches output 1 on, good for two minutes.
pub(crate) fn switch_on(device: &str, id: &str) -> Command {
    switch_on_for(device, id, Duration::from_mins(2))
}

/// A command that switches output 1 on, good for so long.
pub(crate) fn switch_on_for(device: &str, id: &str, good_for: Duration) -> Command {
    let good_for_ms = i64::try_from(good_for.as_millis()).unwrap();
    let now_ms = clock::unix_ms();
    let control = OutputControl {
        output: 1,
        action: OutputAction::On.into(),
        duration: Some(prost_types::Duration { seconds: 600, nanos: 0 }),
    };
    Command {
        command_id: id.into(),
        device_id: device.into(),
        issued_time: Some(from_unix_ms(now_ms)),
        expire_time: Some(from_unix_ms(now_ms + good_for_ms)),
        requested_by: "test".into(),
        action: Some(Action::OutputControl(control)),
    }
}

/// A gateway on threads of this process.
pub(crate) struct Member {
    stop: CancellationToken,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Member {
    pub(crate) fn start(world: &World, replica: &str, settings: &str) -> Self {
        if let Ok(filter) = std::env::var(LOG) {
            // Another test may have started it.
            let _ = logs::init(&filter, logs::Format::Text, logs::Mask::None);
        }
        let stop = CancellationToken::new();
        let (world, replica, settings) = (world.clone(), replica.to_owned(), settings.to_owned());
        let stopping = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
            runtime.block_on(gateway(&world, &replica, &settings, stopping))
        });
        Self { stop, thread }
    }

    /// The gateway's end, which comes by itself.
    pub(crate) fn join(self) -> anyhow::Result<()> {
        self.thread.join().unwrap()
    }

    pub(crate) fn stop(self) {
        self.stop.cancel();
        self.join().unwrap();
    }
}

/// Runs a gateway until the stop.
async fn gateway(
    world: &World,
    replica: &str,
    settings: &str,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut kafka = world.kafka.clone();
    kafka.properties.insert("heartbeat.interval.ms".into(), "200".into());
    kafka.properties.insert("session.timeout.ms".into(), "6000".into());
    let health = Health::default();
    let registry = Arc::new(Registry::new(
        kafka.clone(),
        &world.topics,
        Catalogue::built_in(),
        health.condition("registry"),
    ));
    let settings: CommandGatewaySettings = toml::from_str(settings)?;
    let needs = Dependencies {
        kafka,
        topics: world.topics.clone(),
        devices: registry.devices(),
        caught_up: registry.caught_up(),
        tracer: fleetwire_trace::Tracer::off(),
        token: None,
        health,
        version: "test",
        replica: replica.to_owned(),
        isolation: Isolation::Required,
        grace: Duration::from_secs(20),
    };
    let mut stages = Stages::default();
    start(&settings, &needs, &mut stages)?;
    let following = stages.open("registry");
    stages.spawn_blocking("registry", move || Ok(registry.follow(&following)?));
    let mut came = false;
    let signal = async move || {
        if std::mem::replace(&mut came, true) {
            std::future::pending::<()>().await;
        } else {
            stop.cancelled().await;
        }
    };
    stages.run(signal, Duration::from_secs(30)).await.map(drop)
}

/// A gateway in a process of its own.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(world: &World, replica: &str, settings: &str) -> Self {
        Self::start_with(world, replica, settings, |_| {})
    }

    /// As [`Self::start`], by a command that is changed first.
    pub(crate) fn start_with(
        world: &World,
        replica: &str,
        settings: &str,
        change: impl FnOnce(&mut Run),
    ) -> Self {
        let mut run = Run::new(std::env::current_exe().unwrap());
        run.args(["--ignored", "--exact", "a_gateway_for_another_test", "--nocapture"])
            .env(PREFIX, world.topics.prefix())
            .env(REPLICA, replica)
            .env(SETTINGS, settings)
            .env(BROKERS, &world.kafka.brokers)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        change(&mut run);
        Self(run.spawn().unwrap())
    }

    /// Sends a signal, such as "STOP" or "CONT".
    pub(crate) fn signal(&self, name: &str) {
        let sent = Run::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
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

/// The work of a [`Process`]: a gateway until it is killed, or a few minutes.
pub(crate) fn serve() {
    let Ok(prefix) = std::env::var(PREFIX) else { return };
    let mut kafka = ClientSettings::new(std::env::var(BROKERS).unwrap());
    kafka.producer.linger = Duration::ZERO;
    let world = World { kafka, topics: Topics::new(&prefix).unwrap() };
    let settings = std::env::var(SETTINGS).unwrap();
    let member = Member::start(&world, &std::env::var(REPLICA).unwrap(), &settings);
    crate::clock::follow(2 * LIMIT);
    member.stop();
}

/// Waits for a condition.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
