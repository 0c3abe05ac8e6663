//! The projector and the view on the real Kafka.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fleetwire_apache_kafka::TestKafka;
use fleetwire_kafka::{
    ClientSettings, Delivery, Event, MissingTopic, Producer, Reader, ReaderOptions, Record, Start,
    TopicAdmin, TopicSettings,
};
use fleetwire_model::pb::{DeviceState, DigitalLine, Fix, FixType, PositionEvent};
use fleetwire_model::time::from_unix_ms;
use fleetwire_model::{Topic, Topics};
use fleetwire_service::exit::Exit;
use fleetwire_service::health::Health;
use fleetwire_service::stages::Stages;
use fleetwire_state::{Dependencies, StateSettings, States};
use prost::Message as _;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// How long a failure takes; a passing test never waits for it.
const LIMIT: Duration = Duration::from_mins(1);
const GRACE: Duration = Duration::from_secs(20);

fn kafka() -> ClientSettings {
    ClientSettings::new(TestKafka::shared().unwrap().bootstrap())
}

/// Topics of their own.
fn topics() -> Topics {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let topics = Topics::new(&format!("state-{}-{next}-{since}", std::process::id())).unwrap();
    let partitions = Topic::ALL.iter().map(|topic| (topic.suffix().to_owned(), 4)).collect();
    let settings = TopicSettings { partitions, ..TopicSettings::default() };
    TopicAdmin::new(&kafka(), topics.clone(), settings).unwrap().apply(LIMIT).unwrap();
    topics
}

/// A process with a projector and a view.
struct Running {
    states: Arc<States>,
    health: Health,
    stop: CancellationToken,
    thread: JoinHandle<Exit>,
}

impl Running {
    fn start(topics: &Topics, interval: Duration) -> Self {
        let (health, stop) = (Health::default(), CancellationToken::new());
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn({
            let (topics, health, stop) = (topics.clone(), health.clone(), stop.clone());
            move || {
                Runtime::new().unwrap().block_on(async {
                    let mut stages = Stages::default();
                    let settings = StateSettings { interval, ..StateSettings::default() };
                    let needs = Dependencies { kafka: kafka(), topics, health, grace: GRACE };
                    tell.send(fleetwire_state::start(&settings, needs, &mut stages).unwrap()).unwrap();
                    let mut is_told = false;
                    let signal = async || {
                        if std::mem::replace(&mut is_told, true) {
                            pending::<()>().await;
                        } else {
                            stop.cancelled().await;
                        }
                    };
                    stages.run(signal, GRACE).await.unwrap()
                })
            }
        });
        Self { states: told.recv().unwrap(), health, stop, thread }
    }

    fn stop(self) {
        self.stop.cancel();
        assert_eq!(self.thread.join().unwrap(), Exit::Done);
    }

    fn state(&self, device: &str) -> Option<DeviceState> {
        self.states.get(&device.parse().unwrap()).state
    }

    fn positions(&self, device: &str) -> u64 {
        self.state(device).map_or(0, |state| state.positions)
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn at(device: &str, second: i64) -> PositionEvent {
    let latitude = f64::from(i32::try_from(second).unwrap()) / 100.0;
    PositionEvent {
        device_id: device.into(),
        device_time: Some(from_unix_ms(second * 1000)),
        received_time: Some(from_unix_ms(second * 1000 + 500)),
        fix: Some(Fix { r#type: FixType::Fix.into(), latitude, ..Fix::default() }),
        ..PositionEvent::default()
    }
}

fn publish(topics: &Topics, events: &[PositionEvent]) {
    static PRODUCER: OnceLock<Mutex<Producer<()>>> = OnceLock::new();
    let check = |delivery: Delivery<'_>, ()| {
        delivery.outcome.unwrap();
    };
    // A flush waits for what other tests send as well, so they take turns.
    let producer = PRODUCER.get_or_init(|| Mutex::new(Producer::new(&kafka(), check).unwrap()));
    let producer = producer.lock().unwrap_or_else(PoisonError::into_inner);
    let topic = topics.name(Topic::Positions);
    for event in events {
        let value = event.encode_to_vec();
        let key = Some(event.device_id.as_bytes());
        let record = Record { topic: &topic, key, payload: Some(&value), ..Record::default() };
        producer.send(record, ()).unwrap();
    }
    producer.flush(LIMIT).unwrap();
}

/// Every state that was written of a device.
fn written(topics: &Topics, device: &str) -> Vec<DeviceState> {
    let options =
        ReaderOptions { start: Start::Beginning, missing: MissingTopic::Fail, ready_timeout: LIMIT };
    let topic = topics.name(Topic::DeviceState);
    let reader = Reader::new(&kafka(), &topic, options, &CancellationToken::new()).unwrap();
    let mut all = Vec::new();
    loop {
        match reader.next(LIMIT).unwrap() {
            Event::Record(record) if record.key() == Some(device.as_bytes()) => {
                assert_eq!(record.header("fleetwire-type"), Some(&b"fleetwire.v1.DeviceState"[..]));
                all.push(DeviceState::decode(record.payload().unwrap()).unwrap());
            }
            Event::Record(_) => {}
            Event::CaughtUp => return all,
            Event::Idle => panic!("never caught up"),
        }
    }
}

#[test]
fn positions_become_the_last_position_in_whatever_order_they_come() {
    let (topics, device) = (topics(), "867035046242895");
    let ignition = PositionEvent {
        ignition: Some(true),
        outputs: vec![DigitalLine { number: 1, on: true }],
        ..at(device, 30)
    };
    publish(&topics, &[at(device, 10), ignition, at(device, 20), at("ngp-device", 5)]);
    let running = Running::start(&topics, Duration::from_millis(200));
    eventually("all positions are in", || running.positions(device) == 3);
    eventually("the other device's, too", || running.positions("ngp-device") == 1);
    let state = running.state(device).unwrap();
    assert_eq!(state.device_id, device);
    assert_eq!(state.fix.map(|fix| fix.latitude), Some(0.3));
    assert_eq!(state.position_time, Some(from_unix_ms(30_000)));
    assert_eq!((state.ignition, state.outputs.len()), (Some(true), 1));
    publish(&topics, &[at(device, 25)]);
    eventually("the late one is counted", || running.positions(device) == 4);
    assert_eq!(running.state(device).unwrap().fix.map(|fix| fix.latitude), Some(0.3));
    eventually("it is ready", || running.health.is_ready());
    running.stop();
}

#[test]
fn a_state_is_written_at_once_and_then_no_more_often_than_asked() {
    let (topics, device) = (topics(), "867035046242895");
    let running = Running::start(&topics, Duration::from_hours(1));
    publish(&topics, &[at(device, 1)]);
    eventually("the first is written at once", || running.positions(device) == 1);
    for second in 2..=50 {
        publish(&topics, &[at(device, second)]);
    }
    publish(&topics, &[at("another", 1)]);
    eventually("another device is not held up", || running.positions("another") == 1);
    running.stop();
    // Started again, it has read what the first one wrote, and reads what that one did not come to.
    let running = Running::start(&topics, Duration::from_hours(1));
    eventually("nothing is lost", || running.positions(device) == 50);
    let count = written(&topics, device).len();
    assert!((2..=3).contains(&count), "{count} states were written");
    running.stop();
}

#[test]
fn a_projector_that_comes_later_goes_on_where_the_last_one_ended() {
    let (topics, device) = (topics(), "867035046242895");
    publish(&topics, &[at(device, 10)]);
    let running = Running::start(&topics, Duration::from_millis(100));
    eventually("it is written", || running.positions(device) == 1);
    running.stop();
    let no_fix = PositionEvent { fix: None, ..at(device, 20) };
    publish(&topics, &[no_fix]);
    let running = Running::start(&topics, Duration::from_millis(100));
    eventually("it goes on", || running.positions(device) == 2);
    let state = running.state(device).unwrap();
    assert_eq!(state.fix.map(|fix| fix.latitude), Some(0.1), "what the first one wrote is still known");
    assert_eq!(state.reported_time, Some(from_unix_ms(20_000)));
    running.stop();
}

#[test]
fn two_projectors_share_the_work_and_hand_it_over() {
    let topics = topics();
    let devices: Vec<String> = (0..40).map(|number| format!("device-{number}")).collect();
    let round = |second| {
        let events: Vec<_> = devices.iter().map(|device| at(device, second)).collect();
        publish(&topics, &events);
    };
    let have = |running: &Running, count| devices.iter().all(|device| running.positions(device) == count);
    let one = Running::start(&topics, Duration::from_millis(300));
    round(1);
    eventually("the first one has all", || have(&one, 1));
    let two = Running::start(&topics, Duration::from_millis(300));
    // While partitions move, positions go on coming.
    for second in 2..=20 {
        round(second);
        std::thread::sleep(Duration::from_millis(100));
    }
    eventually("both see all states", || have(&one, 20) && have(&two, 20));
    one.stop();
    round(21);
    eventually("the other one has taken over", || have(&two, 21));
    two.stop();
}

#[test]
fn topics_that_are_divided_differently_are_refused() {
    let name =
        format!("uneven-{}-{}", std::process::id(), std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos());
    let topics = Topics::new(&name).unwrap();
    let partitions = [("positions.v1".to_owned(), 2), ("device-state.v1".to_owned(), 3)].into();
    let settings = TopicSettings { partitions, ..TopicSettings::default() };
    TopicAdmin::new(&kafka(), topics.clone(), settings).unwrap().apply(LIMIT).unwrap();
    let failure = Runtime::new().unwrap().block_on(async {
        let mut stages = Stages::default();
        let needs = Dependencies { kafka: kafka(), topics, health: Health::default(), grace: GRACE };
        let _states = fleetwire_state::start(&StateSettings::default(), needs, &mut stages).unwrap();
        stages.run(pending, GRACE).await.unwrap_err()
    });
    let told = format!("{failure:#}");
    assert!(told.contains("has 2 partitions") && told.contains("has 3"), "{told}");
}

#[test]
#[ignore = "measures, alone: cargo test --release -p fleetwire-state --test projector -- --ignored --nocapture rate"]
#[expect(clippy::print_stdout, reason = "a measurement")]
fn rate_of_positions_that_wait() {
    const DEVICES: usize = 100_000;
    const EACH: i64 = 10;
    let topics = topics();
    let devices: Vec<String> =
        (0..DEVICES).map(|number| format!("{}", 860_000_000_000_000 + number)).collect();
    for second in 1..=EACH {
        for some in devices.chunks(10_000) {
            let events: Vec<_> = some.iter().map(|device| at(device, second)).collect();
            publish(&topics, &events);
        }
    }
    let started = Instant::now();
    let running = Running::start(&topics, Duration::from_secs(10));
    let last = devices.last().unwrap();
    eventually("the first is written", || running.positions(last) > 0);
    println!("the first after {:?}", started.elapsed());
    let all = u64::try_from(EACH).unwrap();
    let deadline = Instant::now() + LIMIT * 5;
    while !devices.iter().all(|device| running.positions(device) == all) {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(50));
    }
    let (took, count) = (started.elapsed().as_secs_f64(), 1_000_000.0);
    println!("{count} positions of {DEVICES} devices in {took:.1} s: {:.0}/s", count / took);
    running.stop();
}
