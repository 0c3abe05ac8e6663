//! What is remembered of one command.

use std::sync::Arc;

use fleetwire_model::pb::{self, CommandState, command::Action};
use fleetwire_model::time::{from_unix_ms, to_unix_ms};
use tokio::sync::watch;

/// Command id and device id: two devices may have commands of one id.
pub(crate) type Key = Arc<(String, String)>;

/// Statuses of one command that are kept: the first, and the newest.
const MAX_STATUSES: usize = 32;
/// Longest id, bytes.
const MAX_ID: usize = 64;
/// Longest text of a status or a command that is kept, bytes.
const MAX_TEXT: usize = 512;
/// Bytes of a raw payload that are kept.
const MAX_PAYLOAD: usize = 256;

/// A command, cut to what may be kept of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Order {
    /// The command; its payload may be cut.
    pub(crate) command: pb::Command,
    /// How long its payload is, bytes.
    pub(crate) payload_bytes: usize,
}

/// A command and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) key: Key,
    /// When its first status was written, or when it was sent, Unix milliseconds.
    pub(crate) time_ms: i64,
    /// Absent if it was sent before what was read of the topic.
    pub(crate) order: Option<Arc<Order>>,
    /// In order; empty while it is only sent. Without the command.
    pub(crate) statuses: Vec<pb::CommandStatus>,
}

/// The same, as it is kept.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) time_ms: i64,
    pub(super) order: Option<Arc<Order>>,
    pub(super) statuses: Vec<pb::CommandStatus>,
    /// Tells those who watch it.
    changed: Option<watch::Sender<()>>,
}

impl Order {
    pub(super) fn new(mut command: pb::Command) -> Self {
        cut(&mut command.requested_by);
        let mut payload_bytes = 0;
        if let Some(Action::RawDownlink(raw)) = &mut command.action {
            cut(&mut raw.topic);
            payload_bytes = raw.payload.len();
            // A slice would keep the record that it is of.
            raw.payload = raw.payload.iter().take(MAX_PAYLOAD).copied().collect::<Vec<u8>>().into();
        }
        if let Some(
            Action::Cancel(pb::CancelCommand { command_id })
            | Action::Approve(pb::ApproveCommand { command_id }),
        ) = &mut command.action
        {
            cut(command_id);
        }
        Self { command, payload_bytes }
    }

    /// Whether the payload is whole.
    pub(crate) fn has_payload(&self) -> bool {
        self.payload_bytes <= MAX_PAYLOAD
    }

    /// Whether another command asks for the same, whenever it does and whoever asks.
    pub(crate) fn asks_the_same(&self, other: &pb::Command) -> bool {
        let other = Self::new(other.clone());
        self.payload_bytes == other.payload_bytes && self.command.action == other.command.action
    }
}

impl Snapshot {
    /// Of a command that was sent and is not remembered.
    pub(crate) fn only_sent(command: &pb::Command, time_ms: i64) -> Self {
        let key = Arc::new((command.command_id.clone(), command.device_id.clone()));
        Self { key, time_ms, order: Some(Arc::new(Order::new(command.clone()))), statuses: Vec::new() }
    }

    /// The last status; one of state "unspecified" and sequence 0 while it is only sent.
    pub(crate) fn last(&self) -> pb::CommandStatus {
        self.statuses.last().cloned().unwrap_or_else(|| self.sent())
    }

    /// What stands for a status while there is none.
    pub(crate) fn sent(&self) -> pb::CommandStatus {
        let (command_id, device_id) = (*self.key).clone();
        let time = Some(from_unix_ms(self.time_ms));
        pb::CommandStatus { command_id, device_id, time, ..pb::CommandStatus::default() }
    }

    /// Whether nothing more comes.
    pub(crate) fn is_terminal(&self) -> bool {
        self.statuses.last().is_some_and(|status| status.terminal)
    }
}

impl Entry {
    /// The state; `Unspecified` while it is only sent.
    pub(super) fn state(&self) -> CommandState {
        self.statuses.last().map_or(CommandState::Unspecified, pb::CommandStatus::state)
    }

    pub(super) const fn new(time_ms: i64, order: Option<Arc<Order>>) -> Self {
        Self { time_ms, order, statuses: Vec::new(), changed: None }
    }

    pub(super) fn snapshot(&self, key: &Key) -> Snapshot {
        Snapshot {
            key: Arc::clone(key),
            time_ms: self.time_ms,
            order: self.order.clone(),
            statuses: self.statuses.clone(),
        }
    }

    /// Takes the next status; false if it is none of those that come next.
    pub(super) fn take(&mut self, mut status: pb::CommandStatus) -> bool {
        if self.statuses.last().is_some_and(|last| last.sequence >= status.sequence) {
            return false;
        }
        if let Some(command) = status.command.take()
            && self.order.is_none()
        {
            self.order = Some(Arc::new(Order::new(command)));
        }
        for text in [&mut status.code, &mut status.reason, &mut status.frontend_id] {
            cut(text);
        }
        if let Some(evidence) = &mut status.evidence {
            cut(&mut evidence.topic);
        }
        if self.statuses.len() >= MAX_STATUSES {
            self.statuses.remove(1);
        }
        self.statuses.push(status);
        self.tell();
        true
    }

    /// Tells those who watch it that it has changed.
    fn tell(&mut self) {
        if self.changed.as_ref().is_some_and(|changed| changed.send(()).is_err()) {
            self.changed = None;
        }
    }

    /// Told at each change from now on, and closed when it is let go.
    pub(super) fn watch(&mut self) -> watch::Receiver<()> {
        self.changed.get_or_insert_with(|| watch::Sender::new(())).subscribe()
    }
}

/// The key of a status, if its ids are ones that can be kept.
pub(super) fn key(command_id: &str, device_id: &str) -> Option<Key> {
    let is_id = |text: &str| (1..=MAX_ID).contains(&text.len()) && !text.chars().any(char::is_control);
    (is_id(command_id) && is_id(device_id)).then(|| Arc::new((command_id.to_owned(), device_id.to_owned())))
}

/// When a status was written, Unix milliseconds.
pub(super) fn time_ms(status: &pb::CommandStatus) -> i64 {
    status.time.as_ref().map_or(0, to_unix_ms)
}

fn cut(text: &mut String) {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
    }
    text.shrink_to_fit();
}
