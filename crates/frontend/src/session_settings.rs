//! Settings of sessions: how long they last, and how much one may do.

use std::time::Duration;

use fleetwire_mqtt::{self as mqtt, Limits};
use serde::Deserialize;

/// Settings of sessions; `[frontend.sessions]` in the sample.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSettings {
    /// How long a session may outlive its connection, where the client asks for it; zero for not at all.
    #[serde(with = "humantime_serde")]
    pub max_expiry: Duration,
    /// Sessions that may be kept for clients that are away; one more ends with its connection.
    pub max_away: usize,
    /// How long a client without keep-alive may be silent.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// Keep-alive, in seconds, that MQTT 5 devices are told to use instead of their own; 0 leaves them theirs.
    pub server_keep_alive: u16,
    /// How long a client may take to read what it was sent.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// Publishes a second of one session, in the long run; a faster one waits. 0 for any number.
    pub max_publish_rate: u32,
    /// Subscriptions of one session.
    pub max_subscriptions: usize,
    /// Longest topic name or filter, bytes.
    pub max_topic_bytes: usize,
    /// Most levels of a topic name or filter.
    pub max_topic_levels: usize,
    /// What MQTT 5 clients are told to use instead when this frontend stops, as HOST:PORT; empty for no hint.
    pub server_reference: String,
}

impl Default for SessionSettings {
    fn default() -> Self {
        let (mqtt, limits) = (mqtt::Settings::default(), Limits::default());
        Self {
            max_expiry: limits.max_session_expiry,
            max_away: mqtt.max_away_sessions,
            idle_timeout: limits.idle_timeout,
            server_keep_alive: 0,
            write_timeout: mqtt.write_timeout,
            max_publish_rate: 0,
            max_subscriptions: limits.max_subscriptions,
            max_topic_bytes: limits.max_topic_length,
            max_topic_levels: limits.max_topic_levels,
            server_reference: String::new(),
        }
    }
}

impl SessionSettings {
    /// The rate of a session's grant.
    pub(crate) fn publish_rate(&self) -> Option<u32> {
        Some(self.max_publish_rate).filter(|rate| *rate > 0)
    }

    /// The keep-alive of a session's grant.
    pub(crate) fn server_keep_alive(&self) -> Option<u16> {
        Some(self.server_keep_alive).filter(|seconds| *seconds > 0)
    }

    /// Puts these over the session layer's own defaults.
    pub(crate) fn apply(&self, settings: &mut mqtt::Settings) {
        settings.max_away_sessions = self.max_away;
        settings.write_timeout = self.write_timeout;
        settings.server_reference =
            Some(self.server_reference.clone()).filter(|text| !text.is_empty()).map(Into::into);
        settings.limits = Limits {
            max_session_expiry: self.max_expiry,
            idle_timeout: self.idle_timeout,
            max_subscriptions: self.max_subscriptions,
            max_topic_length: self.max_topic_bytes,
            max_topic_levels: self.max_topic_levels,
            ..settings.limits
        };
    }
}
