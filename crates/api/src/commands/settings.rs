//! Settings of the commands, section `[api.commands]`.

use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Deserialize;

/// `[api.commands]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandSettings {
    /// Commands that are remembered with what became of them; beyond it the oldest are let go.
    pub max_commands: NonZeroUsize,
    /// How far back statuses are read at the start. Zero reads none.
    #[serde(with = "humantime_serde")]
    pub history: Duration,
    /// How long Kafka may take to acknowledge a command; it is answered 503 then.
    #[serde(with = "humantime_serde")]
    pub send_timeout: Duration,
    /// Streams of events at a time; further ones are answered 503.
    pub max_streams: NonZeroUsize,
    /// How long a stream of events may last. Its client may go on with another one.
    #[serde(with = "humantime_serde")]
    pub max_stream: Duration,
    /// How often a stream that has nothing to say shows that it is there.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
}

impl Default for CommandSettings {
    fn default() -> Self {
        const fn size(number: usize) -> NonZeroUsize {
            NonZeroUsize::MIN.saturating_add(number.saturating_sub(1))
        }
        Self {
            max_commands: size(50_000),
            history: Duration::from_hours(24),
            send_timeout: Duration::from_secs(10),
            max_streams: size(256),
            max_stream: Duration::from_hours(1),
            heartbeat: Duration::from_secs(15),
        }
    }
}
