//! A frontend on a log of its own, and a gateway that calls it.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use fleetwire_downlink::{
    CallError, Client, DownlinkClientSettings, DownlinkServerSettings, TOKEN_VARIABLE, Tokens,
};
use fleetwire_frontend::auth::subscriber::Subscribers;
use fleetwire_frontend::directory::Directory;
use fleetwire_frontend::ingest::Origin;
use fleetwire_frontend::{Dependencies, Frontend, FrontendSettings};
use fleetwire_kafka::{
    ClientSettings, EmbeddedLog, EmbeddedOptions, Event, MissingTopic, Reader, ReaderOptions, Start,
};
use fleetwire_model::pb::{
    self, DeliverOutcome, DeliverRequest, Device, DeviceStatus, Session, SessionState,
};
use fleetwire_model::time::from_unix_ms;
use fleetwire_model::{Topic, Topics};
use fleetwire_registry::account::WellKnown;
use fleetwire_registry::{Accounts, Devices};
use fleetwire_service::exit::Exit;
use fleetwire_service::health::Health;
use fleetwire_service::stages::Stages;
use prost::Message as _;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a failure takes; a passing test never waits for it.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);
pub(crate) const DEVICES: [&str; 2] = ["867035046242895", "865209039554705"];
pub(crate) const DEVICE: &str = DEVICES[0];
pub(crate) const OUTC: &str = "867035046242895/OUTC";
/// A wait for what does not come.
pub(crate) const SHORT: Duration = Duration::from_millis(300);
pub(crate) const TOKEN: &str = "a-token-of-the-tests";

pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(LIMIT, what).await.unwrap()
}

/// A frontend that runs.
pub(crate) struct House {
    pub(crate) frontend: Frontend,
    pub(crate) client: Client,
    pub(crate) stop: CancellationToken,
    kafka: ClientSettings,
}

fn devices() -> Arc<Devices> {
    let devices = Devices::default();
    for id in DEVICES {
        let device = Device {
            device_id: id.into(),
            model: "xirgo-lx41".into(),
            status: DeviceStatus::Active.into(),
            ..Device::default()
        };
        devices.apply(id.as_bytes(), Some(&device.encode_to_vec())).unwrap();
    }
    Arc::new(devices)
}

fn start(kafka: ClientSettings, downlink: DownlinkServerSettings, stages: &mut Stages) -> Frontend {
    let secret = |_: &str| -> Result<_, std::io::Error> { Ok(None) };
    let token =
        |name: &str| -> Result<_, std::io::Error> { Ok((name == TOKEN_VARIABLE).then(|| TOKEN.into())) };
    let needs = Dependencies {
        kafka,
        topics: Topics::default(),
        directory: Directory::new(devices(), watch::channel(true).1),
        accounts: Accounts::load(&BTreeMap::new(), WellKnown::Default, secret).unwrap(),
        subscribers: Subscribers::default(),
        downlink,
        downlink_tokens: Tokens::load(token).unwrap(),
        origin: Origin { frontend_id: "test".into(), region: String::new(), host: String::new() },
        tracer: fleetwire_trace::Tracer::off(),
        health: Health::default(),
        grace: Duration::from_secs(10),
    };
    let settings = FrontendSettings { listen: ([127, 0, 0, 1], 0).into(), ..FrontendSettings::default() };
    fleetwire_frontend::start(&settings, needs, stages).unwrap()
}

/// Runs a test beside a frontend, and stops that in order.
pub(crate) async fn with_house(
    change: impl FnOnce(&mut DownlinkServerSettings),
    test: impl AsyncFnOnce(&House),
) {
    let dir = tempfile::tempdir().unwrap();
    let options = EmbeddedOptions { data: dir.path().to_owned(), topics: Topics::default(), partitions: 1 };
    let log = EmbeddedLog::start(&options).unwrap();
    let mut stages = Stages::default();
    let mut settings =
        DownlinkServerSettings { listen: ([127, 0, 0, 1], 0).into(), ..DownlinkServerSettings::default() };
    change(&mut settings);
    let frontend = start(log.settings(), settings, &mut stages);
    let client = Client::new(DownlinkClientSettings::default(), Some(TOKEN.into())).unwrap();
    let house = House { frontend, client, stop: CancellationToken::new(), kafka: log.settings() };
    let mut told = false;
    let signal = async || {
        if std::mem::replace(&mut told, true) { pending().await } else { house.stop.cancelled().await }
    };
    let running = stages.run(signal, Duration::from_secs(10));
    let testing = async {
        test(&house).await;
        house.stop.cancel();
    };
    let (exit, ()) = Box::pin(soon(async { tokio::join!(running, testing) })).await;
    assert_eq!(exit.unwrap(), Exit::Done);
    log.stop().unwrap();
}

impl House {
    /// The device's session once it takes commands, newer than one before.
    pub(crate) async fn session(&self, id: &'static str, after: u64) -> Session {
        let kafka = self.kafka.clone();
        let is_it = move |session: &Session| {
            session.state() == SessionState::Connected && session.accepts_commands && session.epoch > after
        };
        let found = tokio::task::spawn_blocking(move || {
            let options =
                ReaderOptions { start: Start::Beginning, missing: MissingTopic::Wait, ready_timeout: LIMIT };
            let topic = Topics::default().name(Topic::Sessions);
            let reader = Reader::new(&kafka, &topic, options, &CancellationToken::new()).unwrap();
            // The words of a frontend that is alive come all the time.
            let deadline = Instant::now() + LIMIT;
            while Instant::now() < deadline {
                match reader.next(LIMIT).unwrap() {
                    Event::Record(record) if record.key() == Some(id.as_bytes()) => {
                        let session = Session::decode(record.payload().unwrap()).unwrap();
                        if is_it(&session) {
                            return session;
                        }
                    }
                    Event::Record(_) | Event::CaughtUp | Event::Idle => {}
                }
            }
            panic!("no session of {id}");
        });
        found.await.unwrap()
    }

    /// Where the gateway calls.
    pub(crate) fn address(&self) -> String {
        self.frontend.downlink.unwrap().to_string()
    }

    pub(crate) async fn call(
        &self,
        request: DeliverRequest,
        wait: Duration,
    ) -> Result<pb::DeliverResponse, CallError> {
        soon(self.client.deliver(&self.address(), request, wait)).await
    }

    /// What became of a command.
    pub(crate) async fn deliver(&self, request: DeliverRequest, wait: Duration) -> DeliverOutcome {
        let response = self.call(request, wait).await.unwrap();
        assert!(response.time.is_some());
        response.outcome()
    }
}

/// A command for the first device that is good for a minute.
pub(crate) fn command(command_id: &str, session_epoch: u64) -> DeliverRequest {
    DeliverRequest {
        device_id: DEVICE.into(),
        session_epoch,
        topic: OUTC.into(),
        payload: command_id.to_owned().into(),
        expire_time: Some(from_unix_ms(now_ms() + 60_000)),
        command_id: command_id.into(),
        partition: 0,
        term: 1,
    }
}

pub(crate) fn now_ms() -> i64 {
    i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}
