//! Scaling under test: processes come, go, die and are restarted under load, and what was promised is compared with
//! what is in Kafka.
//!
//! A fleet of devices publishes at a steady rate through whatever frontends there are. Each step of a run changes one
//! process, and is over when the pipeline works as before. In the end every acknowledged publish must be in the raw
//! topic and have its position.

mod balancer;
mod check;
mod cluster;
mod device;
mod fleet;
mod goodbye;
mod ledger;
mod offsets;
mod outcome;
mod payload;
mod positions;
mod run;
mod scenarios;
mod scene;
mod stored;
mod times;

pub use check::{Report, compare};
pub use ledger::Ledger;
pub use outcome::{Outcome, Step};
pub use positions::Positions;
pub use scenarios::run;
pub use stored::Stored;
pub use times::Quantiles;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What a run is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Decoders come, are stopped and are killed.
    Decoders,
    /// Frontends come, are stopped and are killed; devices end their sessions now and then.
    Frontends,
    /// Every process is restarted, one after the other.
    Roll,
    /// The brokers of a cluster of three are restarted one after the other, and one is killed.
    Brokers,
}

impl Scenario {
    /// All, in the order in which they are run.
    pub const ALL: [Self; 4] = [Self::Decoders, Self::Frontends, Self::Roll, Self::Brokers];

    /// A word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Decoders => "decoders",
            Self::Frontends => "frontends",
            Self::Roll => "roll",
            Self::Brokers => "brokers",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `fleetwire` binary.
    pub binary: PathBuf,
    /// Equal seeds give equal choices of the devices, as far as the machine does.
    pub seed: u64,
    /// Devices; half of them speak MQTT 5.
    pub devices: u32,
    /// Publishes a second of all devices, of QoS 1.
    pub rate: u32,
    /// Partitions of every topic.
    pub partitions: u16,
    /// Quiet time before and after each step.
    pub pause: Duration,
    /// How long recovery from one step, or the rest of the lag, may take.
    pub limit: Duration,
    /// Mean time after which a device ends its session, where the run is about frontends.
    pub reconnect_every: Duration,
    /// How long a service may take to stop.
    pub grace: Duration,
    /// After how long Kafka misses a member of a group; `None` is the services' default.
    pub session_timeout: Option<Duration>,
    /// Whether decoders work exactly once; positions must not repeat then.
    pub exactly_once: bool,
    /// Whether progress is printed.
    pub verbose: bool,
}

impl Settings {
    /// What `make scale-test` runs.
    pub fn new(binary: PathBuf, seed: u64) -> Self {
        Self {
            binary,
            seed,
            devices: 200,
            rate: 400,
            partitions: 12,
            pause: Duration::from_secs(5),
            limit: Duration::from_mins(2),
            reconnect_every: Duration::from_secs(10),
            grace: Duration::from_secs(25),
            session_timeout: None,
            exactly_once: false,
            verbose: true,
        }
    }
}
