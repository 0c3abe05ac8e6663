//! The API with everything that it needs, on a real Kafka.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use fleetwire_apache_kafka::TestKafka;
use fleetwire_api::{ApiSettings, Dependencies, Public, Scope, Tokens};
use fleetwire_held::HeldSettings;
use fleetwire_kafka::{ClientSettings, TopicAdmin, TopicSettings};
use fleetwire_model::Topics;
use fleetwire_registry::account::with_built_in;
use fleetwire_registry::{Catalogue, Registrar, RegistrarNeeds};
use fleetwire_service::health::Health;
use fleetwire_service::stages::Stages;
use fleetwire_state::StateSettings;
use tokio::sync::Notify;

use crate::client::Client;

/// How long a failure takes; a passing test never waits for it.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);

/// Secrets of the tokens, by what they may do.
const SENDER: &str = "sender-token-of-tests";
const READER: &str = "reader-token-of-tests";
const WRITER: &str = "writer-token-of-tests";
const OPERATOR: &str = "operator-token-of-tests";

/// A running API.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) base: String,
    pub(crate) kafka: ClientSettings,
    pub(crate) topics: Topics,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

/// The API that tests share that need no settings of their own.
pub(crate) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::start(settings()))
}

/// Settings for tests: a free port, and no limit that a test reaches by chance.
pub(crate) fn settings() -> ApiSettings {
    let many = NonZeroU32::new(1_000_000).unwrap();
    ApiSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        requests_per_second: many,
        burst: many,
        failed_logins_per_minute: many,
        ..ApiSettings::default()
    }
}

impl Server {
    /// Starts one with topics of its own.
    pub(crate) fn start(settings: ApiSettings) -> Self {
        Self::on(settings, ClientSettings::new(TestKafka::shared().unwrap().bootstrap()))
    }

    /// Starts one with topics of its own on this Kafka.
    pub(crate) fn on(settings: ApiSettings, kafka: ClientSettings) -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let topics = Topics::new(&format!("api-{}-{next}-{since}", std::process::id())).unwrap();
        let few = fleetwire_model::Topic::ALL.iter().map(|topic| (topic.suffix().to_owned(), 2));
        let topic_settings = TopicSettings { partitions: few.collect(), ..TopicSettings::default() };
        TopicAdmin::new(&kafka, topics.clone(), topic_settings).unwrap().apply(LIMIT).unwrap();
        Self::at(settings, kafka, topics)
    }

    /// Starts one over topics that are there.
    pub(crate) fn at(settings: ApiSettings, kafka: ClientSettings, topics: Topics) -> Self {
        let stop = Arc::new(Notify::new());
        let (told, address) = mpsc::channel();
        let (stopped, client, names) = (Arc::clone(&stop), kafka.clone(), topics.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(run(settings, client, names, (told, stopped)));
        });
        let address = address.recv_timeout(LIMIT).unwrap();
        Self { base: format!("http://{address}"), kafka, topics, stop, thread: Some(thread) }
    }

    /// Stops it and waits until it has ended.
    pub(crate) fn stop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// May do everything.
    pub(crate) fn operator(&self) -> Client {
        self.client(OPERATOR)
    }

    /// May read.
    pub(crate) fn reader(&self) -> Client {
        self.client(READER)
    }

    /// May change, and not read.
    pub(crate) fn writer(&self) -> Client {
        self.client(WRITER)
    }

    /// May send commands, and not read.
    pub(crate) fn sender(&self) -> Client {
        self.client(SENDER)
    }

    /// Somebody with this token.
    pub(crate) fn client(&self, token: &str) -> Client {
        Client { base: self.base.clone(), token: token.to_owned() }
    }
}

fn tokens() -> Tokens {
    let mut tokens = Tokens::default();
    tokens.add("reader", [Scope::Read], &READER.into()).unwrap();
    tokens.add("writer", [Scope::Devices], &WRITER.into()).unwrap();
    tokens.add("sender", [Scope::Commands], &SENDER.into()).unwrap();
    tokens.add("operator", Scope::ALL, &OPERATOR.into()).unwrap();
    tokens
}

/// Whom to follow, as a process of its own would have it.
fn tracer(kafka: &ClientSettings, topics: &Topics) -> fleetwire_trace::Tracer {
    let (kafka, topics) = (kafka.clone(), topics.clone());
    let place = fleetwire_trace::Place { kafka, topics, replica: "api-0".to_owned() };
    fleetwire_trace::Tracer::new(place, None)
}

type Told = mpsc::Sender<std::net::SocketAddr>;

async fn run(
    settings: ApiSettings,
    kafka: ClientSettings,
    topics: Topics,
    (told, stop): (Told, Arc<Notify>),
) {
    let (health, mut stages) = (Health::default(), Stages::default());
    let knocks = fleetwire_held::follow(&HeldSettings::default(), (&kafka, &topics), &health, &mut stages);
    let state = fleetwire_state::Dependencies {
        kafka: kafka.clone(),
        topics: topics.clone(),
        health: health.clone(),
        grace: LIMIT,
    };
    let reported = fleetwire_state::follow(&StateSettings::default(), &state, &mut stages);
    let accounts = with_built_in(&BTreeMap::new());
    let (registrar, records, task) = Registrar::new(RegistrarNeeds {
        client: kafka.clone(),
        topics: topics.clone(),
        accounts: Some(accounts.keys().cloned().collect()),
        condition: health.condition("records"),
    });
    let tokens = tokens();
    let host = "mqtt.example.org".to_owned();
    let public = Public { region: "eu".to_owned(), host, tls_port: Some(8883), ..Public::default() };
    let catalogue = Catalogue::built_in();
    let needs = Dependencies {
        registrar,
        records,
        catalogue,
        accounts,
        knocks,
        states: reported,
        tracer: tracer(&kafka, &topics),
        public,
        tokens,
        health: health.clone(),
        kafka,
        topics,
    };
    let api = fleetwire_api::start(&settings, needs, &mut stages).unwrap();
    let stop_registrar = stages.open("registrar");
    stages.spawn("registrar", async move { Ok(task.run(stop_registrar).await?) });
    let ready = async {
        health.until_ready().await;
        told.send(api.address).unwrap();
        std::future::pending::<()>().await;
    };
    let stopped = async {
        let mut once = false;
        let signal = async || {
            if std::mem::replace(&mut once, true) {
                std::future::pending::<()>().await;
            }
            stop.notified().await;
        };
        stages.run(signal, LIMIT).await.unwrap();
    };
    tokio::select! {
        () = ready => {}
        () = stopped => {}
    }
}
