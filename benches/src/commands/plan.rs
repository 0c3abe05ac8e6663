//! Which commands are sent: mostly switched outputs, and a few of everything that senders get wrong.

use std::collections::HashMap;
use std::time::Duration;

use fleetwire_model::{Imei, pb};
use pb::command::Action;
use prost::Message as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// What a command is, as far as the checker cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Switches the output of this number.
    Switch {
        /// Number from 1, as the model's output profile has it.
        output: u8,
    },
    /// Takes back an earlier command of the same device, by its place among the commands.
    Cancel {
        /// The earlier command.
        earlier: usize,
    },
    /// No device can do it.
    Impossible,
}

/// A command that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its id.
    pub id: String,
    /// Device that it is for.
    pub imei: Imei,
    /// What it is.
    pub kind: Kind,
    /// The device must not act after this, seconds since 1970. No other command of the device has the same.
    pub expires_s: u32,
}

/// A command to be sent.
pub(super) struct Order {
    pub(super) sent: Sent,
    pub(super) value: Vec<u8>,
    /// It is sent a second time, as senders do that had no answer.
    pub(super) twice: bool,
}

/// What was sent to one device.
#[derive(Default)]
struct Device {
    /// Expiries that are taken.
    expiries: Vec<u32>,
    /// The newest command that switches an output.
    newest: Option<usize>,
}

/// Makes commands.
pub(super) struct Plan {
    rng: StdRng,
    imeis: Vec<Imei>,
    time_to_live: Duration,
    devices: HashMap<Imei, Device>,
    made: usize,
    prefix: String,
}

impl Plan {
    pub(super) fn new(seed: u64, imeis: Vec<Imei>, time_to_live: Duration) -> Self {
        let prefix = format!("c{seed}");
        let rng = StdRng::seed_from_u64(seed);
        Self { rng, imeis, time_to_live, devices: HashMap::new(), made: 0, prefix }
    }

    /// The next command, to a device at random.
    pub(super) fn next(&mut self, now_ms: i64) -> Option<Order> {
        let imei = *self.imeis.get(self.rng.random_range(0..self.imeis.len()))?;
        let kind = self.kind(imei);
        let expires_s = self.expiry(imei, now_ms);
        let device = self.devices.entry(imei).or_default();
        device.expiries.push(expires_s);
        if let Kind::Switch { .. } = kind {
            device.newest = Some(self.made);
        }
        let id = self.id(self.made);
        self.made += 1;
        let action = self.action(kind);
        let sent = Sent { id, imei, kind, expires_s };
        let value = command(&sent, now_ms, action).encode_to_vec();
        Some(Order { sent, value, twice: self.rng.random_bool(0.03) })
    }

    fn id(&self, number: usize) -> String {
        format!("{}-{number:08}", self.prefix)
    }

    fn kind(&mut self, imei: Imei) -> Kind {
        let earlier = self.devices.get(&imei).and_then(|device| device.newest);
        match (self.rng.random_range(0..100), earlier) {
            (0..2, Some(earlier)) => Kind::Cancel { earlier },
            (2, _) => Kind::Impossible,
            _ => Kind::Switch { output: self.rng.random_range(1..=5) },
        }
    }

    /// Whole seconds, as the protocol has them, and different for all commands of a device: so a device's own word tells
    /// which command it is of, also if no status told the number that it had.
    fn expiry(&mut self, imei: Imei, now_ms: i64) -> u32 {
        let long = self.time_to_live.as_secs();
        let wait_s = if self.rng.random_bool(0.1) { self.rng.random_range(1..=4) } else { long };
        let now = u32::try_from(now_ms / 1000).unwrap_or(u32::MAX);
        let mut expires_s = now.saturating_add(u32::try_from(wait_s).unwrap_or(u32::MAX));
        let taken = self.devices.get(&imei);
        let is_taken = |at: u32| taken.is_some_and(|device| device.expiries.contains(&at));
        while is_taken(expires_s) {
            expires_s += 1;
        }
        expires_s
    }

    fn action(&mut self, kind: Kind) -> Action {
        let output = match kind {
            Kind::Cancel { earlier } => {
                return Action::Cancel(pb::CancelCommand { command_id: self.id(earlier) });
            }
            Kind::Impossible => 77,
            Kind::Switch { output } => output,
        };
        let is_timed = output <= 3;
        let pick = self.rng.random_range(0..if is_timed { 3 } else { 2 });
        let action = match pick {
            0 => pb::OutputAction::On,
            1 => pb::OutputAction::Off,
            _ => pb::OutputAction::Pulse,
        };
        let hundredths = self.rng.random_range(10..500);
        let duration = is_timed.then(|| prost_types::Duration {
            seconds: hundredths / 100,
            nanos: i32::try_from(hundredths % 100).unwrap_or(0) * 10_000_000,
        });
        let output = output.into();
        Action::OutputControl(pb::OutputControl { output, action: action.into(), duration })
    }
}

/// The record of a command.
pub fn command(sent: &Sent, now_ms: i64, action: Action) -> pb::Command {
    let time = |ms: i64| prost_types::Timestamp {
        seconds: ms.div_euclid(1000),
        nanos: i32::try_from(ms.rem_euclid(1000)).unwrap_or(0) * 1_000_000,
    };
    pb::Command {
        command_id: sent.id.clone(),
        device_id: sent.imei.to_string(),
        issued_time: Some(time(now_ms)),
        expire_time: Some(time(i64::from(sent.expires_s) * 1000)),
        requested_by: "benches".to_owned(),
        action: Some(action),
    }
}
