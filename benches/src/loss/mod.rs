//! The loss checker: what was acknowledged must be in Kafka, whatever dies in between.
//!
//! A fleet of devices numbers its publishes and notes every PUBACK and PUBREC; something is killed again and again;
//! the devices come back and send again what was not acknowledged. In the end the topics are read and compared.

mod device;
mod fleet;
mod ledger;
mod payload;
mod run;
mod stored;

pub use ledger::{Ledger, Report, compare};
pub use run::{Outcome, run};
pub use stored::{Place, Stored};

use std::path::PathBuf;
use std::time::Duration;

/// What dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// The frontend, by SIGKILL.
    Frontend,
    /// The frontend, by SIGTERM: it drains, which must end well.
    Drained,
    /// The Kafka broker, by SIGKILL.
    Kafka,
}

/// One run of the checker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `fleetwire` binary.
    pub binary: PathBuf,
    /// What dies.
    pub victim: Victim,
    /// How often.
    pub kills: u32,
    /// Equal seeds give equal moments, as far as the machine does.
    pub seed: u64,
    /// Devices; half of them are activated, half of them speak MQTT 5, and they mix QoS 1 and 2.
    pub devices: u32,
    /// Publishes of one device that wait for their answer, at most.
    pub in_flight: usize,
    /// Publishes a second of the whole fleet; 0 is as fast as they are answered.
    pub rate: u32,
    /// Bytes of one payload, at least 16.
    pub payload: usize,
    /// Between two kills, at most.
    pub pause: Duration,
    /// Whether progress is printed.
    pub verbose: bool,
}

impl Settings {
    /// What `make loss-test` runs.
    pub fn new(binary: PathBuf, victim: Victim, kills: u32, seed: u64) -> Self {
        Self {
            binary,
            victim,
            kills,
            seed,
            devices: 100,
            in_flight: 20,
            rate: 4000,
            payload: 100,
            pause: Duration::from_secs(3),
            verbose: true,
        }
    }
}
