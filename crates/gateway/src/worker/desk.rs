//! What a piece of work needs beside the devices: what is known of the world, and where what follows is written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fleetwire_kafka::{Outputs, Record, SendError};
use fleetwire_model::pb::{CommandStatus, PartitionOwner, TraceStep};
use fleetwire_model::time::from_unix_ms;
use fleetwire_model::{DeviceId, TYPE_HEADER, Topic, Topics};
use fleetwire_registry::Devices;
use fleetwire_trace::{Following, Span, TRACEPARENT, Tracer};
use prost::Message as _;

use crate::guards::GuardBook;
use crate::intake::MAX_COMMAND;
use crate::machine::{Rules, Step, Target};
use crate::metrics::word;
use crate::spans::Contexts;

/// Key of the record that says whose a partition is.
pub(crate) const OWNER: &[u8] = b"@owner";

/// What is known beside the partitions.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) names: Names,
    /// Name of this gateway.
    pub(crate) gateway: String,
    pub(crate) devices: Arc<Devices>,
    pub(crate) tracer: Tracer,
    pub(crate) contexts: Contexts,
    pub(crate) guards: Arc<GuardBook>,
    pub(crate) rules: Rules,
    pub(crate) raw_topics: BTreeMap<String, Vec<String>>,
}

/// Names of the topics of commands.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) commands: Arc<str>,
    pub(crate) status: String,
    pub(crate) state: String,
}

/// What one transaction did, counted when it is committed.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) taken: u64,
    pub(crate) misplaced: u64,
    pub(crate) letters: HashMap<&'static str, u64>,
    pub(crate) statuses: HashMap<(&'static str, String), u64>,
    /// Steps of commands, and how long each took, milliseconds.
    pub(crate) steps: Vec<(Step, i64)>,
    /// Of devices that are followed.
    pub(crate) told: Vec<(Following, TraceStep)>,
    /// Of commands whose traces are exported.
    pub(crate) spans: Vec<Span>,
}

/// A piece of work.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) world: &'a World,
    pub(super) tally: &'a mut Tally,
    pub(super) outputs: &'a Outputs<'a>,
    pub(super) now_ms: i64,
    /// Bytes of the command that is worked, if they are too many: what it asks for was left out, and the machine finds
    /// that it asks for nothing.
    pub(super) too_large: Option<usize>,
}

impl Names {
    pub(crate) fn new(topics: &Topics) -> Self {
        Self {
            commands: topics.name(Topic::Commands).into(),
            status: topics.name(Topic::CommandStatus),
            state: topics.name(Topic::CommandState),
        }
    }
}

impl World {
    /// What the registry says of a device.
    pub(crate) fn target(&self, device: &DeviceId) -> Option<Target> {
        let found = self.devices.get(device)?;
        let topics = self.raw_topics.get(found.model.id).map(Vec::as_slice).unwrap_or_default();
        Some(Target {
            model: found.model,
            is_active: found.is_active(),
            raw_topics: topics.iter().map(|topic| topic.replace("%c", device.as_str())).collect(),
        })
    }
}

impl Desk<'_> {
    /// Tells a step of a command.
    pub(super) fn status(&mut self, device: &DeviceId, mut status: CommandStatus) -> Result<(), SendError> {
        if let Some(size) = self.too_large.filter(|_| status.code == "no_action") {
            "too_large".clone_into(&mut status.code);
            status.reason = format!("a command has {MAX_COMMAND} bytes at most, this has {size}");
        }
        *self.tally.statuses.entry((word(&status), status.code.clone())).or_default() += 1;
        if let Some(following) = self.world.tracer.follows(device.as_str()) {
            self.tally.told.push((following, step(&status)));
        }
        let span = self.world.contexts.status(&self.world.tracer, device, &status);
        let traceparent = span.as_ref().map(|span| span.context().to_string());
        self.tally.spans.extend(span);
        let headers = [
            (TYPE_HEADER, b"fleetwire.v1.CommandStatus".as_slice()),
            (TRACEPARENT, traceparent.as_deref().unwrap_or_default().as_bytes()),
        ];
        let count = if traceparent.is_some() { 2 } else { 1 };
        self.outputs.send(Record {
            topic: &self.world.names.status,
            key: Some(device.as_str().as_bytes()),
            payload: Some(&status.encode_to_vec()),
            timestamp_ms: None,
            headers: headers.get(..count).unwrap_or_default(),
        })
    }

    /// Writes what is to be remembered of a device.
    pub(super) fn remember(&self, device: &DeviceId, record: &[u8]) -> Result<(), SendError> {
        self.outputs.send(Record {
            topic: &self.world.names.state,
            key: Some(device.as_str().as_bytes()),
            payload: Some(record),
            timestamp_ms: None,
            headers: &[(TYPE_HEADER, b"fleetwire.v1.DeviceCommands")],
        })
    }

    /// Writes that a partition is this gateway's.
    pub(super) fn owner(&self, partition: i32, term: u64) -> Result<(), SendError> {
        let owner = PartitionOwner {
            gateway_id: self.world.gateway.clone(),
            term,
            since: Some(from_unix_ms(self.now_ms)),
        };
        let record = Record {
            topic: &self.world.names.state,
            key: Some(OWNER),
            payload: Some(&owner.encode_to_vec()),
            timestamp_ms: None,
            headers: &[(TYPE_HEADER, b"fleetwire.v1.PartitionOwner")],
        };
        self.outputs.send_to(partition, record)
    }
}

/// A status as a step of a device that is followed.
fn step(status: &CommandStatus) -> TraceStep {
    let code = Some(&status.code).filter(|code| !code.is_empty());
    let detail = match (code, status.reason.is_empty()) {
        (Some(code), true) => code.clone(),
        (Some(code), false) => format!("{code}: {}", status.reason),
        (None, _) => status.reason.clone(),
    };
    TraceStep {
        time: status.time,
        subject: status.command_id.clone(),
        code: word(status).to_owned(),
        detail,
        count: (status.attempts > 0).then_some(status.attempts),
        ..TraceStep::default()
    }
}
