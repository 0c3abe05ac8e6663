//! The frontend put together: listener, ingest, fabric, and the order in which they stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Error, Result, ensure};
use fleetwire_downlink::{DownlinkServerSettings, Tokens};
use fleetwire_kafka::{ClientSettings, Producer};
use fleetwire_model::{Topic, Topics};
use fleetwire_mqtt::{
    self as mqtt, Authenticator, BindError, Ingest, Insider, Limits, Listener, Parts, Server, Transport,
};
use fleetwire_registry::Accounts;
use fleetwire_service::clock;
use fleetwire_service::health::{Condition, Health};
use fleetwire_service::open_files;
use fleetwire_service::stages::Stages;
use fleetwire_trace::Tracer;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use ulid::Ulid;

use crate::auth::Doorkeeper;
use crate::auth::subscriber::Subscribers;
use crate::canary::{Canary, CanaryAccount, Unseen};
use crate::config::FrontendSettings;
use crate::directory::Directory;
use crate::dispatch::dispatch;
use crate::downlink::{Crossings, Downlinks};
use crate::fabric;
use crate::ingest::{self, KafkaIngest, Origin};
use crate::metrics::{DoorMetrics, IngestMetrics};
use crate::presence::{Names, Told, Watchers};
use crate::revoked::Revoker;
use crate::steps::Steps;
use crate::transports;

/// How often the producer's connection is looked at for readiness.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// What a frontend needs from its process.
#[derive(Debug)]
pub struct Dependencies {
    /// How Kafka is reached.
    pub kafka: ClientSettings,
    /// Names of the topics.
    pub topics: Topics,
    /// The registry's devices.
    pub directory: Directory,
    /// Accounts with their passwords.
    pub accounts: Accounts,
    /// Subscriber accounts with their passwords; most deployments have none.
    pub subscribers: Subscribers,
    /// Where gateways are served.
    pub downlink: DownlinkServerSettings,
    /// What gateways show.
    pub downlink_tokens: Tokens,
    /// Who this frontend is.
    pub origin: Origin,
    /// Whom to follow.
    pub tracer: Tracer,
    /// Conditions of the process.
    pub health: Health,
    /// How long a drain may take in all.
    pub grace: Duration,
}

/// File descriptors that a frontend needs beside its connections: Kafka, files, admin HTTP.
const OTHER_FILES: u64 = 512;

/// A frontend that listens.
#[derive(Debug)]
pub struct Frontend {
    /// Where devices connect with plain TCP.
    pub address: SocketAddr,
    /// Where devices connect, and how; plain TCP first.
    pub listeners: Vec<Listener>,
    /// Where gateways connect; none if they are not served.
    pub downlink: Option<SocketAddr>,
}

/// Binds the listeners and adds the frontend's tasks, in four stages: gateways first, then the sessions, then the
/// producer, then what is told of the sessions.
pub fn start(settings: &FrontendSettings, needs: Dependencies, stages: &mut Stages) -> Result<Frontend> {
    let Dependencies { kafka, topics, directory, accounts, subscribers, origin, health, grace, .. } = needs;
    let tracer = needs.tracer;
    let downlinks = Downlinks::bind(&needs.downlink, needs.downlink_tokens)?;
    let metrics = IngestMetrics::new();
    let producer = Producer::new(&kafka, {
        let metrics = metrics.clone();
        move |delivery, ticket| ingest::settle(&delivery, ticket, &metrics)
    })?;
    let names_of_accounts = accounts.iter().map(|account| &*account.name).chain(subscribers.names());
    let door = DoorMetrics::new(names_of_accounts.map(str::to_owned));
    let names = Names {
        topic: topics.name(Topic::Sessions),
        frontend_id: origin.frontend_id.clone(),
        run: Ulid::generate().to_string(),
        address: downlinks.advertised(),
    };
    let told = Told::new(&kafka, names, directory.clone(), settings)?;
    let ingest = KafkaIngest::new(producer, directory.clone(), origin, &topics, metrics);
    let ingest = Arc::new(ingest.with_tracer(tracer.clone()));
    let steps = Steps::new(tracer.clone(), directory.clone(), accounts.clone());
    let canary = CanaryAccount::new(Insider::default())?;
    let doorkeeper = Doorkeeper::new(accounts, subscribers, directory.clone(), settings);
    let parts = Parts {
        authenticator: Arc::new(doorkeeper.with_canary(canary.clone())),
        ingest: Arc::clone(&ingest),
        observer: Arc::new(Unseen(Watchers { metrics: door, presence: told.presence(), steps })),
        unix_ms: || u64::try_from(clock::unix_ms()).unwrap_or(0),
    };
    let server = bind(settings, (grace, canary.insider()), parts)?;
    let listeners = server.listeners();
    let address = server.local_addr().context("the MQTT address is unknown")?;
    let (fabric, dispatcher) = fabric::start()?;
    let sessions = server.sessions();
    ingest.connect_listeners(fabric.clone(), sessions.clone());

    let crossings = Arc::new(Crossings::default());
    let way = (fabric, Arc::clone(&crossings), tracer);
    let downlink = downlinks.add_to(stages, sessions.clone(), way, grace.mul_f64(0.1));
    let stop = stages.open("sessions");
    let dispatching = dispatch(dispatcher, stop.clone(), &health, sessions.clone(), crossings);
    stages.spawn("downlink dispatcher", dispatching);
    stages.spawn("revoked sessions", Revoker::new(directory).run(server.sessions(), stop.clone()));
    let canary = Canary::new(settings.canary, canary, address, &health);
    stages.spawn("MQTT canary", canary.run(stop.clone()));
    stages.spawn("MQTT listener", async move {
        server.run(stop.clone()).await;
        ensure!(stop.is_cancelled(), "the listener ended early");
        Ok(())
    });
    let stop = stages.open("ingest");
    let condition = health.condition("kafka_producer");
    stages.spawn("ingest producer", watch_producer(ingest, condition, stop, grace));
    told.add_to(stages, sessions, grace);
    for Listener { transport, address } in &listeners {
        info!(%address, transport = transport.code(), "devices may connect");
    }
    Ok(Frontend { address, listeners, downlink })
}

/// Checks the settings against each other and against the limit of open files, and binds.
fn bind<A: Authenticator, I: Ingest>(
    settings: &FrontendSettings,
    (grace, insider): (Duration, &Insider),
    parts: Parts<A, I>,
) -> Result<Server<A, I>> {
    transports::check(settings)?;
    let needed = settings.max_connections as u64 + OTHER_FILES;
    if let Some(limit) = open_files::limit().filter(|limit| *limit < needed) {
        let max_connections = settings.max_connections;
        warn!(
            limit,
            max_connections, "fewer files may be open than max_connections needs; raise the hard limit"
        );
    }
    let own = mqtt::Settings { insider: insider.clone(), ..mqtt_settings(settings, grace) };
    Server::bind(own, parts).map_err(|err| match err {
        BindError::Address { address, transport: Transport::Tcp, source } => {
            let hint = "choose another with --mqtt HOST:PORT";
            Error::new(source).context(format!("MQTT address {address} cannot be used; {hint}"))
        }
        other => Error::new(other),
    })
}

fn mqtt_settings(settings: &FrontendSettings, grace: Duration) -> mqtt::Settings {
    let mut all = mqtt::Settings {
        listeners: transports::listeners(settings),
        tls: settings.tls.as_ref().map(transports::Tls::settings),
        websocket: settings.websocket.settings(settings.max_packet_bytes),
        proxy: settings.proxy_protocol.settings(),
        gate: settings.gate.settings(),
        handshake_timeout: settings.gate.handshake_timeout,
        max_connections: settings.max_connections,
        connect_timeout: settings.connect_timeout,
        // What remains of the grace is for the stages behind.
        drain_grace: grace.mul_f64(0.6),
        limits: Limits {
            max_in_flight: settings.session_window,
            max_in_flight_bytes: settings.session_window_bytes,
            max_packet_size: settings.max_packet_bytes,
            ..Limits::default()
        },
        ..mqtt::Settings::default()
    };
    settings.sessions.apply(&mut all);
    all
}

/// Keeps readiness true to the producer's connection, ends the process when the producer is broken, and
/// flushes when told to stop.
async fn watch_producer(
    ingest: Arc<KafkaIngest>,
    condition: Condition,
    stop: CancellationToken,
    grace: Duration,
) -> Result<()> {
    let fatal = ingest.producer().fatal();
    let mut tick = interval(WATCH_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = fatal.cancelled() => anyhow::bail!("the Kafka producer failed for good"),
            _ = tick.tick() => {}
        }
        ingest.count_in_flight();
        let connected = ingest.producer().connected();
        if connected {
            condition.ready();
        } else {
            condition.away("Kafka does not answer; publishes wait and are not acknowledged");
        }
    }
    let deadline = Instant::now() + grace;
    let flushed = tokio::task::spawn_blocking(move || ingest.producer().flush(deadline - Instant::now()));
    flushed.await.context("the flush panicked")?.context("publishes were left without an acknowledgement")
}
