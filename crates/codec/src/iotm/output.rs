//! Output control: commands to a device, published on `<IMEI>/OUTC`, as the same container that telemetry comes in.
//!
//! ```text
//! payload = version:u8 (= 2)  IMEI record, left out over Bluetooth  record of type 4  checksum:u8
//! record  = 4:u8  length:u16  expiry:u32  output_id:u8  unique_id:u8  data_length:u8  data
//! ```
//!
//! Outputs 1 to 3 are timed: a function for a duration. The static signals S1 and S2 are latched: on or off until
//! the next command; which physical output they drive is set in the device. How to lock doors, block the engine or
//! pass bytes through is not known for this protocol. The device answers on no topic by default: what confirms a
//! command is the state of its output in later telemetry.

mod function;
mod read;

pub use function::{Act, Function, Polarity};
pub use read::ReadError;
pub(super) use read::read_record;

use std::fmt;
use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

use fleetwire_model::Imei;

use super::container::VERSION;
use super::{IMEI, OUTPUT_CONTROL};
use crate::checksum::checksum;
use crate::describe;

/// Bytes of a record before its data.
const FIXED: usize = 7;

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputControl {
    /// Device that it is for; over MQTT it is there, over Bluetooth it is not.
    pub imei: Option<Imei>,
    /// The device drops the command after this instant, seconds since 1970 UTC; 0x7FFF_FFFF is as good as never.
    pub expires: u32,
    /// Tells the command from the one before it.
    pub unique_id: UniqueId,
    /// What to do.
    pub action: Action,
}

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A function of an output for some time; afterwards the output is as before.
    Timed {
        /// Which output.
        output: TimedOutput,
        /// What it does.
        function: Function,
        /// How long.
        duration: Steps,
    },
    /// A static signal, on or off until the next command.
    Latched {
        /// Which signal.
        signal: Signal,
        /// Whether it is to be on.
        on: bool,
    },
}

/// An output that works for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimedOutput {
    /// OUT1, output id 0.
    Out1,
    /// OUT2, output id 1.
    Out2,
    /// OUT3, output id 2.
    Out3,
}

/// A static signal. (Over TCP these have the ids 0x0A and 0x0B.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// S1, output id 8.
    S1,
    /// S2, output id 9.
    S2,
}

/// Number of a command, 1 to 255. A device that gets the number of the command before takes it for a repeat and
/// does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UniqueId(NonZeroU8);

/// A duration of 0.01 to 655.35 seconds, in steps of 10 milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps(NonZeroU16);

/// Milliseconds of a step.
const STEP_MS: u16 = 10;

/// Why a command cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A duration that the format cannot say.
    #[error("an output works for 0.01 to 655.35 seconds in steps of 0.01, not for {} seconds", .0.as_secs_f64())]
    Duration(Duration),
    /// A number that no timed output has.
    #[error("timed outputs are 1, 2 and 3; there is no {0}")]
    Output(u32),
    /// A number that no static signal has.
    #[error("static signals are 1 and 2; there is no {0}")]
    Signal(u32),
    /// Zero, which the counter never is.
    #[error("the unique id of a command is 1 to 255, not 0")]
    UniqueId,
}

impl OutputControl {
    /// The payload. `polarity` is what the device takes a function byte for.
    pub fn write(&self, polarity: Polarity) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(26);
        bytes.push(VERSION);
        if let Some(imei) = self.imei {
            bytes.extend([IMEI, 8, 0]);
            bytes.extend(imei.number().to_le_bytes());
        }
        let mut data = [0; 3];
        let (output_id, data) = self.action.data(polarity, &mut data);
        let data_length = u8::try_from(data.len()).unwrap_or_default();
        bytes.extend([OUTPUT_CONTROL, 7 + data_length, 0]);
        bytes.extend(self.expires.to_le_bytes());
        bytes.extend([output_id, self.unique_id.get(), data_length]);
        bytes.extend(data);
        bytes.push(checksum(&bytes));
        bytes
    }

    /// Reads a payload as a device does: one command, and perhaps the IMEI that it is for.
    pub fn parse(payload: &[u8], polarity: Polarity) -> Result<Self, ReadError> {
        read::read(payload, polarity)
    }
}

impl Action {
    /// Output id and data.
    fn data(self, polarity: Polarity, room: &mut [u8; 3]) -> (u8, &[u8]) {
        match self {
            Self::Timed { output, function, duration } => {
                let [low, high] = duration.0.get().to_le_bytes();
                *room = [function.code(polarity), low, high];
                (output.id(), room)
            }
            Self::Latched { signal, on } => {
                *room = [on.into(), 0, 0];
                (signal.id(), room.get(..1).unwrap_or_default())
            }
        }
    }
}

impl TimedOutput {
    /// The output of a number, 1 to 3.
    pub const fn from_number(number: u32) -> Result<Self, CommandError> {
        match number {
            1 => Ok(Self::Out1),
            2 => Ok(Self::Out2),
            3 => Ok(Self::Out3),
            other => Err(CommandError::Output(other)),
        }
    }

    /// Its number, 1 to 3, which telemetry has too.
    pub const fn number(self) -> u32 {
        self.id() as u32 + 1
    }

    /// The output id.
    pub const fn id(self) -> u8 {
        self as u8
    }
}

impl Signal {
    /// The signal of a number, 1 or 2.
    pub const fn from_number(number: u32) -> Result<Self, CommandError> {
        match number {
            1 => Ok(Self::S1),
            2 => Ok(Self::S2),
            other => Err(CommandError::Signal(other)),
        }
    }

    /// Its number, 1 or 2.
    pub const fn number(self) -> u32 {
        self as u32 + 1
    }

    /// The output id.
    pub const fn id(self) -> u8 {
        self as u8 + 8
    }
}

impl UniqueId {
    /// The number of the first command.
    pub const FIRST: Self = Self(NonZeroU8::MIN);

    /// A number from 1.
    pub const fn new(number: u8) -> Result<Self, CommandError> {
        match NonZeroU8::new(number) {
            Some(number) => Ok(Self(number)),
            None => Err(CommandError::UniqueId),
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0.get()
    }

    /// The number of the next command; after 255 comes 1.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0.checked_add(1) {
            Some(next) => Self(next),
            None => Self::FIRST,
        }
    }
}

impl Steps {
    /// The longest, 655.35 seconds.
    pub const MAX: Self = Self(NonZeroU16::MAX);

    /// The duration.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0.get() as u64 * STEP_MS as u64)
    }
}

/// Only what the format says exactly: nothing is rounded.
impl TryFrom<Duration> for Steps {
    type Error = CommandError;

    fn try_from(duration: Duration) -> Result<Self, CommandError> {
        let step = Duration::from_millis(STEP_MS.into());
        let steps = duration.as_nanos() / step.as_nanos();
        let steps = u16::try_from(steps).ok().and_then(NonZeroU16::new).map(Self);
        steps.filter(|steps| steps.duration() == duration).ok_or(CommandError::Duration(duration))
    }
}

impl fmt::Display for OutputControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.action {
            Action::Timed { output, function, duration } => {
                let seconds = duration.duration().as_secs_f64();
                write!(f, "OUT{} {function} for {seconds} s", output.number())?;
            }
            Action::Latched { signal, on } => {
                write!(f, "S{} {}", signal.number(), if on { "on" } else { "off" })?;
            }
        }
        let expires = describe::time(i64::from(self.expires) * 1000);
        write!(f, ", unique id {}, until {expires}", self.unique_id.get())
    }
}
