//! Commands and their statuses as the API shows them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleetwire_model::pb::{self, OutputAction, command::Action};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entry::{Order, Snapshot};
use crate::time::rfc3339;

/// A command, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Command {
    /// Its id.
    #[schema(example = "01JDH3ZK6W4T4Q6ZV0Q8X9Y7AB")]
    id: String,
    /// Device that it is for.
    #[schema(example = "867035046242895")]
    device_id: String,
    /// Its newest status.
    #[serde(flatten)]
    status: CommandStatus,
    /// What was asked for; absent if that is longer ago than this API remembers.
    #[serde(rename = "command", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    asked: Option<Asked>,
}

/// A command with all of its statuses.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CommandWithStatuses {
    /// The command.
    #[serde(flatten)]
    command: Command,
    /// In order. Of very many, the first and the newest: `sequence` shows what is left out.
    statuses: Vec<CommandStatus>,
}

/// A step of a command's life.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct CommandStatus {
    /// The state.
    pub(crate) state: CommandState,
    /// Whether nothing more comes.
    pub(crate) terminal: bool,
    /// When it was so, RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    time: Option<String>,
    /// Fixed word for programs; may be empty.
    #[schema(example = "not_connected")]
    code: String,
    /// A sentence for people; may be empty.
    reason: String,
    /// Grows with each status of the command, from 1; 0 while it is only sent.
    #[schema(minimum = 0, example = 1)]
    pub(crate) sequence: u32,
    /// Attempts to deliver it so far.
    #[schema(minimum = 0, example = 0)]
    attempts: u32,
    /// Frontend that it was handed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "frontend-0")]
    frontend: Option<String>,
    /// Number by which an IOTM device tells commands apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, example = 7)]
    unique_id: Option<u32>,
    /// The raw record whose telemetry confirmed or contradicted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    evidence: Option<Evidence>,
}

/// Where a raw record lies in Kafka.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Evidence {
    /// Topic.
    #[schema(example = "fleetwire.raw.v1")]
    topic: String,
    /// Partition.
    partition: i32,
    /// Offset.
    offset: i64,
    /// Which record of the payload, from 0.
    #[schema(minimum = 0)]
    record_index: u32,
}

/// State of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CommandState {
    /// Kafka has it, and no gateway has said anything yet.
    Sent,
    /// It is valid, and goes its way.
    Accepted,
    /// It waits: the device is away, or others come first.
    Queued,
    /// It is handed to the device's session.
    Published,
    /// The device's PUBACK came.
    Acknowledged,
    /// Telemetry shows the asked state.
    Confirmed,
    /// Telemetry shows the other state.
    Contradicted,
    /// It cannot or may not be carried out.
    Rejected,
    /// Its time was over before it was published.
    Expired,
    /// It was published and never acknowledged.
    Failed,
    /// A newer command for the same output took its place.
    Superseded,
    /// It was taken back.
    Cancelled,
}

/// What was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Asked {
    /// When it was asked for, RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    issued_time: Option<String>,
    /// The device must not act after this, RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    expire_time: Option<String>,
    /// Who asked for it.
    #[schema(example = "token:ops")]
    requested_by: String,
    /// An output is switched.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    output: Option<OutputShown>,
    /// Bytes are published to the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    raw: Option<RawShown>,
    /// A command is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cancel: Option<Other>,
    /// A command is approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    approve: Option<Other>,
}

/// An output that is switched.
#[derive(Debug, Serialize, ToSchema)]
struct OutputShown {
    /// Number of the output.
    #[schema(minimum = 0, example = 1)]
    output: u32,
    /// What it is to do: "on", "off" or "pulse".
    #[schema(example = "on")]
    action: &'static str,
    /// How long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "2s")]
    duration: Option<String>,
}

/// Bytes for a device.
#[derive(Debug, Serialize, ToSchema)]
struct RawShown {
    /// Topic.
    #[schema(example = "867035046242895/OUTC")]
    topic: String,
    /// How many bytes.
    #[schema(minimum = 0)]
    payload_bytes: usize,
    /// The bytes, base64, if they are few.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    payload: Option<String>,
}

/// Another command.
#[derive(Debug, Serialize, ToSchema)]
struct Other {
    /// Its id.
    #[schema(example = "01JDH3ZK6W4T4Q6ZV0Q8X9Y7AB")]
    command_id: String,
}

impl CommandState {
    /// Of the contract.
    pub(crate) const fn of(state: pb::CommandState) -> Self {
        match state {
            pb::CommandState::Unspecified => Self::Sent,
            pb::CommandState::Accepted => Self::Accepted,
            pb::CommandState::Queued => Self::Queued,
            pb::CommandState::Published => Self::Published,
            pb::CommandState::Acknowledged => Self::Acknowledged,
            pb::CommandState::Confirmed => Self::Confirmed,
            pb::CommandState::Contradicted => Self::Contradicted,
            pb::CommandState::Rejected => Self::Rejected,
            pb::CommandState::Expired => Self::Expired,
            pb::CommandState::Failed => Self::Failed,
            pb::CommandState::Superseded => Self::Superseded,
            pb::CommandState::Cancelled => Self::Cancelled,
        }
    }
}

impl std::str::FromStr for CommandState {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
        Self::deserialize(word).map_err(|_| {
            "it is sent, accepted, queued, published, acknowledged, confirmed, contradicted, rejected, expired, \
             failed, superseded or cancelled"
        })
    }
}

impl CommandStatus {
    pub(crate) fn new(status: pb::CommandStatus) -> Self {
        let evidence = |raw: pb::RawRef| Evidence {
            topic: raw.topic,
            partition: raw.partition,
            offset: raw.offset,
            record_index: raw.record_index,
        };
        Self {
            state: CommandState::of(status.state()),
            terminal: status.terminal,
            time: rfc3339(status.time.as_ref()),
            code: status.code,
            reason: status.reason,
            sequence: status.sequence,
            attempts: status.attempts,
            frontend: Some(status.frontend_id).filter(|id| !id.is_empty()),
            unique_id: status.unique_id,
            evidence: status.evidence.map(evidence),
        }
    }
}

impl Command {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let (id, device_id) = (*snapshot.key).clone();
        let status = CommandStatus::new(snapshot.last());
        Self { id, device_id, status, asked: snapshot.order.as_deref().map(Asked::new) }
    }
}

impl CommandWithStatuses {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let statuses = snapshot.statuses.iter().cloned().map(CommandStatus::new).collect();
        Self { command: Command::new(snapshot), statuses }
    }
}

impl Asked {
    fn new(order: &Order) -> Self {
        let command = &order.command;
        let mut asked = Self {
            issued_time: rfc3339(command.issued_time.as_ref()),
            expire_time: rfc3339(command.expire_time.as_ref()),
            requested_by: command.requested_by.clone(),
            output: None,
            raw: None,
            cancel: None,
            approve: None,
        };
        let other = |id: &String| Some(Other { command_id: id.clone() });
        match &command.action {
            Some(Action::OutputControl(control)) => asked.output = Some(output(control)),
            Some(Action::RawDownlink(raw)) => {
                asked.raw = Some(RawShown {
                    topic: raw.topic.clone(),
                    payload_bytes: order.payload_bytes,
                    payload: order.has_payload().then(|| STANDARD.encode(&raw.payload)),
                });
            }
            Some(Action::Cancel(cancel)) => asked.cancel = other(&cancel.command_id),
            Some(Action::Approve(approve)) => asked.approve = other(&approve.command_id),
            None => {}
        }
        asked
    }
}

fn output(control: &pb::OutputControl) -> OutputShown {
    let action = match control.action() {
        OutputAction::On => "on",
        OutputAction::Off => "off",
        OutputAction::Pulse => "pulse",
        OutputAction::Unspecified => "unspecified",
    };
    let duration = control.duration.and_then(|duration| std::time::Duration::try_from(duration).ok());
    let text = duration.map(|duration| humantime::format_duration(duration).to_string());
    OutputShown { output: control.output, action, duration: text }
}
