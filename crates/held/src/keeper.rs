//! The keeper: each held publish is counted in its device's knock, or goes on to the raw topic, in one transaction
//! with the offset of the group. So each is held or released once, by one member, whatever dies in between.

mod due;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use fleetwire_kafka::{
    Assigned, ClientError, ClientSettings, ConsumerOptions, Message, Monitor, Outputs, Record, SendError,
    Settled, Start, TopicPartition, Transform, Transformer, TransformerOptions, Watermarks,
};
use fleetwire_model::pb::TraceStepKind;
use fleetwire_model::{DeviceId, RELEASED_HEADER, TYPE_HEADER, Topic, Topics};
use fleetwire_registry::{Device, Devices};
use fleetwire_service::broken::Broken;
use fleetwire_service::health::Condition;
use fleetwire_trace::{TRACEPARENT, Tracer};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::HeldSettings;
use crate::load::Source;
use crate::metrics::{HeldMetrics, Tally};
use crate::page::{Page, Treatment};
use crate::service::Isolation;
use crate::steps;
use crate::view::{HeldView, with_model};
use due::Turns;

/// How soon the group notices that a keeper is gone, unless the settings say otherwise. librdkafka waits for 45 s, and
/// a release that was killed would stand still for so long.
const SESSION_TIMEOUT_MS: &str = "10000";

/// What a keeper needs.
#[derive(Debug)]
pub struct KeeperNeeds {
    /// How Kafka is reached.
    pub kafka: ClientSettings,
    /// Names of the topics.
    pub topics: Topics,
    /// The registry's devices; all of them are known when the keeper runs.
    pub devices: Arc<Devices>,
    /// Whom to follow.
    pub tracer: Tracer,
    /// Not ready while knocks cannot be read back.
    pub condition: Condition,
    /// Name of this replica, for Kafka's transactions.
    pub replica: String,
    /// Whether the log has real transactions.
    pub isolation: Isolation,
    /// How long a stop may take.
    pub grace: std::time::Duration,
}

/// A member of the keepers' group.
#[derive(Debug)]
pub struct Keeper {
    transformer: Transformer,
    keeping: Keeping,
}

impl Keeper {
    /// Joins the group; Kafka may be down. Devices of which nothing is held any more, and that may publish directly
    /// now, are told to `released`; while it is full they are told later.
    pub fn new(
        settings: &HeldSettings,
        needs: KeeperNeeds,
        released: mpsc::Sender<DeviceId>,
        stop: &CancellationToken,
    ) -> Result<Self> {
        settings.check()?;
        // It also stops by itself, and others of its stage need not.
        let stop = stop.child_token();
        let KeeperNeeds { kafka, topics, devices, tracer, condition, replica, isolation, grace } = needs;
        let held = topics.name(Topic::Held);
        let mut joining = kafka.clone();
        let timeout = joining.properties.entry("session.timeout.ms".to_owned());
        timeout.or_insert_with(|| SESSION_TIMEOUT_MS.to_owned());
        let transformer = join(settings, &joining, (&topics, &held), (&replica, grace))?;
        let transformer = match isolation {
            Isolation::Required => transformer,
            Isolation::NotNeeded => transformer.without_isolation(),
        };
        let keeping = Keeping {
            monitor: transformer.monitor(),
            watermarks: Watermarks::new(&kafka)?,
            raw: topics.name(Topic::Raw),
            held: held.as_str().into(),
            source: Source { client: kafka, held, knocks: topics.name(Topic::Knocks), condition, stop },
            devices,
            tracer,
            settings: settings.clone(),
            released,
            broken: Broken::new("the keeper of held publishes"),
            metrics: HeldMetrics::new(),
            pages: HashMap::new(),
            seen: None,
            limit: settings.max_knocks,
            turns: Turns::default(),
            tally: Tally::default(),
            buffer: Vec::new(),
        };
        Ok(Self { transformer, keeping })
    }

    /// A view of this member for readiness, from any thread.
    pub fn monitor(&self) -> Monitor {
        self.transformer.monitor()
    }

    /// Keeps until the stop; blocks the thread. Ends with an error if it cannot go on.
    pub fn run(mut self) -> Result<()> {
        let Some(partitions) = self.keeping.source.partitions()? else { return Ok(()) };
        self.keeping.limit = self.keeping.settings.max_knocks.div_ceil(partitions.max(1));
        let (stop, broken) = (self.keeping.source.stop.clone(), self.keeping.broken.clone());
        let outcome = self.transformer.run(&stop, &mut self.keeping);
        broken.check()?;
        Ok(outcome?)
    }
}

fn join(
    settings: &HeldSettings,
    kafka: &ClientSettings,
    (topics, held): (&Topics, &str),
    (replica, grace): (&str, std::time::Duration),
) -> Result<Transformer, ClientError> {
    let options = ConsumerOptions {
        start: Start::Beginning,
        commit_interval: settings.interval,
        // What remains of the grace is for the commit and the stages behind.
        drain_timeout: grace.mul_f64(0.7),
        ..ConsumerOptions::default()
    };
    let group = settings.group(topics);
    let transactions =
        TransformerOptions { transactional_id: format!("{group}-{replica}"), timeout: settings.timeout };
    Transformer::new(kafka, &group, &[held], options, transactions)
}

/// What the keeper knows, on the thread that polls.
#[derive(Debug)]
struct Keeping {
    source: Source,
    held: Arc<str>,
    raw: String,
    devices: Arc<Devices>,
    tracer: Tracer,
    settings: HeldSettings,
    monitor: Monitor,
    watermarks: Watermarks,
    released: mpsc::Sender<DeviceId>,
    broken: Broken,
    metrics: HeldMetrics,
    pages: HashMap<i32, Page>,
    /// The assignment that `pages` was compared with.
    seen: Option<u64>,
    /// Knocks of one partition.
    limit: usize,
    turns: Turns,
    tally: Tally,
    buffer: Vec<u8>,
}

impl Transform for Keeping {
    fn record(&mut self, message: &Message<'_>, outputs: &Outputs<'_>) -> Result<(), SendError> {
        self.turns.record();
        if !self.pages.contains_key(&message.partition()) {
            self.seen = None;
            self.follow_assignment();
        }
        let Some(page) = self.pages.get_mut(&message.partition()) else {
            // It ends, and nothing of this becomes visible.
            return Err(SendError::Full);
        };
        let (Some(device), Some(value)) = (device(message.key()), message.payload()) else {
            self.tally.unusable += 1;
            return Ok(());
        };
        let Ok(view) = HeldView::read(value) else {
            self.tally.unusable += 1;
            return Ok(());
        };
        let found = self.devices.get(&device).filter(Device::is_active);
        match (page.treat(&device, message.offset(), found.is_some()), found) {
            (Treatment::Forward, Some(found)) => {
                send(message, (&self.raw, Waited::Not), found, (&mut self.buffer, outputs))?;
                if !found.is_direct() {
                    page.follow(&device, Instant::now());
                }
                steps::tell(&self.tracer, TraceStepKind::Released, message, &device);
                self.tally.forwarded += 1;
            }
            (Treatment::Nothing, _) => self.tally.repeated += 1,
            (Treatment::Hold | Treatment::Forward, _) => {
                let place = (message.partition(), message.offset());
                self.tally.forgotten += page.hold(&device, place, &view) as u64;
                steps::tell(&self.tracer, TraceStepKind::Held, message, &device);
                self.tally.held += 1;
            }
        }
        Ok(())
    }

    fn settled(&mut self, how: Settled) {
        let tally = std::mem::take(&mut self.tally);
        match how {
            Settled::Committed => {
                self.metrics.committed(tally);
                self.pages.values_mut().for_each(|page| page.is_touched = false);
            }
            // Kafka knows what holds; it may even have committed after all.
            Settled::Undone => {
                self.pages.retain(|_, page| !page.is_touched);
                self.seen = None;
            }
        }
    }

    fn due(&mut self) -> Option<TopicPartition> {
        self.follow_assignment();
        let number = self.next_work(Instant::now())?;
        Some(TopicPartition { topic: Arc::clone(&self.held), number })
    }

    fn send_due(
        &mut self,
        place: &TopicPartition,
        position: i64,
        outputs: &Outputs<'_>,
    ) -> Result<(), SendError> {
        self.work(place.number, position, outputs)
    }

    fn is_incomplete(&self) -> bool {
        self.pages.values().any(Page::is_dirty)
    }

    fn complete(&mut self, outputs: &Outputs<'_>) -> Result<(), SendError> {
        for page in self.pages.values_mut() {
            for (device, knock) in page.changes() {
                let value = knock.map(prost::Message::encode_to_vec);
                outputs.send(Record {
                    topic: &self.source.knocks,
                    key: Some(device.as_str().as_bytes()),
                    payload: value.as_deref(),
                    timestamp_ms: None,
                    headers: &[(TYPE_HEADER, b"fleetwire.v1.Knock")],
                })?;
            }
        }
        Ok(())
    }
}

impl Keeping {
    /// Drops the pages of partitions that are no longer ours, and reads those that are new.
    fn follow_assignment(&mut self) {
        let generation = self.monitor.generation();
        if self.seen == Some(generation) {
            return;
        }
        let assigned = self.monitor.assigned(&self.held);
        let ours = |partition, page: &Page| assigned.contains(&Assigned { partition, since: page.since });
        self.pages.retain(|partition, page| ours(*partition, page));
        let missing: Vec<Assigned> =
            assigned.iter().filter(|found| !self.pages.contains_key(&found.partition)).copied().collect();
        if !missing.is_empty() {
            match self.source.read(&missing, self.limit, &self.metrics) {
                Ok(Some(pages)) => {
                    self.pages.extend(pages);
                    self.turns.look_back();
                }
                Ok(None) => return,
                Err(err) => {
                    self.broken.tell(format!("knocks cannot be read: {err:#}"));
                    self.source.stop.cancel();
                    return;
                }
            }
        }
        self.seen = Some(generation);
    }
}

/// Whether a publish was held until its device was activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    Not,
    Released,
}

/// Sends a held publish to the raw topic, as the frontend would have; with a mark, if it has waited for a person.
fn send(
    message: &Message<'_>,
    (raw, waited): (&str, Waited),
    device: Device,
    (buffer, outputs): (&mut Vec<u8>, &Outputs<'_>),
) -> Result<(), SendError> {
    with_model(message.payload().unwrap_or_default(), device.model.id, buffer);
    let mut headers: Vec<(&str, &[u8])> = vec![(TYPE_HEADER, b"fleetwire.v1.RawPublish")];
    if waited == Waited::Released {
        headers.push((RELEASED_HEADER, b""));
    }
    // Held publishes are few, so that one look at their headers costs nothing.
    if let Some(traceparent) = message.header(TRACEPARENT) {
        headers.push((TRACEPARENT, traceparent));
    }
    outputs.send(Record {
        topic: raw,
        key: message.key(),
        payload: Some(buffer),
        timestamp_ms: message.timestamp_ms(),
        headers: &headers,
    })
}

fn device(key: Option<&[u8]>) -> Option<DeviceId> {
    std::str::from_utf8(key?).ok()?.parse().ok()
}
