//! A run: the devices as tasks of one set, from the first connection to the last farewell.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::device::Device;
use crate::session::{Client, Run};
use crate::stats::{Refusal, Report, Stats};
use crate::{Invalid, Server, Settings};

/// How long the server may take to accept the first connection.
const FIRST_CONNECTION: Duration = Duration::from_secs(5);

/// Why a run did not take place.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// A setting that no fleet can have.
    #[error("the fleet cannot be simulated")]
    Invalid(#[from] Invalid),
    /// Nobody listens.
    #[error("no MQTT server at {host}:{port}")]
    Unreachable {
        /// Host of the last server of the settings.
        host: String,
        /// Its port.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
    /// The server takes none of the devices.
    #[error("the server refused all {devices} devices: {refusal}")]
    Refused {
        /// Devices that it refused.
        devices: u64,
        /// Why it refused the most of them.
        refusal: Refusal,
    },
}

/// Runs a fleet until its bounds are reached or it is stopped; then waits a little for the PUBACKs that are
/// still out. `stats` can be read all the while.
pub async fn run(
    settings: Settings,
    stop: CancellationToken,
    stats: Arc<Stats>,
) -> Result<Report, SimulateError> {
    settings.validate()?;
    // The devices' clocks show the settings' start now.
    let clock = Instant::now();
    let probe = reach(&settings);
    match stop.run_until_cancelled(probe).await {
        Some(reached) => reached?,
        None => return Ok(Report::new(stats.snapshot(), Duration::ZERO)),
    }
    let start = Instant::now();
    // A child, so that the end of this run does not stop what else the caller's token stops.
    let stop = stop.child_token();
    let run = Arc::new(Run {
        budget: Budget::new(settings.messages, settings.rate, start),
        stats: Arc::clone(&stats),
        stop: stop.clone(),
        clock,
        start_ms: i64::try_from(settings.start.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis())
            .unwrap_or(i64::MAX),
        settings,
    });
    let mut devices = set_off(&run);
    let all = async { while devices.join_next().await.is_some() {} };
    let mut all = std::pin::pin!(all);
    if let Some(duration) = run.settings.duration {
        if timeout(duration, &mut all).await.is_err() {
            stop.cancel();
            all.await;
        }
    } else {
        all.await;
    }
    let totals = stats.snapshot();
    let most = totals.refused.iter().max_by_key(|(_, devices)| **devices);
    match most {
        Some((refusal, _)) if totals.connects == 0 => {
            Err(SimulateError::Refused { devices: totals.refused.values().sum(), refusal: *refusal })
        }
        _ => Ok(Report::new(totals, start.elapsed())),
    }
}

/// Opens and closes a connection, so that a wrong address is told at once rather than by every device. One server that
/// answers is enough.
async fn reach(settings: &Settings) -> Result<(), SimulateError> {
    let mut outcome = Err(SimulateError::Invalid(Invalid::Servers));
    for Server { host, port } in &settings.servers {
        let connected = timeout(FIRST_CONNECTION, TcpStream::connect((host.as_str(), *port))).await;
        let connected = connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
        outcome = connected.map(drop).map_err(|source| SimulateError::Unreachable {
            host: host.clone(),
            port: *port,
            source,
        });
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn set_off(run: &Arc<Run>) -> JoinSet<()> {
    let mut rng = StdRng::seed_from_u64(run.settings.seed);
    let mut devices = JoinSet::new();
    for index in 0..run.settings.devices {
        let wait = run.settings.ramp_up.mul_f64(rng.random_range(0.0..1.0));
        let run = Arc::clone(run);
        devices.spawn(async move {
            if run.stop.run_until_cancelled(sleep(wait)).await.is_some()
                && let Some(device) = Device::new(&run.settings, index)
            {
                Client::new(&run, device).live().await;
            }
        });
    }
    devices
}
