//! Kafka topics: their names, and what each must be for the invariants to hold.

use std::fmt;
use std::time::Duration;

/// A Kafka topic of fleetwire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// What activated devices published ([`RawPublish`](crate::pb::RawPublish)).
    Raw,
    /// What devices without an activation published (`RawPublish`).
    Held,
    /// Decoded positions ([`PositionEvent`](crate::pb::PositionEvent)).
    Positions,
    /// Events by the device's own codes ([`DeviceEvent`](crate::pb::DeviceEvent)).
    DeviceEvents,
    /// What could not be decoded ([`DeadLetter`](crate::pb::DeadLetter)).
    DeadLetters,
    /// The device registry ([`Device`](crate::pb::Device)).
    Devices,
    /// Missing stretches of devices, each change of one ([`Gap`](crate::pb::Gap)).
    Gaps,
    /// What the gap ledger remembers ([`DeviceLedger`](crate::pb::DeviceLedger)).
    GapState,
    /// Who changed what ([`AuditEvent`](crate::pb::AuditEvent)).
    Audit,
    /// Devices that nobody activated ([`Knock`](crate::pb::Knock)).
    Knocks,
    /// Where devices are connected ([`Session`](crate::pb::Session), [`FrontendAlive`](crate::pb::FrontendAlive)).
    Sessions,
    /// What devices last reported ([`DeviceState`](crate::pb::DeviceState)).
    DeviceState,
    /// What devices are told to do ([`Command`](crate::pb::Command)).
    Commands,
    /// The same as JSON, for those without protobuf.
    CommandsJson,
    /// What became of commands ([`CommandStatus`](crate::pb::CommandStatus)).
    CommandStatus,
    /// What gateways remember ([`DeviceCommands`](crate::pb::DeviceCommands),
    /// [`PartitionOwner`](crate::pb::PartitionOwner)).
    CommandState,
    /// Steps of devices that are followed ([`TraceStep`](crate::pb::TraceStep)).
    Trace,
}

/// Kafka header of every record that fleetwire produces: the full name of the value's protobuf message, so that
/// tools can tell records apart without decoding them.
pub const TYPE_HEADER: &str = "fleetwire-type";

/// Kafka header of raw records that were held until a person activated their device: their time of reception says
/// nothing of how long the pipeline takes.
pub const RELEASED_HEADER: &str = "fleetwire-released";

/// How a topic ages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// Records go after this time.
    Delete(Duration),
    /// The newest record of each key stays.
    Compact,
}

/// What a topic must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicSpec {
    /// Number of partitions unless configured otherwise.
    pub partitions: u16,
    /// How it ages.
    pub cleanup: Cleanup,
    /// Cap of a partition's size, bytes, where there is one.
    pub max_partition_bytes: Option<u64>,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 17] = [
        Self::Raw,
        Self::Held,
        Self::Positions,
        Self::DeviceEvents,
        Self::DeadLetters,
        Self::Devices,
        Self::Gaps,
        Self::GapState,
        Self::Audit,
        Self::Knocks,
        Self::Sessions,
        Self::DeviceState,
        Self::Commands,
        Self::CommandsJson,
        Self::CommandStatus,
        Self::CommandState,
        Self::Trace,
    ];

    /// The name without the prefix, for example "raw.v1".
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Raw => "raw.v1",
            Self::Held => "held.v1",
            Self::Positions => "positions.v1",
            Self::DeviceEvents => "device-events.v1",
            Self::DeadLetters => "dead-letters.v1",
            Self::Devices => "devices.v1",
            Self::Gaps => "gaps.v1",
            Self::GapState => "gap-state.v1",
            Self::Audit => "audit.v1",
            Self::Knocks => "knocks.v1",
            Self::Sessions => "sessions.v1",
            Self::DeviceState => "device-state.v1",
            Self::Commands => "commands.v1",
            Self::CommandsJson => "commands.json.v1",
            Self::CommandStatus => "command-status.v1",
            Self::CommandState => "command-state.v1",
            Self::Trace => "trace.v1",
        }
    }

    /// Defaults of DESIGN section 8.
    pub const fn spec(self) -> TopicSpec {
        const DAY: Duration = Duration::from_hours(24);
        let (partitions, cleanup, max_partition_bytes) = match self {
            Self::Raw | Self::Positions | Self::DeviceEvents | Self::Commands | Self::CommandsJson => {
                (24, Cleanup::Delete(DAY.saturating_mul(7)), None)
            }
            Self::Held => (24, Cleanup::Delete(DAY.saturating_mul(7)), Some(256 * 1024 * 1024)),
            Self::DeadLetters => (6, Cleanup::Delete(DAY.saturating_mul(30)), None),
            Self::Gaps | Self::CommandStatus => (24, Cleanup::Delete(DAY.saturating_mul(30)), None),
            // As many partitions as the positions: one worker has both halves of a device.
            Self::Devices
            | Self::GapState
            | Self::Knocks
            | Self::Sessions
            | Self::DeviceState
            | Self::CommandState => (24, Cleanup::Compact, None),
            Self::Audit => (6, Cleanup::Delete(DAY.saturating_mul(365)), None),
            // Watched live, and of no use later.
            Self::Trace => (6, Cleanup::Delete(Duration::from_hours(1)), Some(64 * 1024 * 1024)),
        };
        TopicSpec { partitions, cleanup, max_partition_bytes }
    }
}

/// The topics of one deployment: a common prefix makes the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    prefix: String,
}

/// Why a text is no topic prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a topic prefix has 1 to 100 letters, digits, `.`, `_` or `-`")]
pub struct PrefixError;

impl Topics {
    /// The prefix unless configured otherwise.
    pub const DEFAULT_PREFIX: &str = "fleetwire";

    /// Topics named `<prefix>.<suffix>`.
    pub fn new(prefix: &str) -> Result<Self, PrefixError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if prefix.is_empty() || prefix.len() > 100 || !prefix.chars().all(allowed) {
            return Err(PrefixError);
        }
        Ok(Self { prefix: prefix.to_owned() })
    }

    /// The common prefix.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The full name of a topic.
    pub fn name(&self, topic: Topic) -> String {
        format!("{}.{}", self.prefix, topic.suffix())
    }
}

impl Default for Topics {
    fn default() -> Self {
        Self { prefix: Self::DEFAULT_PREFIX.to_owned() }
    }
}

impl fmt::Display for Topics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.*", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_prefix_and_suffix() {
        assert_eq!(Topics::default().name(Topic::Raw), "fleetwire.raw.v1");
        assert_eq!(Topics::new("eu.prod").unwrap().name(Topic::Devices), "eu.prod.devices.v1");
        assert_eq!(Topics::new("a b"), Err(PrefixError));
    }
}
