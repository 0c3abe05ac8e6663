//! Frontends with a registry of their own each, as in a deployment, on a real Kafka; and clients.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fleetwire_apache_kafka::TestKafka;
use fleetwire_downlink::{DownlinkServerSettings, Tokens};
use fleetwire_frontend::auth::subscriber::Subscribers;
use fleetwire_frontend::directory::Directory;
use fleetwire_frontend::ingest::Origin;
use fleetwire_frontend::{Dependencies, Frontend, FrontendSettings};
use fleetwire_kafka::{
    ClientSettings, Event, MissingTopic, Producer, Reader, ReaderOptions, Record, Start, TopicAdmin,
    TopicSettings,
};
use fleetwire_model::pb::{Device, DeviceStatus};
use fleetwire_model::{DeviceId, Topic, Topics};
use fleetwire_registry::account::WellKnown;
use fleetwire_registry::follow::Registry;
use fleetwire_registry::{Accounts, Catalogue, Devices};
use fleetwire_service::exit::Exit;
use fleetwire_service::health::Health;
use fleetwire_service::stages::Stages;
use prost::Message as _;
use rumqttc::v5;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode, Packet as Packet5};
use rumqttc::{ConnectReturnCode as ReturnCode, Packet, QoS};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a failure takes; a passing test never waits for it.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(LIMIT, what).await.unwrap()
}

/// A device that is served.
pub(crate) fn active() -> Device {
    Device { model: "xirgo-lx41".into(), status: DeviceStatus::Active.into(), ..Device::default() }
}

struct Running {
    frontend: Frontend,
    devices: Arc<Devices>,
    ended: JoinHandle<anyhow::Result<Exit>>,
}

/// A deployment.
pub(crate) struct Site {
    client: ClientSettings,
    topics: Topics,
    producer: Arc<Producer<()>>,
    frontends: Vec<Running>,
    stop: CancellationToken,
}

impl Site {
    /// Makes topics, and starts frontends that are ready.
    pub(crate) async fn start(frontends: usize) -> Self {
        let (client, topics) = tokio::task::spawn_blocking(prepare).await.unwrap();
        let producer = Producer::new(&client, |delivery, ()| {
            delivery.outcome.unwrap();
        });
        let mut site = Self {
            client,
            topics,
            producer: Arc::new(producer.unwrap()),
            frontends: Vec::new(),
            stop: CancellationToken::new(),
        };
        for number in 0..frontends {
            let running = site.frontend(number).await;
            site.frontends.push(running);
        }
        site
    }

    async fn frontend(&self, number: usize) -> Running {
        let (health, mut stages) = (Health::default(), Stages::default());
        let condition = health.condition("registry");
        let registry = Registry::new(self.client.clone(), &self.topics, Catalogue::built_in(), condition);
        let secret = |_: &str| -> Result<_, std::io::Error> { Ok(None) };
        let needs = Dependencies {
            kafka: self.client.clone(),
            topics: self.topics.clone(),
            directory: Directory::new(registry.devices(), registry.caught_up()),
            accounts: Accounts::load(&BTreeMap::new(), WellKnown::Default, secret).unwrap(),
            subscribers: Subscribers::default(),
            downlink: DownlinkServerSettings { enabled: false, ..DownlinkServerSettings::default() },
            downlink_tokens: Tokens::default(),
            origin: Origin {
                frontend_id: format!("frontend-{number}"),
                region: String::new(),
                host: String::new(),
            },
            tracer: fleetwire_trace::Tracer::off(),
            health: health.clone(),
            grace: Duration::from_secs(10),
        };
        let settings = FrontendSettings { listen: ([127, 0, 0, 1], 0).into(), ..FrontendSettings::default() };
        let frontend = fleetwire_frontend::start(&settings, needs, &mut stages).unwrap();
        let devices = registry.devices();
        let token = stages.open("registry");
        stages.spawn_blocking("registry follower", move || Ok(registry.follow(&token)?));
        let (stop, mut told) = (self.stop.clone(), false);
        let runtime = tokio::runtime::Handle::current();
        let ended = tokio::task::spawn_blocking(move || {
            let signal = async || {
                if std::mem::replace(&mut told, true) { pending().await } else { stop.cancelled().await }
            };
            runtime.block_on(stages.run(signal, Duration::from_secs(20)))
        });
        soon(health.until_ready()).await;
        Running { frontend, devices, ended }
    }

    /// What a frontend knows of devices.
    pub(crate) fn devices(&self, frontend: usize) -> Arc<Devices> {
        self.frontends.get(frontend).unwrap().devices.clone()
    }

    /// Writes a record of the registry, and waits until Kafka has it.
    pub(crate) async fn write(&self, id: &str, device: Option<&Device>) {
        let value = device.map(|device| Device { device_id: id.into(), ..device.clone() }.encode_to_vec());
        let (topic, id, producer) = (self.topics.name(Topic::Devices), id.to_owned(), self.producer.clone());
        let written = tokio::task::spawn_blocking(move || {
            let record = Record {
                topic: &topic,
                key: Some(id.as_bytes()),
                payload: value.as_deref(),
                ..Record::default()
            };
            producer.send(record, ()).unwrap();
            producer.flush(LIMIT).unwrap();
        });
        written.await.unwrap();
    }

    /// As [`Self::write`], and every frontend knows of it.
    pub(crate) async fn registered(&self, id: &str, device: Option<&Device>) {
        self.write(id, device).await;
        let key: DeviceId = id.parse().unwrap();
        let wanted = device.map(|wanted| {
            let account = if wanted.account.is_empty() { "bce_device" } else { &wanted.account };
            let own = !wanted.password_hash.is_empty();
            (wanted.model.clone(), wanted.status(), wanted.release_pending, account.to_owned(), own)
        });
        let seen = |running: &Running| {
            let known = running.devices.login(&key).map(|login| {
                let (found, account, own) =
                    (login.device, login.account().to_owned(), login.password.is_some());
                (found.model.id.to_owned(), found.status, found.release_pending, account, own)
            });
            known == wanted
        };
        soon(async {
            while !self.frontends.iter().all(seen) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    /// How many records a topic has.
    pub(crate) async fn count(&self, topic: Topic) -> usize {
        let (client, name) = (self.client.clone(), self.topics.name(topic));
        let counted = tokio::task::spawn_blocking(move || {
            let options =
                ReaderOptions { start: Start::Beginning, missing: MissingTopic::Fail, ready_timeout: LIMIT };
            let reader = Reader::new(&client, &name, options, &CancellationToken::new()).unwrap();
            let mut count = 0;
            loop {
                match reader.next(LIMIT).unwrap() {
                    Event::Record(_) => count += 1,
                    Event::CaughtUp => return count,
                    Event::Idle => panic!("never caught up"),
                }
            }
        });
        counted.await.unwrap()
    }

    /// Stops all frontends in order.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for running in self.frontends {
            assert_eq!(soon(running.ended).await.unwrap().unwrap(), Exit::Done);
        }
    }
}

fn prepare() -> (ClientSettings, Topics) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let client = ClientSettings::new(TestKafka::shared().unwrap().bootstrap());
    let topics = Topics::new(&format!("f{}-{next}-{since}", std::process::id())).unwrap();
    let partitions = Topic::ALL.iter().map(|topic| (topic.suffix().to_owned(), 2)).collect();
    let settings = TopicSettings { partitions, ..TopicSettings::default() };
    TopicAdmin::new(&client, topics.clone(), settings).unwrap().apply(LIMIT).unwrap();
    (client, topics)
}

/// How a session ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With a reason.
    Told(DisconnectReasonCode),
    /// Without a word.
    Closed,
}

enum Wire {
    V311(rumqttc::AsyncClient, Box<rumqttc::EventLoop>),
    V5(v5::AsyncClient, Box<v5::EventLoop>),
}

/// A device.
pub(crate) struct Client {
    wire: Wire,
    /// Whether the frontend had kept its session.
    pub(crate) session_present: bool,
}

impl Client {
    /// A device that speaks MQTT 3.1.1 to a frontend; not yet connected.
    pub(crate) fn v311(site: &Site, frontend: usize, id: &str) -> Self {
        let port = site.frontends.get(frontend).unwrap().frontend.address.port();
        let mut options = rumqttc::MqttOptions::new(id, "127.0.0.1", port);
        options.set_credentials("bce_device", "secretword");
        let (client, events) = rumqttc::AsyncClient::new(options, 16);
        Self { wire: Wire::V311(client, events.into()), session_present: false }
    }

    /// A device that speaks MQTT 5.
    pub(crate) fn v5(site: &Site, frontend: usize, id: &str) -> Self {
        let port = site.frontends.get(frontend).unwrap().frontend.address.port();
        let mut options = v5::MqttOptions::new(id, "127.0.0.1", port);
        options.set_credentials("bce_device", "secretword");
        let (client, events) = v5::AsyncClient::new(options, 16);
        Self { wire: Wire::V5(client, events.into()), session_present: false }
    }

    /// Its session outlives its connection.
    pub(crate) fn lasting(mut self) -> Self {
        if let Wire::V5(_, events) = &mut self.wire {
            events.options.set_clean_start(false).set_session_expiry_interval(Some(600));
        }
        self
    }

    /// Connects.
    pub(crate) async fn connected(self) -> Self {
        soon(self.tried()).await.unwrap_or_else(|| panic!("not let in"))
    }

    /// Connects; `None` if it is not let in.
    pub(crate) async fn tried(mut self) -> Option<Self> {
        loop {
            match &mut self.wire {
                Wire::V311(_, events) => match events.poll().await {
                    Ok(rumqttc::Event::Incoming(Packet::ConnAck(ack))) => {
                        self.session_present = ack.session_present;
                        return (ack.code == ReturnCode::Success).then_some(self);
                    }
                    Ok(_) => {}
                    Err(_) => return None,
                },
                Wire::V5(_, events) => match events.poll().await {
                    Ok(v5::Event::Incoming(Packet5::ConnAck(ack))) => {
                        self.session_present = ack.session_present;
                        return (ack.code == ConnectReturnCode::Success).then_some(self);
                    }
                    Ok(_) => {}
                    Err(_) => return None,
                },
            }
        }
    }

    /// Connects with MQTT 5, and is refused.
    pub(crate) async fn refused(mut self) -> ConnectReturnCode {
        let Wire::V5(_, events) = &mut self.wire else { panic!("MQTT 5 says why") };
        loop {
            match events.poll().await {
                Err(v5::ConnectionError::ConnectionRefused(code)) => return code,
                Ok(v5::Event::Incoming(Packet5::ConnAck(ack))) if ack.code != ConnectReturnCode::Success => {
                    return ack.code;
                }
                Ok(v5::Event::Incoming(packet)) => panic!("let in: {packet:?}"),
                Ok(_) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }

    /// Publishes once; an error if the session ends before it is acknowledged.
    pub(crate) async fn publish(&mut self) -> Result<(), Ended> {
        match &mut self.wire {
            Wire::V311(client, _) => client.publish("BCE/D", QoS::AtLeastOnce, false, "x").await.unwrap(),
            Wire::V5(client, _) => {
                client.publish("BCE/D", v5::mqttbytes::QoS::AtLeastOnce, false, "x").await.unwrap();
            }
        }
        loop {
            if self.next().await? {
                return Ok(());
            }
        }
    }

    /// Waits until the session ends.
    pub(crate) async fn ended(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.next().await {
                return ended;
            }
        }
    }

    /// Takes one event; whether it is a PUBACK.
    async fn next(&mut self) -> Result<bool, Ended> {
        match &mut self.wire {
            Wire::V311(_, events) => match events.poll().await {
                Ok(event) => Ok(matches!(event, rumqttc::Event::Incoming(Packet::PubAck(_)))),
                Err(_) => Err(Ended::Closed),
            },
            Wire::V5(_, events) => match events.poll().await {
                Ok(event) => Ok(matches!(event, v5::Event::Incoming(Packet5::PubAck(_)))),
                Err(v5::ConnectionError::MqttState(v5::StateError::ServerDisconnect {
                    reason_code, ..
                })) => Err(Ended::Told(reason_code)),
                Err(_) => Err(Ended::Closed),
            },
        }
    }

    /// Says goodbye; the session stays where it is kept.
    pub(crate) async fn leave(&mut self) {
        match &self.wire {
            Wire::V311(client, _) => client.disconnect().await.unwrap(),
            Wire::V5(client, _) => client.disconnect().await.unwrap(),
        }
        soon(self.ended()).await;
    }
}
