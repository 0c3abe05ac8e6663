//! What goes into the state machine, and what comes out of it.

use std::time::Duration;

use bytes::Bytes;
use fleetwire_model::pb;
use fleetwire_registry::Model;

/// A session in which a device is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRef {
    /// Orders the sessions of a device: the higher one is newer.
    pub epoch: u64,
    /// Frontend that holds it.
    pub frontend_id: String,
    /// Where that frontend is reached, host:port.
    pub address: String,
    /// Whether the device has subscribed to its command topic.
    pub accepts_commands: bool,
}

/// Where a device was, as far as a guard asks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Motion {
    /// Time of its newest fix by its own clock, Unix milliseconds UTC.
    pub fix_time_ms: i64,
    /// Speed with that fix, km/h.
    pub speed_kmh: Option<f64>,
}

/// Rules under which a command is refused; all off unless set.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Guards {
    /// No output is switched on above this speed, km/h, nor while the speed is not known.
    pub max_speed_kmh: Option<f64>,
    /// No output is switched on unless the newest fix is younger than this.
    pub fix_within: Option<Duration>,
    /// So many commands within so long.
    pub rate: Option<(u32, Duration)>,
    /// A second person has to approve.
    pub four_eyes: bool,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How long telemetry may take to confirm a command after the acknowledgement.
    pub confirm_within: Duration,
    /// Telemetry contradicts a command only from so long after the acknowledgement.
    pub contradict_after: Duration,
    /// The longest time from now to a command's expiry; later expiries are brought forward.
    pub max_ttl: Duration,
    /// Commands of one device that may wait.
    pub max_pending: usize,
    /// Pause after the first attempt that failed; each further one doubles it.
    pub retry_min: Duration,
    /// The longest pause between attempts.
    pub retry_max: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            confirm_within: Duration::from_mins(5),
            contradict_after: Duration::from_secs(5),
            max_ttl: Duration::from_hours(24),
            max_pending: 32,
            retry_min: Duration::from_millis(500),
            retry_max: Duration::from_secs(30),
        }
    }
}

/// What the registry says of a device.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its model.
    pub model: &'static Model,
    /// Whether it is activated.
    pub is_active: bool,
    /// Topics that raw downlink may be published to.
    pub raw_topics: Vec<String>,
}

/// What is so at the moment of an event.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Now, Unix milliseconds UTC.
    pub now_ms: i64,
    /// The device's session; absent while it is away.
    pub session: Option<&'a SessionRef>,
    /// What the registry says; absent if it does not know the device.
    pub device: Option<&'a Target>,
    /// Where it was; absent if that is not known.
    pub motion: Option<Motion>,
    /// Guards of the device.
    pub guards: &'a Guards,
    /// How long things may take.
    pub rules: &'a Rules,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// A command came.
    Command(pb::Command),
    /// The device's session is another one now; the context says which.
    Session,
    /// An attempt has ended.
    Outcome(Outcome),
    /// The device reported outputs.
    Telemetry(&'a Telemetry),
    /// Time passed.
    Tick,
}

/// A part of a command's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// From the first publish that may have reached the device to its PUBACK.
    SentToAcknowledged,
    /// From the PUBACK to the telemetry that confirms it.
    AcknowledgedToConfirmed,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Command of the attempt.
    pub command_id: String,
    /// Number of the attempt.
    pub attempt: u32,
    /// What is known of it.
    pub result: Delivered,
}

/// What is known of an attempt that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// The device's PUBACK came.
    Acknowledged,
    /// No session there; nothing was published.
    NotConnected,
    /// Another session than was meant; nothing was published.
    StaleEpoch,
    /// The device has not subscribed; nothing was published.
    NotSubscribed,
    /// Too much on its way; nothing was published.
    Busy,
    /// Published, and no PUBACK so far.
    Unacknowledged,
    /// Its time was over; nothing was published.
    Expired,
    /// Another gateway has the partition; nothing was published.
    StaleGateway,
    /// The device refuses it: too large, or a PUBACK that says so.
    Refused,
    /// The frontend was not reached: surely nothing was published.
    Unreachable,
    /// The frontend did not answer: it may have been published.
    Unknown,
}

/// Outputs that a device reported.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// When they were so, by the device's clock, Unix milliseconds UTC.
    pub device_time_ms: i64,
    /// Number and state.
    pub outputs: Vec<(u8, bool)>,
    /// The record that says so.
    pub raw: Option<pb::RawRef>,
}

/// An attempt to deliver a command. It may begin once its device's record is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The command.
    pub command_id: String,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Session that it is for.
    pub session: SessionRef,
    /// Topic of the publish.
    pub topic: String,
    /// Payload of the publish.
    pub payload: Bytes,
    /// It is not to be published after this, Unix milliseconds UTC.
    pub expire_time_ms: i64,
}

/// What follows from an event.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effects {
    /// To be told, in order.
    pub statuses: Vec<pb::CommandStatus>,
    /// To be begun once the record is durable.
    pub attempt: Option<Attempt>,
    /// Whether the device's record has changed.
    pub changed: bool,
    /// Whether the command was one that had come before.
    pub is_repeat: bool,
    /// Steps that are over, and how many milliseconds they took; for metrics.
    pub steps: Vec<(Step, i64)>,
}
