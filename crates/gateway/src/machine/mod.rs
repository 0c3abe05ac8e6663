//! The commands of one device as a state machine: events in, statuses and attempts out. No I/O and no clock.
//!
//! ```text
//!                                 ┌────────────────────────────── attempt ─────────────────────────────┐
//!  (new) ──► ACCEPTED ──► QUEUED ─┴► PUBLISHED ──► ACKNOWLEDGED ──► CONFIRMED                             │
//!    │          │           │           │               ├─────────► CONTRADICTED                       │
//!    │          │           │           │               └─────────► ACKNOWLEDGED, the last word           │
//!    │          │           │           ├──► FAILED (never acknowledged: done or not, nobody knows)       │
//!    │          │           │           └──► SUPERSEDED                                                   │
//!    │          └───────────┴──► EXPIRED, SUPERSEDED, CANCELLED, REJECTED (a guard, the device) ◄──────────┘
//!    └──► REJECTED, EXPIRED
//! ```
//!
//! QUEUED is left out if the device is there at once. FAILED can follow ACCEPTED or QUEUED too, if a frontend died with
//! an attempt. What each state means is in `command.proto`.
//!
//! Commands of a device go one at a time and in order, because a device takes a number that differs from the one before
//! for a new command: a late repeat of an older one would be carried out twice. An attempt whose outcome is not known
//! is made again with the same number before anything else is sent, unless a newer command for the same output makes it
//! pointless.

mod pending;
mod step;
mod submit;
#[cfg(test)]
mod tests;
mod types;

use std::collections::VecDeque;

use fleetwire_codec::iotm::output::UniqueId;
use fleetwire_model::time::{from_unix_ms, to_unix_ms};
use fleetwire_model::{DeviceId, pb};

use pending::Pending;
pub use types::{
    Attempt, Context, Delivered, Effects, Event, Guards, Motion, Outcome, Rules, SessionRef, Step, Target,
    Telemetry,
};

/// Ids of ended commands that are remembered for each device, so that a repeat is seen.
const RECENT: usize = 64;

/// What the gateway knows of one device's commands.
#[derive(Debug, Clone)]
pub struct DeviceCommands {
    device: DeviceId,
    last_unique_id: Option<UniqueId>,
    pending: Vec<Pending>,
    recent: VecDeque<String>,
    /// When commands were accepted, Unix milliseconds; as many as the guard of a rate looks at.
    accepted: VecDeque<i64>,
}

impl DeviceCommands {
    /// A device without commands.
    pub fn new(device: DeviceId) -> Self {
        Self {
            device,
            last_unique_id: None,
            pending: Vec::new(),
            recent: VecDeque::new(),
            accepted: VecDeque::new(),
        }
    }

    /// What a gateway before this one knew.
    pub fn restore(device: DeviceId, record: pb::DeviceCommands) -> Self {
        Self {
            device,
            last_unique_id: record.last_unique_id.and_then(unique_id),
            pending: record.pending.into_iter().filter_map(Pending::restore).collect(),
            recent: record.recent_ids.into(),
            accepted: record.accepted_times.iter().map(to_unix_ms).collect(),
        }
    }

    /// What the next gateway must know.
    pub fn record(&self) -> pb::DeviceCommands {
        pb::DeviceCommands {
            device_id: self.device.as_str().to_owned(),
            last_unique_id: self.last_unique_id.map(|id| id.get().into()),
            pending: self.pending.iter().map(Pending::record).collect(),
            recent_ids: self.recent.iter().cloned().collect(),
            accepted_times: self.accepted.iter().map(|ms| from_unix_ms(*ms)).collect(),
        }
    }

    /// Takes an event in.
    pub fn apply(&mut self, event: Event<'_>, context: &Context<'_>) -> Effects {
        let mut effects = Effects::default();
        match event {
            Event::Command(command) => self.submit(command, context, &mut effects),
            Event::Session => self.pending.iter_mut().for_each(Pending::try_soon),
            Event::Outcome(outcome) => self.ended(&outcome, context, &mut effects),
            Event::Telemetry(telemetry) => self.reported(telemetry, context, &mut effects),
            Event::Tick => {}
        }
        self.pass_time(context, &mut effects);
        self.supersede(context, &mut effects);
        self.advance(context, &mut effects);
        self.queue(context, &mut effects);
        self.forget(&mut effects);
        effects
    }

    /// When [`Event::Tick`] is due at the latest, Unix milliseconds; absent if nothing waits for time to pass.
    pub fn next_wake_ms(&self) -> Option<i64> {
        self.pending.iter().filter_map(Pending::next_wake_ms).min()
    }

    /// Whether every command has ended.
    pub fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether a report of outputs could end a command.
    pub fn awaits_telemetry(&self) -> bool {
        self.pending.iter().any(|pending| pending.published_ms.is_some() || pending.attempt_ms.is_some())
    }

    /// When the oldest command was published that telemetry may still confirm, Unix milliseconds.
    pub fn oldest_published_ms(&self) -> Option<i64> {
        self.pending.iter().filter_map(|pending| pending.published_ms.or(pending.attempt_ms)).min()
    }

    /// Since when the oldest command has been under way, Unix milliseconds.
    pub fn oldest_ms(&self) -> Option<i64> {
        self.pending.iter().filter_map(Pending::since_ms).min()
    }

    /// Takes ended commands out.
    fn forget(&mut self, effects: &mut Effects) {
        let before = self.pending.len();
        let recent = &mut self.recent;
        self.pending.retain(|pending| {
            if pending.has_ended {
                recent.push_back(pending.command.command_id.clone());
            }
            !pending.has_ended
        });
        let surplus = recent.len().saturating_sub(RECENT);
        recent.drain(..surplus);
        effects.changed |= before != self.pending.len() || !effects.statuses.is_empty();
    }
}

fn unique_id(number: u32) -> Option<UniqueId> {
    u8::try_from(number).ok().and_then(|number| UniqueId::new(number).ok())
}
