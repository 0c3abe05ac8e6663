//! What a frontend writes of its sessions, on the real Kafka, as the view of sessions sees it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fleetwire_apache_kafka::{ApacheKafka, TestKafka};
use fleetwire_downlink::{DownlinkServerSettings, Tokens};
use fleetwire_frontend::auth::subscriber::Subscribers;
use fleetwire_frontend::directory::Directory;
use fleetwire_frontend::ingest::Origin;
use fleetwire_frontend::{Dependencies, Frontend, FrontendSettings, PresenceSettings};
use fleetwire_kafka::{
    ClientSettings, Event as Read, MissingTopic, Producer, Reader, ReaderOptions, Record, Start, TopicAdmin,
    TopicSettings,
};
use fleetwire_model::pb::{Device, DeviceStatus, Session, SessionState};
use fleetwire_model::{Topic, Topics};
use fleetwire_registry::account::WellKnown;
use fleetwire_registry::{Accounts, Devices};
use fleetwire_service::exit::Exit;
use fleetwire_service::health::Health;
use fleetwire_service::stages::Stages;
use fleetwire_state::{DeviceView, StateSettings, States};
use prost::Message as _;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a failure takes; a passing test never waits for it.
const LIMIT: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_secs(20);
const DEVICE: &str = "867035046242895";
/// Nobody activated it.
const STRANGER: &str = "865209039554705";

fn kafka() -> ClientSettings {
    ClientSettings::new(TestKafka::shared().unwrap().bootstrap())
}

/// Topics of their own.
fn topics() -> Topics {
    topics_at(&kafka())
}

fn topics_at(kafka: &ClientSettings) -> Topics {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let topics = Topics::new(&format!("presence-{}-{next}-{since}", std::process::id())).unwrap();
    let partitions = Topic::ALL.iter().map(|topic| (topic.suffix().to_owned(), 2)).collect();
    let settings = TopicSettings { partitions, ..TopicSettings::default() };
    TopicAdmin::new(kafka, topics.clone(), settings).unwrap().apply(LIMIT).unwrap();
    topics
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A frontend with a runtime of its own, so that it can be killed.
struct House {
    runtime: Option<Runtime>,
    stages: Option<Stages>,
    frontend: Frontend,
}

impl House {
    fn start(topics: &Topics, id: &str, alive_interval: Duration) -> Self {
        Self::start_at(kafka(), topics, id, alive_interval)
    }

    fn start_at(kafka: ClientSettings, topics: &Topics, id: &str, alive_interval: Duration) -> Self {
        let runtime = Runtime::new().unwrap();
        let (stages, frontend) = runtime.block_on(async {
            let mut stages = Stages::default();
            let secret = |_: &str| -> Result<_, std::io::Error> { Ok(None) };
            let devices = Devices::default();
            let device = Device {
                device_id: DEVICE.into(),
                model: "xirgo-lx41".into(),
                status: DeviceStatus::Active.into(),
                ..Device::default()
            };
            devices.apply(DEVICE.as_bytes(), Some(&device.encode_to_vec())).unwrap();
            let needs = Dependencies {
                kafka,
                topics: topics.clone(),
                directory: Directory::new(Arc::new(devices), watch::channel(true).1),
                accounts: Accounts::load(&std::collections::BTreeMap::new(), WellKnown::Default, secret)
                    .unwrap(),
                subscribers: Subscribers::default(),
                downlink: DownlinkServerSettings { enabled: false, ..DownlinkServerSettings::default() },
                downlink_tokens: Tokens::default(),
                origin: Origin { frontend_id: id.into(), region: String::new(), host: String::new() },
                tracer: fleetwire_trace::Tracer::off(),
                health: Health::default(),
                grace: GRACE,
            };
            let settings = FrontendSettings {
                listen: ([127, 0, 0, 1], 0).into(),
                presence: PresenceSettings { alive_interval },
                ..FrontendSettings::default()
            };
            let frontend = fleetwire_frontend::start(&settings, needs, &mut stages).unwrap();
            (stages, frontend)
        });
        Self { runtime: Some(runtime), stages: Some(stages), frontend }
    }

    fn stop(mut self) {
        let mut is_told = false;
        let signal = async || {
            if std::mem::replace(&mut is_told, true) {
                pending::<()>().await;
            }
        };
        let (runtime, stages) = (self.runtime.take().unwrap(), self.stages.take().unwrap());
        assert_eq!(runtime.block_on(stages.run(signal, GRACE)).unwrap(), Exit::Done);
    }

    /// Its tasks end wherever they are, and its sockets close.
    fn kill(self) {
        drop(self);
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.stages.take());
        // Its threads are left to the end of the test's process.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A device whose connection is kept going.
struct Client {
    mqtt: AsyncClient,
    runtime: Runtime,
    ended: CancellationToken,
    subscribed: Arc<AtomicU32>,
}

impl Client {
    fn connect(house: &House, id: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let mut options = MqttOptions::new(id, "127.0.0.1", house.frontend.address.port());
        options.set_credentials("bce_device", "secretword");
        let (client, mut events) = AsyncClient::new(options, 16);
        let (ended, subscribed) = (CancellationToken::new(), Arc::new(AtomicU32::new(0)));
        let (connected, is_connected) = std::sync::mpsc::channel();
        let (end, count) = (ended.clone(), Arc::clone(&subscribed));
        runtime.spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => connected.send(()).unwrap(),
                    Ok(Event::Incoming(Packet::SubAck(_) | Packet::UnsubAck(_))) => {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
            end.cancel();
        });
        is_connected.recv_timeout(LIMIT).unwrap();
        Self { mqtt: client, runtime, ended, subscribed }
    }

    fn subscribe(&self, id: &str) {
        self.mqtt.try_subscribe(format!("{id}/OUTC"), QoS::AtLeastOnce).unwrap();
        eventually("it is subscribed", || !self.subscribed.load(Ordering::Relaxed).is_multiple_of(2));
    }

    fn unsubscribe(&self, id: &str) {
        self.mqtt.try_unsubscribe(format!("{id}/OUTC")).unwrap();
        eventually("it is not subscribed", || self.subscribed.load(Ordering::Relaxed).is_multiple_of(2));
    }

    fn leave(self) {
        self.mqtt.try_disconnect().unwrap();
        eventually("it has left", || self.ended.is_cancelled());
    }
}

/// The view of sessions, as another service has it.
struct Watcher {
    states: Arc<States>,
    // Its tasks end with it.
    _stages: Stages,
    runtime: Option<Runtime>,
}

impl Watcher {
    fn start(topics: &Topics) -> Self {
        Self::start_at(kafka(), topics)
    }

    fn start_at(kafka: ClientSettings, topics: &Topics) -> Self {
        let (runtime, health) = (Runtime::new().unwrap(), Health::default());
        let mut stages = Stages::default();
        let needs = fleetwire_state::Dependencies {
            kafka,
            topics: topics.clone(),
            health: health.clone(),
            grace: GRACE,
        };
        let view = {
            let _entered = runtime.enter();
            fleetwire_state::follow(&StateSettings::default(), &needs, &mut stages)
        };
        eventually("the view is read", || health.is_ready());
        Self { states: view, _stages: stages, runtime: Some(runtime) }
    }

    fn view(&self, id: &str) -> DeviceView {
        self.states.get(&id.parse().unwrap())
    }

    fn until(&self, what: &str, holds: impl Fn(&DeviceView) -> bool) -> DeviceView {
        eventually(what, || holds(&self.view(DEVICE)));
        self.view(DEVICE)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Its threads are left to the end of the test's process.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Every record of a device's session, oldest first; none for a removed one.
fn records(topics: &Topics, device: &str) -> Vec<Option<Session>> {
    let options =
        ReaderOptions { start: Start::Beginning, missing: MissingTopic::Fail, ready_timeout: LIMIT };
    let topic = topics.name(Topic::Sessions);
    let reader = Reader::new(&kafka(), &topic, options, &CancellationToken::new()).unwrap();
    let mut all = Vec::new();
    loop {
        match reader.next(LIMIT).unwrap() {
            Read::Record(record) if record.key() == Some(device.as_bytes()) => {
                all.push(record.payload().map(|value| Session::decode(value).unwrap()));
            }
            Read::Record(_) => {}
            Read::CaughtUp => return all,
            Read::Idle => panic!("never caught up"),
        }
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_device_is_seen_where_it_is_connected_until_it_leaves() {
    let topics = topics();
    let (house, watcher) = (House::start(&topics, "one", SECOND), Watcher::start(&topics));
    let client = Client::connect(&house, DEVICE);
    let connected_at = Instant::now();
    let view = watcher.until("it is connected", |view| view.connected);
    let took = connected_at.elapsed();
    assert!(took < Duration::from_secs(5), "a change is visible soon: {took:?}");
    let session = view.session.unwrap();
    assert_eq!((session.frontend_id.as_str(), session.account.as_str()), ("one", "bce_device"));
    assert_eq!((session.state(), session.accepts_commands), (SessionState::Connected, false));
    assert!(session.remote_address.starts_with("127.0.0.1:") && session.epoch > 1 << 56);
    assert_eq!(watcher.states.connected(), 1);
    client.subscribe(DEVICE);
    let accepts = |view: &DeviceView| view.session.as_ref().is_some_and(|session| session.accepts_commands);
    watcher.until("it takes commands", accepts);
    client.unsubscribe(DEVICE);
    watcher.until("it takes none", |view| !accepts(view));
    client.leave();
    let view = watcher.until("it has left", |view| !view.connected);
    let ended = view.session.unwrap();
    assert_eq!((ended.state(), ended.end_reason.as_str()), (SessionState::Disconnected, "disconnected"));
    assert_eq!((ended.session_id, ended.epoch), (session.session_id, session.epoch));
    house.stop();
}

#[test]
fn a_frontend_that_stops_says_that_all_sessions_are_over() {
    let topics = topics();
    let (house, watcher) = (House::start(&topics, "one", Duration::from_mins(1)), Watcher::start(&topics));
    let client = Client::connect(&house, DEVICE);
    watcher.until("it is connected", |view| view.connected);
    house.stop();
    let view = watcher.until("it is over", |view| !view.connected);
    eventually("its record says why", || {
        watcher.view(DEVICE).session.is_some_and(|session| session.end_reason == "shutting_down")
    });
    assert!(client.ended.is_cancelled() || view.session.is_some());
    assert_eq!(watcher.states.connected(), 0);
    drop(client.runtime);
}

#[test]
fn sessions_of_a_frontend_that_died_are_over_and_stay_so_when_it_comes_back() {
    let topics = topics();
    let (house, watcher) = (House::start(&topics, "one", SECOND / 4), Watcher::start(&topics));
    let client = Client::connect(&house, DEVICE);
    watcher.until("it is connected", |view| view.connected);
    house.kill();
    let view = watcher.until("it is over", |view| !view.connected);
    assert_eq!(view.session.unwrap().state(), SessionState::Connected, "nobody was left to write its end");
    drop(client.runtime);
    let house = House::start(&topics, "one", SECOND / 4);
    let stranger = Client::connect(&house, STRANGER);
    eventually("the frontend is back", || watcher.view(STRANGER).connected);
    assert!(!watcher.view(DEVICE).connected, "that was another run");
    let again = Client::connect(&house, DEVICE);
    watcher.until("it is connected again", |view| view.connected);
    again.leave();
    stranger.leave();
    house.stop();
}

#[test]
fn the_newer_session_stays_where_a_device_has_two() {
    let topics = topics();
    let watcher = Watcher::start(&topics);
    let (one, two) = (House::start(&topics, "one", SECOND), House::start(&topics, "two", SECOND));
    let stays = |id: &'static str| {
        move |view: &DeviceView| {
            view.connected && view.session.as_ref().is_some_and(|session| session.frontend_id == id)
        }
    };
    let first = Client::connect(&one, DEVICE);
    watcher.until("it is at the first", stays("one"));
    let second = Client::connect(&two, DEVICE);
    watcher.until("it is at the second", stays("two"));
    eventually("the first session is closed", || first.ended.is_cancelled());
    // Whatever the first one wrote of its end, the last word is the second one's.
    second.subscribe(DEVICE);
    let accepts = |view: &DeviceView| view.session.as_ref().is_some_and(|session| session.accepts_commands);
    let view = watcher.until("it takes commands", accepts);
    assert!(stays("two")(&view));
    one.stop();
    assert!(watcher.view(DEVICE).connected);
    let last = records(&topics, DEVICE).pop().flatten().unwrap();
    assert_eq!((last.frontend_id.as_str(), last.state()), ("two", SessionState::Connected));
    drop(first.runtime);
    second.leave();
    two.stop();
}

#[test]
fn a_late_record_of_an_older_session_does_not_stay_the_last_one() {
    let topics = topics();
    let (house, watcher) = (House::start(&topics, "one", SECOND), Watcher::start(&topics));
    let client = Client::connect(&house, DEVICE);
    watcher.until("it is connected", |view| view.connected);
    let producer = Producer::<()>::new(&kafka(), |delivery, ()| {
        delivery.outcome.unwrap();
    })
    .unwrap();
    let late = Session {
        device_id: DEVICE.into(),
        state: SessionState::Disconnected.into(),
        epoch: 5,
        frontend_id: "two".into(),
        frontend_run: "another".into(),
        ..Session::default()
    };
    let (topic, value) = (topics.name(Topic::Sessions), late.encode_to_vec());
    let key = Some(DEVICE.as_bytes());
    // Once more where the frontend's follower had not begun yet.
    eventually("the session's own record is the last one again", || {
        let record = Record { topic: &topic, key, payload: Some(&value), ..Record::default() };
        producer.send(record, ()).unwrap();
        producer.flush(LIMIT).unwrap();
        let repaired = Instant::now() + Duration::from_secs(5);
        while Instant::now() < repaired {
            let last = records(&topics, DEVICE).pop().flatten().unwrap();
            if last.frontend_id == "one" && last.state() == SessionState::Connected {
                return true;
            }
        }
        false
    });
    assert!(watcher.view(DEVICE).connected);
    client.leave();
    house.stop();
}

#[test]
fn nothing_stays_of_a_device_that_nobody_registered() {
    let topics = topics();
    let (house, watcher) = (House::start(&topics, "one", SECOND), Watcher::start(&topics));
    let client = Client::connect(&house, STRANGER);
    eventually("it is connected", || watcher.view(STRANGER).connected);
    client.leave();
    eventually("it is gone", || watcher.view(STRANGER) == DeviceView::default());
    assert_eq!(records(&topics, STRANGER).pop(), Some(None));
    house.stop();
}

#[test]
fn while_kafka_is_away_sessions_go_on_and_the_newest_of_each_is_written_after() {
    let mut cluster = ApacheKafka::single().unwrap();
    let kafka = ClientSettings::new(cluster.bootstrap());
    let topics = topics_at(&kafka);
    let (house, watcher) =
        (House::start_at(kafka.clone(), &topics, "one", SECOND), Watcher::start_at(kafka, &topics));
    let client = Client::connect(&house, DEVICE);
    watcher.until("it is connected", |view| view.connected);
    cluster.pause(0).unwrap();
    client.leave();
    for _ in 0..20 {
        Client::connect(&house, DEVICE).leave();
    }
    let stranger = Client::connect(&house, STRANGER);
    cluster.resume(0).unwrap();
    eventually("the other one is connected", || watcher.view(STRANGER).connected);
    let ended = |view: &DeviceView| {
        view.session.as_ref().is_some_and(|session| session.state() == SessionState::Disconnected)
    };
    watcher.until("it has left", ended);
    stranger.leave();
    house.stop();
}
