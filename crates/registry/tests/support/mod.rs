//! What the tests share: the real Kafka with topics of a test's own, registrars, and the audit trail.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fleetwire_apache_kafka::TestKafka;
use fleetwire_kafka::{ClientSettings, Event, Reader, ReaderError, ReaderOptions, TopicAdmin, TopicSettings};
use fleetwire_model::{DeviceId, Topic, Topics, pb};
use fleetwire_registry::registrar::{Change, Draft, Existing, Registrar, RegistrarNeeds, Who};
use fleetwire_registry::{Applied, Catalogue, ChangeError, Records};
use fleetwire_service::health::Health;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a failure takes; a passing test never waits for it.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// Topics of a prefix that no other test or run uses.
pub(crate) fn topics_at(bootstrap: &str) -> (ClientSettings, Topics) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let topics = Topics::new(&format!("registry-{}-{next}-{since}", std::process::id())).unwrap();
    let client = ClientSettings::new(bootstrap);
    TopicAdmin::new(&client, topics.clone(), TopicSettings::default()).unwrap().apply(LIMIT).unwrap();
    (client, topics)
}

pub(crate) fn topics() -> (ClientSettings, Topics) {
    topics_at(TestKafka::shared().unwrap().bootstrap())
}

/// A registrar with its own clients, as a process has it.
pub(crate) struct Running {
    pub(crate) registrar: Registrar,
    pub(crate) records: Arc<Records>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), ReaderError>>,
}

impl Running {
    /// Starts one, and waits until it knows the records.
    pub(crate) async fn start(client: &ClientSettings, topics: &Topics) -> Self {
        let health = Health::default();
        let needs = RegistrarNeeds {
            client: client.clone(),
            topics: topics.clone(),
            accounts: None,
            condition: health.condition("records"),
        };
        let (registrar, records, task) = Registrar::new(needs);
        let stop = CancellationToken::new();
        let task = tokio::task::spawn_local(task.run(stop.clone()));
        tokio::time::timeout(LIMIT, health.until_ready()).await.unwrap();
        Self { registrar, records, stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(LIMIT, self.task).await.unwrap().unwrap().unwrap();
    }

    pub(crate) async fn one(&self, change: Change) -> Result<Applied, ChangeError> {
        self.registrar.apply(vec![change], Who::new("test")).await.remove(0)
    }
}

pub(crate) fn id(text: &str) -> DeviceId {
    text.parse().unwrap()
}

pub(crate) fn activate(device: &DeviceId, name: &str) -> Change {
    let model = Catalogue::built_in().get("ngp-generic").unwrap();
    Change::Activate {
        device: device.clone(),
        draft: Draft { name: Some(name.to_owned()), ..Draft::new(model) },
        existing: Existing::Update,
        release_pending: false,
        if_revision: None,
    }
}

/// Everything that is committed in a topic, in the order of each partition.
pub(crate) fn committed<M: prost::Message + Default>(
    client: &ClientSettings,
    topics: &Topics,
    topic: Topic,
) -> Vec<Option<M>> {
    let reader =
        Reader::new(client, &topics.name(topic), ReaderOptions::default(), &CancellationToken::new())
            .unwrap();
    let mut all = Vec::new();
    reader
        .run(&CancellationToken::new(), |event| match event {
            Event::Record(message) => {
                all.push(message.payload().map(|value| M::decode(value).unwrap()));
                ControlFlow::Continue(())
            }
            Event::CaughtUp => ControlFlow::Break(()),
            Event::Idle => ControlFlow::Continue(()),
        })
        .unwrap();
    all
}

/// The audit trail of a device.
pub(crate) fn trail(client: &ClientSettings, topics: &Topics, device: &DeviceId) -> Vec<pb::AuditEvent> {
    let all = committed::<pb::AuditEvent>(client, topics, Topic::Audit);
    all.into_iter().flatten().filter(|event| event.device_id == device.as_str()).collect()
}
