//! Commands under test: who sends them, who obeys them, who follows their statuses, and what all that must add up to.
//!
//! [`run`] is the loss checker: services are killed at random while commands flow to devices that lose their
//! connections at random; then the topics and the devices' own words are compared. [`latency`] is the quiet one.

mod check;
mod fleet;
pub mod latency;
mod life;
mod plan;
mod report;
mod run;
mod scene;
mod sender;

pub use check::check;
pub use fleet::{Fleet, imeis};
pub use life::{Follower, Life, Lives};
pub use plan::{Kind, Sent, command};
pub use report::{Report, Violation};
pub use run::{Outcome, ports, run};
pub use scene::{Kills, Scene};
pub use sender::Sender;

use std::path::PathBuf;
use std::time::Duration;

/// One run of the loss checker.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `fleetwire` binary.
    pub binary: PathBuf,
    /// Equal seeds give equal commands and moments, as far as the machine does.
    pub seed: u64,
    /// Devices that are connected, and lose their connections.
    pub devices: u32,
    /// Commands.
    pub commands: u32,
    /// Commands a second.
    pub rate: f64,
    /// Frontends.
    pub frontends: usize,
    /// Gateways.
    pub gateways: usize,
    /// Mean time between two kills of a frontend, and of a gateway; zero kills nothing.
    pub kill_every: Duration,
    /// Share of the gateways' kills that are a pause instead: the process stands still, and goes on later.
    pub pauses: f64,
    /// Mean time after which a device loses its connection.
    pub reconnect_every: Duration,
    /// How long telemetry may take to confirm a command.
    pub confirm_within: Duration,
    /// How long most commands are good for; one in ten is good for 1 to 4 seconds.
    pub time_to_live: Duration,
    /// Whether progress is printed.
    pub verbose: bool,
}

impl Settings {
    /// What `make command-loss-test` runs.
    pub fn new(binary: PathBuf, seed: u64) -> Self {
        Self {
            binary,
            seed,
            devices: 5000,
            commands: 50_000,
            rate: 250.0,
            frontends: 3,
            gateways: 2,
            kill_every: Duration::from_secs(8),
            pauses: 0.25,
            reconnect_every: Duration::from_secs(30),
            confirm_within: Duration::from_secs(30),
            time_to_live: Duration::from_mins(2),
            verbose: true,
        }
    }
}
