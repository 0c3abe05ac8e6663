//! Where devices are connected: each change of a device's session goes into the sessions topic, and every few seconds
//! word that this frontend is alive.
//!
//! Nothing here holds a session up. A change marks the device in a table; a task writes what is marked, the newest
//! state of each device, until Kafka has it. Sessions of relays and of subscribers are not written: they are no device's.

mod alive;
mod elsewhere;
mod metrics;
mod table;
mod told;
mod writer;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleetwire_model::DeviceId;
use fleetwire_mqtt::packet::QoS;
use fleetwire_mqtt::{Event, Observer, SessionFacts};
use fleetwire_service::clock;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tokio::sync::Notify;

use crate::identity::Identity;
use crate::metrics::DoorMetrics;
use crate::steps::Steps;
pub(crate) use metrics::METRICS;
use metrics::PresenceMetrics;
use table::{Change, Seen, Table};

pub(crate) use told::Told;
pub(crate) use writer::Names;

/// Makes every handle, for the test that compares them with the list.
#[cfg(test)]
pub(crate) fn make_metrics() {
    drop(PresenceMetrics::new());
}

/// Settings of what a frontend tells of its sessions; `[frontend.presence]` in the sample.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PresenceSettings {
    /// How often a frontend says that it is alive. After four times as long without a word its sessions count as over.
    #[serde(deserialize_with = "alive_interval")]
    pub alive_interval: Duration,
}

impl Default for PresenceSettings {
    fn default() -> Self {
        Self { alive_interval: Duration::from_secs(5) }
    }
}

fn alive_interval<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let interval: Duration = humantime_serde::deserialize(from)?;
    if (Duration::from_millis(100)..=Duration::from_mins(5)).contains(&interval) {
        return Ok(interval);
    }
    Err(D::Error::custom("frontend.presence.alive_interval must be 100ms to 5m"))
}

/// The sessions of devices on this frontend, and what of them is not yet in Kafka.
#[derive(Debug)]
pub(crate) struct Presence {
    table: Mutex<Table>,
    changed: Notify,
    /// Whether a word of being alive is on its way: another one would only queue up behind it.
    alive_sent: AtomicBool,
    metrics: PresenceMetrics,
}

impl Presence {
    /// No sessions yet; at most `max_ended` that are over wait for Kafka.
    pub(crate) fn new(max_ended: usize) -> Self {
        Self {
            table: Mutex::new(Table::new(max_ended)),
            changed: Notify::new(),
            alive_sent: AtomicBool::new(false),
            metrics: PresenceMetrics::new(),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing in it can be left half done, so a panic elsewhere does not matter.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Table)) {
        change(&mut self.table());
        self.changed.notify_one();
    }

    /// Another frontend wrote of a device's session; none for a record that was removed.
    fn seen(&self, device: &DeviceId, epoch: Option<u64>) -> Seen {
        let seen = self.table().seen(device, epoch);
        if seen == Seen::Repaired {
            self.changed.notify_one();
        }
        seen
    }

    fn next(&self) -> Option<(DeviceId, Change)> {
        self.table().next()
    }

    fn note(&self, event: &Event<'_>) {
        match event {
            Event::Connected(facts) => self.connected(facts),
            // Without an acknowledgement no command is sent.
            Event::Subscribed(_, _, QoS::AtMostOnce) | Event::StillSubscribed(_, _, QoS::AtMostOnce) => {}
            Event::Subscribed(facts, ..) | Event::StillSubscribed(facts, ..) => self.subscribed(facts, true),
            Event::Unsubscribed(facts, _, left) => self.subscribed(facts, *left > 0),
            Event::Disconnected(facts, end) => self.with(facts, |table, device| {
                if !table.end(device, facts, end.code(), clock::unix_ms()) {
                    self.metrics.dropped.increment(1);
                }
            }),
            _ => {}
        }
    }

    /// From its epoch on the session takes commands.
    fn connected(&self, facts: &SessionFacts) {
        if let Some(Identity::Device { device, desk, .. }) = facts.identity() {
            self.change(|table| {
                if let Some(epoch) = table.connect(device, facts) {
                    desk.open(epoch);
                }
            });
        }
    }

    /// A device's account lets it subscribe to nothing but the topics on which it is sent commands.
    fn subscribed(&self, facts: &SessionFacts, accepts_commands: bool) {
        self.with(facts, |table, device| table.subscribed(device, facts, accepts_commands));
    }

    fn with(&self, facts: &SessionFacts, change: impl FnOnce(&mut Table, &DeviceId)) {
        if let Some(Identity::Device { device, .. }) = facts.identity::<Identity>() {
            self.change(|table| change(table, device));
        }
    }
}

/// All that follow what happens at the front door.
#[derive(Debug)]
pub(crate) struct Watchers {
    pub(crate) metrics: DoorMetrics,
    pub(crate) presence: Arc<Presence>,
    pub(crate) steps: Steps,
}

impl Observer for Watchers {
    fn on(&self, event: Event<'_>) {
        self.presence.note(&event);
        self.steps.note(&event);
        self.metrics.on(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_out_of_range_is_told() {
        let none: Result<PresenceSettings, _> = toml::from_str("alive_interval = \"1ms\"");
        assert!(none.unwrap_err().to_string().contains("must be 100ms to 5m"));
        let some: PresenceSettings = toml::from_str("alive_interval = \"1s\"").unwrap();
        assert_eq!(some.alive_interval, Duration::from_secs(1));
    }
}
